/* cache.c: the life of a cache. Its design is in cache_core.h. */
#include <errno.h>

#include "lib/base/bits.h"
#include "lib/base/misuse_report.h"
#include "lib/caches/cache_core.h"
#include "lido/pool.h"

/* ---- The object that a cache is ---- */

/* The last reference is gone: destroy's, or that of a value's death which came at the same time. */
static void end_cache(void *object, void *context) {
  (void)context;
  lido_cache *cache = object;
  lido_table_end(&cache->table);
  lido_sized_end(&cache->entries);
  lido_lock_end(&cache->kept.lock);
}

LIDO_POOL_DEFINE(lido_cache_object, lido_cache, .flags = LIDO_POOL_HANDLES, .destroy = end_cache)

/* ---- Fork ---- */

static lido_cache *cache_of(lido_caches_member *member) { return LIDO_LIST_ITEM(member, lido_cache, member); }

static void lock_for_fork(lido_caches_member *member) {
  lido_table_lock_for_fork(&cache_of(member)->table);
  lido_lock_take_for_fork(&cache_of(member)->kept.lock);
}

static void unlock_after_fork(lido_caches_member *member) {
  lido_lock_give_after_fork(&cache_of(member)->kept.lock);
  lido_table_unlock_after_fork(&cache_of(member)->table);
}

/* An entry that waits for a thread which is not there: the first such of the shard. */
static bool find_orphan(lido_table_node *node, void *arg) {
  lido_cache_entry *entry = lido_cache_entry_of(node);
  if (entry->flight == NULL || lido_cache_flight_survives_fork(entry->flight)) return true;
  entry->flight = NULL;
  *(lido_cache_entry **)arg = entry;
  return false;
}

static bool remove_orphan(lido_cache *cache, lido_table_shard *shard) {
  lido_cache_entry *orphan = NULL;
  lido_cache_parting parting = {0};
  lido_lock_take(&shard->lock);
  lido_table_each_locked(shard, find_orphan, &orphan);
  if (orphan != NULL) parting = lido_cache_remove_locked(cache, shard, orphan, LIDO_CACHE_REMOVED);
  lido_table_give(shard);
  lido_cache_part(cache, &parting);
  return orphan != NULL;
}

static void in_child(lido_caches_member *member) {
  lido_cache *cache = cache_of(member);
  lido_cache_flights_in_child();
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    while (remove_orphan(cache, &cache->table.shards[i])) {}
  }
}

/* ---- Create ---- */

static void set_name(lido_cache *cache, const char *name) {
  if (name == NULL) name = "cache";
  strncpy(cache->name, name, sizeof cache->name - 1);
  cache->options.name = cache->name;
}

static void set_up(lido_cache *cache, const lido_cache_options *options) {
  memset(cache, 0, sizeof *cache);
  cache->options = *options;
  set_name(cache, options->name);
  cache->options.keep_bytes = lido_min(options->keep_bytes, LIDO_CACHE_WEIGHT_MAX);
  cache->seed = lido_hash_seed(options->seed);
  cache->keeps = options->keep_count != 0 || options->keep_bytes != 0 || options->live_ns != 0 || options->idle_ns != 0;
  cache->ages = options->live_ns != 0 || options->idle_ns != 0;
  cache->plain = options->hash == NULL && !cache->ages;
  cache->member = (lido_caches_member){
      .lock_for_fork = lock_for_fork, .unlock_after_fork = unlock_after_fork, .in_child = in_child};
  lido_sized_init(&cache->entries, cache->name, NULL, NULL);
  cache->entries.budget = options->budget;
  lido_cache_kept_init(cache);
}

static int begin(lido_cache *cache) {
  int error = lido_table_init(&cache->table);
  if (error != 0) return error;
  cache->self = lido_weak_make(cache);
  return lido_caches_join(&cache->member);
}

lido_cache *lido_cache_create(const lido_cache_options *options) {
  static const lido_cache_options defaults = {0};
  if (options == NULL) options = &defaults;
  if ((options->hash == NULL) != (options->equal == NULL)) {
    errno = EINVAL;
    return NULL;
  }
  lido_cache *cache = lido_cache_object_alloc();
  if (cache == NULL) return NULL;
  set_up(cache, options);
  int error = begin(cache);
  if (error == 0) return cache;
  lido_release(cache);
  errno = error;
  return NULL;
}

const char *lido_cache_name(const lido_cache *cache) { return cache->name; }

/* ---- Clear and destroy ---- */

static bool leave_table(lido_table_node *node, void *arg) {
  lido_cache_entry *entry = lido_cache_entry_of(node);
  entry->listed = false;
  lido_cache_doom_locked(arg, entry);
  return true;
}

static void part_removed(lido_cache *cache, lido_cache_entry *entry, lido_cache_reason reason) {
  lido_cache_parting parting = {
      .entry = entry, .value = lido_cache_keep_no_more(cache, entry), .cleanup = entry->cleanup, .reason = reason};
  lido_cache_part(cache, &parting);
}

static size_t clear_shard(lido_cache *cache, lido_table_shard *shard, lido_cache_reason reason) {
  size_t count = 0;
  lido_lock_take(&shard->lock);
  lido_table_each_locked(shard, leave_table, cache);
  lido_table_node *node = lido_table_remove_all_locked(shard);
  lido_table_give(shard);
  while (node != NULL) {
    lido_table_node *next = node->next;
    part_removed(cache, lido_cache_entry_of(node), reason);
    node = next;
    count++;
  }
  return count;
}

static size_t clear(lido_cache *cache, lido_cache_reason reason) {
  size_t count = 0;
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) count += clear_shard(cache, &cache->table.shards[i], reason);
  return count;
}

size_t lido_cache_clear(lido_cache *cache) {
  lido_retain(cache);
  size_t count = clear(cache, LIDO_CACHE_REMOVED);
  lido_release(cache);
  return count;
}

size_t lido_cache_destroy(lido_cache *cache) {
  if (cache == NULL) return 0;
  if (!lido_weak_kill(cache->self)) { /* deaths of values find no cache from here on */
    lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_RELEASED,
                                     .where = "cache",
                                     .pool = cache->name,
                                     .address = cache,
                                     .object = LIDO_NO_OBJECT});
    return 0;
  }
  size_t count = clear(cache, LIDO_CACHE_ENDED);
  lido_caches_leave(&cache->member);
  lido_release(cache);
  return count;
}

size_t lido_cache_trim(lido_cache *cache) { return lido_table_trim(&cache->table) + lido_sized_trim(&cache->entries); }
