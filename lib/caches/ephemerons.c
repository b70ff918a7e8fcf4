/* ephemerons.c: see ephemerons.h. */
#include "lib/caches/ephemerons.h"

#include <errno.h>
#include <string.h>

#include "lib/base/misuse_report.h"
#include "lib/caches/hit_counts.h"
#include "lib/caches/key_hash.h"

/* RELAXED: statistics. */
#define COUNT(map, name) lido_add_relaxed(&(map)->rare.name, 1)

static lido_attachment *attachment_of(lido_table_node *node) { return LIDO_LIST_ITEM(node, lido_attachment, node); }
static uint64_t hash_of(lido_weak key) { return lido_hash_mix(key.bits); }

/* ---- The ends of values ---- */

/* What left the map: {0}: nothing. */
typedef struct parting {
  lido_attachment *attachment; /* NULL: it stays, with another value */
  void *value;
  lido_weak handle; /* of the value, in a map with objects */
  lido_cleanup cleanup;
} parting;

/* Whether the map's reference is still one: the pool of an attached object may have ended, and the object with it. */
static bool is_there(const lido_ephemerons *map, lido_weak handle) {
  if (!map->options.objects) return true;
  lido_weak_state state = lido_weak_state_get(handle);
  return state == LIDO_WEAK_LIVE || state == LIDO_WEAK_KILLED;
}

static void end_value(const lido_ephemerons *map, void *value, lido_weak handle) {
  if (value == NULL || !is_there(map, handle)) return;
  int saved_errno = errno;
  if (map->options.end != NULL) map->options.end(value, map->options.context);
  errno = saved_errno;
  if (map->options.objects) lido_release(value);
}

static void part(const lido_ephemerons *map, const parting *p) {
  if (p->cleanup.bits != 0) lido_cleanup_stop(p->cleanup);
  end_value(map, p->value, p->handle);
  lido_release(p->attachment);
}

static parting all_of(lido_attachment *attachment) {
  return (parting){.attachment = attachment,
                   .value = attachment->value,
                   .handle = lido_weak_from_u64(attachment->as_weak),
                   .cleanup = attachment->cleanup};
}

static parting take_out_locked(lido_table_shard *shard, lido_attachment *attachment) {
  attachment->listed = false;
  lido_table_remove_locked(shard, &attachment->node);
  return all_of(attachment);
}

/* What a key knows of the map. */
typedef struct last_will {
  lido_weak map;
  lido_weak key;
} last_will;

/* This thread's calls of on_death, the innermost first. */
typedef struct hearing {
  const lido_ephemerons *map;
  const struct hearing *outer;
} hearing;
static __thread const hearing *innermost __attribute__((tls_model("initial-exec")));

static uint64_t deaths_here(const lido_ephemerons *map) {
  uint64_t count = 0;
  for (const hearing *h = innermost; h != NULL; h = h->outer) count += h->map == map;
  return count;
}

static void on_death(void *arg) {
  last_will will = *(const last_will *)arg;
  lido_ephemerons *map = lido_weak_acquire(will.map);
  if (map == NULL) return;
  hearing here = {map, innermost};
  innermost = &here;
  lido_add_relaxed(&map->deaths, 1); /* RELAXED: ordered by the shard's lock, which the end takes too */
  parting p = {0};
  lido_table_shard *shard = lido_table_take(&map->table, hash_of(will.key));
  lido_attachment *attachment = lido_attachment_find(map, will.key);
  if (attachment != NULL) p = take_out_locked(shard, attachment);
  lido_table_give(shard);
  if (attachment != NULL) COUNT(map, deaths);
  p.cleanup.bits = 0; /* this one */
  part(map, &p);
  innermost = here.outer;
  /* RELEASE ephemeron.deaths: the value has ended. */
  lido_sub_release(&map->deaths, 1);
  lido_weak_release(will.map);
}

/* ---- Finding ---- */

lido_attachment *lido_attachment_find(lido_ephemerons *map, lido_weak key) {
  uint64_t hash = hash_of(key);
  for (lido_table_node *node = lido_table_chain(&map->table, hash); node != NULL; node = lido_table_next(node)) {
    if (node->hash == hash && lido_weak_equal(attachment_of(node)->key, key)) return attachment_of(node);
  }
  return NULL;
}

/* An object that was never asked for its handle is no key. RELAXED: the caller has a reference. */
lido_weak lido_attachment_key_of(const void *key) {
  lido_slot *slot;
  if (key == NULL || !lido_slot_find((uintptr_t)key, &slot)) return lido_weak_from_u64(0);
  uint64_t word = lido_load_relaxed(&slot->word);
  bool published = (word & LIDO_WORD_PUBLISHED) == LIDO_WORD_PUBLISHED;
  return lido_weak_from_u64(published ? (word & LIDO_WORD_GENERATION) | (uint64_t)(slot - lido_slots.slots) : 0);
}

/* Call `take` with the attachment of the key, if there is one: at first in a guard, then, if that found nothing, with
 * the lock. */
static void *look(lido_ephemerons *map, const void *key, void *(*take)(const lido_attachment *attachment)) {
  lido_weak handle = lido_attachment_key_of(key);
  if (handle.bits == 0) return NULL;
  lido_guard_enter();
  const lido_attachment *attachment = lido_attachment_find(map, handle);
  void *value = attachment != NULL ? take(attachment) : NULL;
  lido_guard_leave();
  if (LIDO_LIKELY(value != NULL)) return value;
  lido_table_shard *shard = lido_table_take(&map->table, hash_of(handle));
  attachment = lido_attachment_find(map, handle);
  value = attachment != NULL ? take(attachment) : NULL;
  lido_table_give(shard);
  return value;
}

static void *take_object(const lido_attachment *attachment) {
  /* RELAXED: the handle is checked where it is followed. */
  return lido_weak_get(lido_weak_from_u64(lido_load_relaxed(&attachment->as_weak)));
}

static void *take_value(const lido_attachment *attachment) {
  /* ACQUIRE ephemeron.value: what it points to is seen. */
  return lido_load_acquire(&attachment->value);
}

static void *take_reference(const lido_attachment *attachment) {
  /* RELAXED: the handle is checked where it is followed. */
  return lido_weak_acquire(lido_weak_from_u64(lido_load_relaxed(&attachment->as_weak)));
}

void *lido_ephemerons_get(lido_ephemerons *map, const void *key) {
  return look(map, key, map->options.objects ? take_object : take_value);
}

void *lido_ephemerons_acquire(lido_ephemerons *map, const void *key) {
  return map->options.objects ? look(map, key, take_reference) : NULL;
}

/* ---- Attaching ---- */

/* What will be attached, complete before the lock is taken. */
typedef struct offer {
  lido_weak key;
  lido_weak value_handle;
  void *value;
  lido_attachment *spare; /* NULL: in use */
} offer;

static void write_value(lido_attachment *attachment, const offer *o) {
  /* RELAXED: see take_reference. */
  lido_store_relaxed(&attachment->as_weak, lido_weak_to_u64(o->value_handle));
  /* RELEASE ephemeron.value: what it points to was written before. */
  lido_store_release(&attachment->value, o->value);
}

static int attach_locked(lido_ephemerons *map, lido_table_shard *shard, offer *o, parting *before) {
  lido_attachment *present = lido_attachment_find(map, o->key);
  if (present != NULL) {
    *before = (parting){.value = present->value, .handle = lido_weak_from_u64(present->as_weak)};
    write_value(present, o);
    return 0;
  }
  int error = lido_table_reserve_locked(shard);
  if (error != 0) return error;
  write_value(o->spare, o);
  o->spare->listed = true;
  lido_table_insert_locked(shard, &o->spare->node);
  o->spare = NULL;
  return 0;
}

static int make_spare(lido_ephemerons *map, const void *key, offer *o) {
  last_will will = {.map = map->self, .key = o->key};
  lido_attachment *spare = lido_sized_alloc(&map->attachments, sizeof *spare);
  if (spare == NULL) return errno;
  *spare = (lido_attachment){.node = {.hash = hash_of(o->key)}, .key = o->key};
  spare->cleanup = lido_cleanup_add_copy_to(NULL, (void *)(uintptr_t)key, on_death, &will, sizeof will);
  o->spare = spare;
  return spare->cleanup.bits != 0 ? 0 : errno;
}

static void drop_spare(const lido_attachment *spare) {
  if (spare == NULL) return;
  if (spare->cleanup.bits != 0) lido_cleanup_stop(spare->cleanup);
  lido_release((void *)(uintptr_t)spare);
}

static int refuse_cycle(lido_ephemerons *map, const void *key) {
  COUNT(map, cycles);
  lido_misuse_report((lido_misuse){
      .kind = LIDO_MISUSE_CYCLE, .where = "ephemerons", .pool = map->name, .address = key, .object = LIDO_NO_OBJECT});
  return ELOOP;
}

static bool makes_cycle(lido_ephemerons *map, const void *key, const void *value) {
  if (map->options.objects && key == value) return true;
  return LIDO_CHECKS == LIDO_CHECKS_FULL && lido_cycles_find(map, key, value, false);
}

/* The handles of both, and with `objects` the map's reference. */
static int take_offer(const lido_ephemerons *map, const void *key, void *value, offer *o) {
  *o = (offer){.key = lido_weak_make(key), .value = value};
  if (o->key.bits == 0) return EINVAL;
  if (!map->options.objects) return 0;
  o->value_handle = lido_weak_make(value);
  return o->value_handle.bits != 0 && lido_retain(value) != NULL ? 0 : EINVAL;
}

static int attach(lido_ephemerons *map, const void *key, offer *o) {
  parting before = {0};
  int error = make_spare(map, key, o);
  if (error == 0) {
    lido_table_shard *shard = lido_table_take(&map->table, hash_of(o->key));
    error = attach_locked(map, shard, o, &before);
    lido_table_give(shard);
  }
  drop_spare(o->spare);
  if (error != 0) return error;
  COUNT(map, sets);
  if (before.value != NULL) COUNT(map, replaced);
  part(map, &before);
  return 0;
}

int lido_ephemerons_set(lido_ephemerons *map, const void *key, void *value) {
  offer o;
  if (key == NULL || value == NULL) return EINVAL;
  if (makes_cycle(map, key, value)) return refuse_cycle(map, key);
  int saved_errno = errno;
  int error = take_offer(map, key, value, &o);
  if (error == 0) {
    error = attach(map, key, &o);
    if (error != 0 && map->options.objects) lido_release(value);
  }
  errno = saved_errno;
  return error;
}

void *lido_ephemerons_detach(lido_ephemerons *map, const void *key) {
  parting p = {0};
  lido_weak handle = lido_attachment_key_of(key);
  if (handle.bits == 0) return NULL;
  lido_table_shard *shard = lido_table_take(&map->table, hash_of(handle));
  lido_attachment *attachment = lido_attachment_find(map, handle);
  if (attachment != NULL) p = take_out_locked(shard, attachment);
  lido_table_give(shard);
  void *value = is_there(map, p.handle) ? p.value : NULL;
  p.value = NULL;
  part(map, &p);
  return value;
}

/* ---- Life ---- */

static lido_ephemerons *map_of(lido_caches_member *member) { return LIDO_LIST_ITEM(member, lido_ephemerons, member); }
static void lock_for_fork(lido_caches_member *member) { lido_table_lock_for_fork(&map_of(member)->table); }
static void unlock_after_fork(lido_caches_member *member) { lido_table_unlock_after_fork(&map_of(member)->table); }

/* Deaths that other threads heard of are not heard of here. RELAXED: there is one thread. */
static void in_child(lido_caches_member *member) {
  lido_store_relaxed(&map_of(member)->deaths, deaths_here(map_of(member)));
}

static void end_map(void *object, void *context) {
  (void)context;
  lido_ephemerons *map = object;
  lido_table_end(&map->table);
  lido_sized_end(&map->attachments);
}

LIDO_POOL_DEFINE(lido_ephemerons_object, lido_ephemerons, .flags = LIDO_POOL_HANDLES, .destroy = end_map)

static void set_up(lido_ephemerons *map, const lido_ephemerons_options *options) {
  memset(map, 0, sizeof *map);
  map->options = *options;
  strncpy(map->name, options->name != NULL ? options->name : "ephemerons", sizeof map->name - 1);
  map->options.name = map->name;
  map->member = (lido_caches_member){
      .lock_for_fork = lock_for_fork, .unlock_after_fork = unlock_after_fork, .in_child = in_child};
  lido_sized_init(&map->attachments, map->name, NULL, NULL);
}

lido_ephemerons *lido_ephemerons_create(const lido_ephemerons_options *options) {
  static const lido_ephemerons_options defaults = {0};
  lido_ephemerons *map = lido_ephemerons_object_alloc();
  if (map == NULL) return NULL;
  set_up(map, options != NULL ? options : &defaults);
  int error = lido_table_init(&map->table);
  map->self = lido_weak_make(map);
  if (error == 0) error = lido_caches_join(&map->member);
  if (error != 0) {
    lido_release(map);
    errno = error;
    return NULL;
  }
  lido_cycles_list(map);
  return map;
}

static bool leave_table(lido_table_node *node, void *arg) {
  (void)arg;
  attachment_of(node)->listed = false;
  return true;
}

static size_t end_shard(lido_ephemerons *map, lido_table_shard *shard) {
  size_t count = 0;
  lido_lock_take(&shard->lock);
  lido_table_each_locked(shard, leave_table, NULL);
  lido_table_node *node = lido_table_remove_all_locked(shard);
  lido_table_give(shard);
  while (node != NULL) {
    lido_table_node *next = node->next;
    lido_attachment *attachment = attachment_of(node);
    parting p = all_of(attachment);
    part(map, &p);
    node = next;
    count++;
  }
  return count;
}

size_t lido_ephemerons_destroy(lido_ephemerons *map) {
  size_t count = 0;
  if (map == NULL) return 0;
  if (deaths_here(map) != 0) {
    lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_REENTRY,
                                     .where = "ephemerons",
                                     .pool = map->name,
                                     .address = map,
                                     .object = LIDO_NO_OBJECT});
    return 0;
  }
  lido_cycles_unlist(map);
  lido_weak_kill(map->self); /* deaths of keys find no map from here on */
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) count += end_shard(map, &map->table.shards[i]);
  /* ACQUIRE ephemeron.deaths: what those did is done. */
  while (lido_load_acquire(&map->deaths) != 0) lido_os_yield();
  lido_caches_leave(&map->member);
  lido_release(map);
  return count;
}

const char *lido_ephemerons_name(const lido_ephemerons *map) { return map->name; }

size_t lido_ephemerons_trim(lido_ephemerons *map) {
  return lido_table_trim(&map->table) + lido_sized_trim(&map->attachments);
}

/* ---- Numbers ---- */

void lido_ephemerons_stats_get(const lido_ephemerons *map, lido_ephemerons_stats *out) {
  lido_counts_copy(out, &map->rare, sizeof *out);
  out->attached = lido_table_count(&((lido_ephemerons *)(uintptr_t)map)->table);
  out->bytes_reserved = lido_sized_reserved_bytes(&map->attachments);
}

typedef struct checking {
  lido_ephemerons *map;
  const char *broken;
} checking;

static bool check_node(lido_table_node *node, void *arg) {
  checking *c = arg;
  const lido_attachment *attachment = attachment_of(node);
  if (!attachment->listed || node->hash != hash_of(attachment->key)) c->broken = "A1: an attachment is not as listed";
  if (lido_attachment_find(c->map, attachment->key) != attachment) c->broken = "A1: two attachments with one key";
  if (attachment->cleanup.bits == 0) c->broken = "A2: a key without a cleanup";
  bool is_lost = c->map->options.objects && attachment->as_weak == 0;
  if (is_lost || attachment->value == NULL) c->broken = "A3: an attachment without a value";
  return c->broken == NULL;
}

const char *lido_ephemerons_check(lido_ephemerons *map) {
  checking c = {.map = map, .broken = lido_table_check(&map->table)};
  for (size_t i = 0; i < LIDO_TABLE_SHARDS && c.broken == NULL; i++) {
    lido_table_each_locked(&map->table.shards[i], check_node, &c);
  }
  return c.broken != NULL ? c.broken : lido_sized_check(&map->attachments);
}
