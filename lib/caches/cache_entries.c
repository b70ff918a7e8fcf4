/* cache_entries.c: how values come into a cache and leave it. The design is in cache_core.h. */
#include <errno.h>

#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "lib/caches/cache_core.h"
#include "lib/refs/span.h"

/* ---- Entries ---- */

/* The first retain of an object is for its only owner (lib/refs/counts.h), but what is kept is found by way of the
 * shard and of the ring, under different locks: so it is counted before anybody else sees it. */
static void begin_count(lido_cache_entry *entry) { lido_release(lido_retain(entry)); }

lido_cache_entry *lido_cache_entry_make(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  lido_cache_entry *entry = lido_sized_alloc(&cache->entries, sizeof *entry + key_bytes);
  if (entry == NULL) return NULL;
  *entry = (lido_cache_entry){.node = {.hash = hash}, .key_bytes = (uint32_t)key_bytes};
  lido_list_init(&entry->kept_link);
  if (key_bytes != 0) memcpy(entry->key, key, key_bytes);
  if (cache->keeps) begin_count(entry);
  return entry;
}

/* ---- The death of a value ---- */

/* All that a value knows of the cache: exactly what a cleanup copies. */
typedef struct last_will {
  lido_weak cache;
  uint64_t hash;
  lido_weak value;
} last_will;

static lido_cache_entry *find_value(lido_cache *cache, const last_will *will) {
  for (lido_table_node *node = lido_table_chain(&cache->table, will->hash); node != NULL;
       node = lido_table_next(node)) {
    lido_cache_entry *entry = lido_cache_entry_of(node);
    if (node->hash == will->hash && lido_weak_equal(lido_cache_value_of(entry), will->value)) return entry;
  }
  return NULL;
}

static void on_death(void *arg) {
  last_will will = *(const last_will *)arg;
  lido_cache *cache = lido_weak_acquire(will.cache);
  if (cache == NULL) return;
  lido_cache_parting parting = {0};
  lido_table_shard *shard = lido_table_take(&cache->table, will.hash);
  lido_cache_entry *entry = find_value(cache, &will);
  if (entry != NULL) parting = lido_cache_remove_locked(cache, shard, entry, LIDO_CACHE_REMOVED);
  lido_table_give(shard);
  if (entry != NULL) LIDO_CACHE_COUNT_RARE(cache, deaths);
  parting.value = NULL;     /* its pool ended, and the cache's reference with it */
  parting.cleanup.bits = 0; /* this one */
  lido_cache_part(cache, &parting);
  lido_weak_release(will.cache);
}

/* ---- Arrivals ---- */

static size_t weigh(const lido_cache *cache, const void *key, size_t key_bytes, void *value) {
  const lido_cache_options *options = &cache->options;
  if (options->weight != NULL) return options->weight(key, key_bytes, value, options->context);
  return lido_span_entry((uintptr_t)value)->owner->object_bytes;
}

static void decide_to_keep(lido_cache *cache, lido_cache_arrival *arrival, const void *key, size_t key_bytes) {
  if (!cache->keeps) return;
  arrival->weight = lido_min(weigh(cache, key, key_bytes, arrival->value), LIDO_CACHE_WEIGHT_MAX);
  arrival->to_keep = cache->options.keep_bytes == 0 || arrival->weight <= cache->options.keep_bytes;
  if (arrival->to_keep) {
    lido_retain(arrival->value);
  } else {
    LIDO_CACHE_COUNT_RARE(cache, too_heavy);
  }
}

int lido_cache_arrive(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes, void *value,
                      lido_cache_arrival *arrival) {
  *arrival = (lido_cache_arrival){.value = value, .weak = lido_weak_make(value), .now_ns = lido_cache_now(cache)};
  if (arrival->weak.bits == 0) return EINVAL;
  if (lido_weak_get(arrival->weak) == NULL) return ESTALE; /* killed, or dying */
  if (lido_weak_get(cache->self) == NULL) return ESTALE;   /* on_evict puts it while the cache is being ended */
  last_will will = {.cache = cache->self, .hash = hash, .value = arrival->weak};
  int saved_errno = errno;
  arrival->cleanup = lido_cleanup_add_copy_to(NULL, value, on_death, &will, sizeof will);
  int error = arrival->cleanup.bits != 0 ? 0 : errno;
  errno = saved_errno;
  if (error == 0) decide_to_keep(cache, arrival, key, key_bytes);
  return error;
}

void lido_cache_turn_away(lido_cache_arrival *arrival) {
  lido_cleanup_stop(arrival->cleanup);
  if (arrival->to_keep) lido_release(arrival->value);
}

static void set_times_locked(const lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  if (!cache->ages) return;
  uint64_t live = cache->options.live_ns;
  /* RELAXED, twice: a reader that sees older times looks again under the lock before it believes that they are over. */
  lido_store_relaxed(&entry->ends_ns, live == 0 ? 0 : now + live < now ? UINT64_MAX : now + live);
  lido_store_relaxed(&entry->asked_ns, now);
}

lido_cache_parting lido_cache_enter_locked(lido_cache *cache, lido_cache_entry *entry,
                                           const lido_cache_arrival *arrival, lido_cache_reason reason) {
  lido_cache_parting before = lido_cache_empty_locked(cache, entry, reason);
  entry->cleanup = arrival->cleanup;
  set_times_locked(cache, entry, arrival->now_ns);
  /* RELAXED: the handle is followed by acquire, which sees what its object was when it was published. */
  lido_store_relaxed(&entry->value, lido_weak_to_u64(arrival->weak));
  lido_store_relaxed(&entry->was_let_go, false); /* RELAXED: a hint */
  if (arrival->to_keep) lido_cache_keep(cache, entry, arrival->value, arrival->weight);
  return before;
}

/* ---- Departures ---- */

lido_cache_parting lido_cache_empty_locked(lido_cache *cache, lido_cache_entry *entry, lido_cache_reason reason) {
  lido_cache_doom_locked(cache, entry);
  lido_cache_parting parting = {
      .cleanup = entry->cleanup, .value = lido_cache_keep_no_more(cache, entry), .reason = reason};
  if (parting.value != NULL) {
    parting.entry = lido_retain(entry); /* for its key */
  }
  entry->cleanup.bits = 0;
  lido_store_relaxed(&entry->value, 0); /* RELAXED: as above */
  return parting;
}

lido_cache_parting lido_cache_remove_locked(lido_cache *cache, lido_table_shard *shard, lido_cache_entry *entry,
                                            lido_cache_reason reason) {
  LIDO_ASSERT(entry->listed);
  lido_cache_doom_locked(cache, entry);
  entry->listed = false;
  lido_table_remove_locked(shard, &entry->node);
  return (lido_cache_parting){
      .entry = entry, .value = lido_cache_keep_no_more(cache, entry), .cleanup = entry->cleanup, .reason = reason};
}

static void count(lido_cache *cache, lido_cache_reason reason) {
  static const size_t counters[] = {
#define LIDO_CACHE_REASON_PLACE(constant, name, text) offsetof(lido_cache_stats, name),
      LIDO_CACHE_REASONS(LIDO_CACHE_REASON_PLACE)
#undef LIDO_CACHE_REASON_PLACE
  };
  uint64_t *counter = (uint64_t *)(void *)((char *)&cache->rare + counters[reason]);
  lido_add_relaxed(counter, 1); /* RELAXED: statistic */
}

typedef struct telling {
  const lido_cache_options *options;
  const lido_cache_parting *parting;
} telling;

static void tell(void *argument) {
  const telling *t = argument;
  const lido_cache_parting *p = t->parting;
  int saved_errno = errno;
  t->options->on_evict(p->entry->key, p->entry->key_bytes, p->value, p->reason, t->options->context);
  errno = saved_errno;
}

static void release_parting(const lido_cache_parting *parting) {
  if (parting->value != NULL) lido_release(parting->value);
  lido_release(parting->entry);
}

/* The thread ends in on_evict, and everything else that it is in the midst of. */
static void abandon(void *argument) {
  const telling *t = argument;
  lido_cache_settle_no_more();
  release_parting(t->parting);
}

void lido_cache_part(lido_cache *cache, lido_cache_parting *parting) {
  telling t = {&cache->options, parting};
  if (parting->cleanup.bits != 0) lido_cleanup_stop(parting->cleanup);
  if (parting->value != NULL) count(cache, parting->reason);
  if (parting->value != NULL && t.options->on_evict != NULL) lido_os_call_to_its_end(tell, abandon, &t);
  release_parting(parting);
}

/* ---- Times ---- */

uint64_t lido_cache_ask_clock(const lido_cache *cache) {
  int saved_errno = errno;
  uint64_t now = cache->options.now(cache->options.context);
  errno = saved_errno;
  return now;
}

bool lido_cache_is_over(const lido_cache *cache, const lido_cache_entry *entry, uint64_t now) {
  uint64_t ends = lido_load_relaxed(&entry->ends_ns); /* RELAXED: see set_times_locked */
  uint64_t asked = lido_load_relaxed(&entry->asked_ns);
  uint64_t idle = cache->options.idle_ns;
  return (ends != 0 && now >= ends) || (idle != 0 && now >= asked && now - asked >= idle);
}
