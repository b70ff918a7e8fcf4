/* intern.c: canonical values.
 *
 * Idea: a value is an object of a guarded pool with its node, its handle and its bytes. Who looks for bytes walks a
 * chain inside a guard, compares, and acquires by the handle. When the last reference goes the object begins to die,
 * and before anything else leaves the table (lido_refs_owner.unlist); its memory waits for readers who may be at it.
 * Who finds bytes that are dying goes on, and makes them anew: both are in the table for a moment, and only one of them
 * alive.
 * Invariants
 *   I1  of the values in the table that are alive no two have the same bytes.
 *   I2  a value that is `listed` is in the table, and leaves it when it dies; one that is not was never given out.
 *   I3  value->self is the object's handle.
 *   I4  `bytes` is the sum over the values in the table.
 * Races
 *   intern / last release: acquire by the handle decides. Zero is final: the dying value is never taken back.
 *   intern / intern of the same bytes: under the shard's lock the second finds what the first made.
 *   release of a value / end of the table: not at once (the contract).
 * Proof: of the first two tests/interleavings/intern_race_test.c.
 * Threads: any. Lock: rank SHARD.
 * Failure: ENOMEM, nothing changed.
 * Not done: values that stay for a while after their last reference (a cache does that).
 */
#include "lido/intern.h"

#include <errno.h>

#include "lib/base/list.h"
#include "lib/caches/caches_fork.h"
#include "lib/caches/hash_table.h"
#include "lib/caches/hit_counts.h"
#include "lib/caches/key_hash.h"
#include "lib/caches/sized_pools.h"
#include "lib/mem/metadata.h"

typedef struct interned_value {
  lido_table_node node;
  lido_weak self;
  uint32_t count;
  bool listed;                        /* under the shard's lock */
  _Alignas(16) unsigned char bytes[]; /* count of them, and a zero */
} interned_value;

struct lido_intern {
  lido_table table;
  lido_hit_counts hits;
  uint64_t seed;
  lido_caches_member member;
  lido_sized_pools values;
  lido_intern_stats rare; /* the other counters, and gauges; atomic */
  char name[64];
};

/* RELAXED: statistics. */
#define ADD(intern, name, amount) lido_add_relaxed(&(intern)->rare.name, (uint64_t)(amount))

static const lido_interned none = {0};

static lido_interned refused(int error) {
  errno = error;
  return none;
}

static interned_value *value_of(lido_table_node *node) { return LIDO_LIST_ITEM(node, interned_value, node); }

/* ---- Finding ---- */

static inline bool is_same(const interned_value *value, uint64_t hash, const void *bytes, size_t count) {
  return value->node.hash == hash && value->count == count && lido_same_bytes(value->bytes, bytes, count);
}

/* With one reference; NULL: none that is alive. Inside a guard (then NULL may be wrong), or with the shard's lock. */
static interned_value *find(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  for (lido_table_node *node = lido_table_chain(&intern->table, hash); node != NULL; node = lido_table_next(node)) {
    interned_value *value = value_of(node);
    if (!is_same(value, hash, bytes, count)) continue;
    if (lido_weak_acquire(value->self) != NULL) return value;
    ADD(intern, stale, 1);
  }
  return NULL;
}

static interned_value *find_unlocked(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  lido_guard_enter();
  interned_value *value = find(intern, hash, bytes, count);
  lido_guard_leave();
  return value;
}

static interned_value *find_locked(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  lido_table_shard *shard = lido_table_take(&intern->table, hash);
  interned_value *value = find(intern, hash, bytes, count);
  lido_table_give(shard);
  return value;
}

/* ---- Making ---- */

static interned_value *make_value(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  interned_value *value = lido_sized_alloc(&intern->values, sizeof *value + count + 1);
  if (value == NULL) return NULL;
  *value = (interned_value){.node = {.hash = hash}, .count = (uint32_t)count};
  if (count != 0) memcpy(value->bytes, bytes, count);
  value->bytes[count] = 0;
  value->self = lido_weak_make(value);
  return value;
}

/* The value is in the table; or another is, and *present, or there is no memory for a place. */
static int enter(lido_intern *intern, interned_value *value, interned_value **present) {
  int error = 0;
  lido_table_shard *shard = lido_table_take(&intern->table, value->node.hash);
  *present = find(intern, value->node.hash, value->bytes, value->count);
  if (*present == NULL) error = lido_table_reserve_locked(shard);
  if (*present == NULL && error == 0) {
    value->listed = true;
    lido_table_insert_locked(shard, &value->node);
    ADD(intern, bytes, value->count);
  }
  lido_table_give(shard);
  return error;
}

static LIDO_SLOW lido_interned make_and_enter(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  interned_value *present = NULL;
  interned_value *value = make_value(intern, hash, bytes, count);
  if (value == NULL) return none;
  int error = enter(intern, value, &present);
  if (error == 0 && present == NULL) {
    ADD(intern, misses, 1);
    return (lido_interned){value->self.bits};
  }
  lido_release(value);
  if (error != 0) return refused(error);
  lido_hit_count_add(&intern->hits, lido_this_guard);
  return (lido_interned){present->self.bits};
}

/* ---- Interning ---- */

static __attribute__((noinline)) lido_interned intern_any(lido_intern *intern, const void *bytes, size_t count) {
  if (count > LIDO_INTERNED_MAX) return refused(EMSGSIZE);
  uint64_t hash = lido_hash_bytes(bytes, count, intern->seed);
  interned_value *value = find_unlocked(intern, hash, bytes, count);
  if (LIDO_UNLIKELY(value == NULL)) return make_and_enter(intern, hash, bytes, count);
  lido_hit_count_add(&intern->hits, lido_this_guard);
  return (lido_interned){value->self.bits};
}

static LIDO_SLOW lido_interned look_and_return(lido_interned value) {
  lido_guard_leave_full();
  return value;
}

/* The first that fits, alive and without anything unusual, with one reference; its handle, or {0}. */
LIDO_FAST lido_interned find_short(lido_intern *intern, uint64_t hash, const void *bytes, size_t count) {
  for (lido_table_node *node = lido_table_chain(&intern->table, hash); node != NULL; node = lido_table_next(node)) {
    interned_value *value = value_of(node);
    if (node->hash != hash || value->count != count || !lido_same_short(value->bytes, bytes, count)) continue;
    lido_weak self = value->self;
    return lido_weak_acquire_plain(self) != NULL ? (lido_interned){self.bits} : none;
  }
  return none;
}

/* Bytes that are there, 8 to 16 of them: calls nothing. All else begins anew in a more general function. */
lido_interned lido_intern_bytes(lido_intern *intern, const void *bytes, size_t count) {
  lido_guard_record *record = lido_this_guard;
  if (LIDO_UNLIKELY(record == NULL) || LIDO_UNLIKELY(record->depth != 0) || !lido_is_short(count)) {
    return intern_any(intern, bytes, count);
  }
  uint64_t hash = lido_hash_bytes(bytes, count, intern->seed);
  lido_guard_peek(record);
  lido_interned value = find_short(intern, hash, bytes, count);
  bool look = lido_guard_peek_over(record);
  if (LIDO_UNLIKELY(value.bits == 0)) return intern_any(intern, bytes, count);
  lido_hit_count_add(&intern->hits, record);
  return LIDO_LIKELY(!look) ? value : look_and_return(value);
}

lido_interned lido_intern_find(lido_intern *intern, const void *bytes, size_t count) {
  if (count > LIDO_INTERNED_MAX) return none;
  uint64_t hash = lido_hash_bytes(bytes, count, intern->seed);
  interned_value *value = find_unlocked(intern, hash, bytes, count);
  if (value == NULL) value = find_locked(intern, hash, bytes, count);
  if (value == NULL) {
    ADD(intern, misses, 1);
    return none;
  }
  lido_hit_count_add(&intern->hits, lido_this_guard);
  return (lido_interned){value->self.bits};
}

/* ---- Values ---- */

lido_interned lido_interned_retain(lido_interned value) {
  return lido_weak_acquire(lido_interned_weak(value)) != NULL ? value : none;
}

const void *lido_interned_bytes(lido_interned value, size_t *count) {
  const interned_value *found = lido_weak_get(lido_interned_weak(value));
  if (count != NULL) *count = found != NULL ? found->count : 0;
  return found != NULL ? found->bytes : NULL;
}

/* ---- The end of a value ---- */

static void remove_locked(lido_intern *intern, lido_table_shard *shard, interned_value *value) {
  value->listed = false;
  lido_table_remove_locked(shard, &value->node);
  ADD(intern, deaths, 1);
  ADD(intern, bytes, -(int64_t)value->count);
}

static void unlist(void *object, void *context) {
  lido_intern *intern = context;
  interned_value *value = object;
  lido_table_shard *shard = lido_table_take(&intern->table, value->node.hash);
  if (value->listed) remove_locked(intern, shard, value);
  lido_table_give(shard);
}

/* ---- Life of a table ---- */

static lido_intern *intern_of(lido_caches_member *member) { return LIDO_LIST_ITEM(member, lido_intern, member); }
static void lock_for_fork(lido_caches_member *member) { lido_table_lock_for_fork(&intern_of(member)->table); }
static void unlock_after_fork(lido_caches_member *member) { lido_table_unlock_after_fork(&intern_of(member)->table); }

static bool find_dying(lido_table_node *node, void *arg) {
  if (lido_weak_get(lido_weak_from_u64(value_of(node)->self.bits)) != NULL) return true;
  *(lido_table_node **)arg = node;
  return false;
}

/* A value that another thread was ending, between its handle's end and its leaving the table, leaves it here. */
static bool remove_dying(lido_intern *intern, lido_table_shard *shard) {
  lido_table_node *dying = NULL;
  lido_table_each_locked(shard, find_dying, &dying);
  if (dying != NULL) unlist(value_of(dying), intern);
  return dying != NULL;
}

static void in_child(lido_caches_member *member) {
  lido_intern *intern = intern_of(member);
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    while (remove_dying(intern, &intern->table.shards[i])) {}
  }
}

static void set_up(lido_intern *intern, const lido_intern_options *options) {
  strncpy(intern->name, options->name != NULL ? options->name : "intern", sizeof intern->name - 1);
  intern->seed = lido_hash_seed(options->seed);
  intern->member = (lido_caches_member){
      .lock_for_fork = lock_for_fork, .unlock_after_fork = unlock_after_fork, .in_child = in_child};
  lido_sized_init(&intern->values, intern->name, unlist, intern);
}

lido_intern *lido_intern_create(const lido_intern_options *options) {
  static const lido_intern_options defaults = {0};
  lido_intern *intern = lido_metadata_alloc(lido_metadata_system(), sizeof *intern);
  if (intern == NULL) return NULL;
  set_up(intern, options != NULL ? options : &defaults);
  int error = lido_table_init(&intern->table);
  if (error == 0) error = lido_caches_join(&intern->member);
  if (error == 0) return intern;
  lido_table_end(&intern->table);
  lido_metadata_free(lido_metadata_system(), intern, sizeof *intern);
  errno = error;
  return NULL;
}

/* The pools end before the table, so that nobody is asked to leave it one by one; then there is nobody in it. */
size_t lido_intern_destroy(lido_intern *intern) {
  if (intern == NULL) return 0;
  lido_caches_leave(&intern->member);
  size_t live = lido_sized_end(&intern->values);
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    lido_table_shard *shard = &intern->table.shards[i];
    lido_lock_take(&shard->lock);
    lido_table_forget_all_locked(shard);
    lido_table_give(shard);
  }
  lido_table_end(&intern->table);
  lido_metadata_free(lido_metadata_system(), intern, sizeof *intern);
  return live;
}

const char *lido_intern_name(const lido_intern *intern) { return intern->name; }

size_t lido_intern_trim(lido_intern *intern) {
  return lido_table_trim(&intern->table) + lido_sized_trim(&intern->values);
}

/* ---- Numbers ---- */

void lido_intern_stats_get(const lido_intern *intern, lido_intern_stats *out) {
  lido_counts_copy(out, &intern->rare, sizeof *out);
  out->values = lido_table_count(&((lido_intern *)(uintptr_t)intern)->table);
  out->hits = lido_hit_counts_sum(&intern->hits);
  out->bytes_reserved = lido_sized_reserved_bytes(&intern->values);
}

typedef struct checking {
  lido_intern *intern;
  size_t bytes;
  const char *broken;
} checking;

static const char *check_value(lido_intern *intern, const interned_value *value) {
  if (!value->listed) return "I2: a value in the table does not know it";
  bool killed = lido_weak_state_get(value->self) == LIDO_WEAK_KILLED;
  if (!killed && lido_weak_get(value->self) != value) return "I3: a value is not where its handle leads";
  for (lido_table_node *next = value->node.next; next != NULL; next = next->next) {
    if (is_same(value_of(next), value->node.hash, value->bytes, value->count)) return "I1: the same bytes twice";
  }
  if (value->node.hash != lido_hash_bytes(value->bytes, value->count, intern->seed)) return "I1: bytes have changed";
  return NULL;
}

static bool check_node(lido_table_node *node, void *arg) {
  checking *c = arg;
  c->bytes += value_of(node)->count;
  c->broken = check_value(c->intern, value_of(node));
  return c->broken == NULL;
}

const char *lido_intern_check(lido_intern *intern) {
  checking c = {.intern = intern, .broken = lido_table_check(&intern->table)};
  for (size_t i = 0; i < LIDO_TABLE_SHARDS && c.broken == NULL; i++) {
    lido_table_each_locked(&intern->table.shards[i], check_node, &c);
  }
  if (c.broken == NULL && c.bytes != intern->rare.bytes) c.broken = "I4: bytes are miscounted";
  return c.broken != NULL ? c.broken : lido_sized_check(&intern->values);
}
