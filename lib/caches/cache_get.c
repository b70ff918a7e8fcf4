/* cache_get.c: hits. The design is in cache_core.h.
 *
 * The hot function takes keys of 8 to 16 bytes in plain caches: without functions of the program's for keys, without
 * times. It calls nothing; whatever is not as usual goes to the next more general one, which begins anew: get_any for
 * any key and cache, get_locked for an entry that was not found, or not alive, or is to be kept again.
 */
#include "lib/caches/cache_core.h"

/* Written only when it changes, so that readers of a hot entry share its line. */
static inline void note_asked(lido_cache_entry *entry) {
  /* RELAXED, twice: a hint. */
  if (LIDO_UNLIKELY(!lido_load_relaxed(&entry->was_asked))) lido_store_relaxed(&entry->was_asked, true);
}

static inline bool was_let_go(const lido_cache_entry *entry) {
  return lido_load_relaxed(&entry->was_let_go); /* RELAXED: a hint; who finds it true looks again under the lock */
}

static void note_time(lido_cache_entry *entry, uint64_t now) {
  /* RELAXED, twice: of two at once either is right. */
  if (lido_load_relaxed(&entry->asked_ns) != now) lido_store_relaxed(&entry->asked_ns, now);
}

/* ---- Under the lock ---- */

void *lido_cache_acquire_locked(lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  if (cache->ages) {
    if (lido_cache_is_over(cache, entry, now)) return NULL;
    note_time(entry, now);
  }
  void *value = lido_weak_acquire(lido_cache_value_of(entry));
  if (value == NULL || !cache->keeps) return value;
  note_asked(entry);
  if (was_let_go(entry)) lido_cache_keep(cache, entry, lido_retain(value), entry->weight);
  return value;
}

/* Not quickly found: it may be there all the same. */
static LIDO_SLOW void *get_locked(lido_cache *cache, const void *key, size_t key_bytes) {
  lido_cache_parting parting = {0};
  void *value = NULL;
  uint64_t hash = lido_cache_hash_of(cache, key, key_bytes);
  uint64_t now = lido_cache_now(cache);
  lido_retain(cache); /* it may be destroyed in a callback */
  lido_table_shard *shard = lido_table_take(&cache->table, hash);
  lido_cache_entry *entry = lido_cache_find(cache, hash, key, key_bytes);
  bool flies = entry != NULL && entry->flight != NULL;
  if (entry != NULL && !flies) {
    value = lido_cache_acquire_locked(cache, entry, now);
    if (value == NULL) parting = lido_cache_remove_locked(cache, shard, entry, LIDO_CACHE_EXPIRED);
  }
  lido_table_give(shard);
  if (value != NULL) {
    lido_hit_count_add(&cache->hits, lido_this_guard);
  } else {
    lido_cache_count_miss(cache, entry != NULL && !flies);
  }
  lido_cache_part(cache, &parting);
  lido_cache_settle(cache);
  lido_release(cache);
  return value;
}

/* ---- Without it ---- */

/* NULL: look again under the lock. */
static void *acquire(const lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  if (cache->keeps) {
    if (was_let_go(entry) || (cache->ages && lido_cache_is_over(cache, entry, now))) return NULL;
    note_asked(entry);
    if (cache->ages) note_time(entry, now);
  }
  return lido_weak_acquire(lido_cache_value_of(entry));
}

void *lido_cache_get_hashed(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  void *value = NULL;
  uint64_t now = lido_cache_now(cache);
  lido_guard_enter();
  lido_cache_entry *entry = lido_cache_find(cache, hash, key, key_bytes);
  if (LIDO_LIKELY(entry != NULL)) value = acquire(cache, entry, now);
  lido_guard_leave();
  if (LIDO_LIKELY(value != NULL)) lido_hit_count_add(&cache->hits, lido_this_guard);
  return value;
}

static __attribute__((noinline)) void *get_any(lido_cache *cache, const void *key, size_t key_bytes) {
  if (LIDO_UNLIKELY(key_bytes > LIDO_CACHE_KEY_MAX)) return NULL;
  uint64_t hash = lido_cache_hash_of(cache, key, key_bytes);
  void *value = lido_cache_get_hashed(cache, hash, key, key_bytes);
  return LIDO_LIKELY(value != NULL) ? value : get_locked(cache, key, key_bytes);
}

static LIDO_SLOW void *look_and_return(void *value) {
  lido_guard_leave_full();
  return value;
}

static LIDO_SLOW void *look_and_get_locked(lido_cache *cache, const void *key, size_t key_bytes) {
  lido_guard_leave_full();
  return get_locked(cache, key, key_bytes);
}

LIDO_FAST lido_cache_entry *find_short(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  for (lido_table_node *node = lido_table_chain(&cache->table, hash); node != NULL; node = lido_table_next(node)) {
    lido_cache_entry *entry = lido_cache_entry_of(node);
    if (entry->key_bytes == key_bytes && lido_same_short(entry->key, key, key_bytes)) return entry;
  }
  return NULL;
}

LIDO_FAST void *acquire_short(const lido_cache *cache, lido_cache_entry *entry) {
  if (LIDO_UNLIKELY(entry == NULL)) return NULL;
  if (cache->keeps) {
    if (LIDO_UNLIKELY(was_let_go(entry))) return NULL;
    note_asked(entry);
  }
  return lido_weak_acquire_plain(lido_cache_value_of(entry));
}

void *lido_cache_get(lido_cache *cache, const void *key, size_t key_bytes) {
  lido_guard_record *record = lido_this_guard;
  if (LIDO_UNLIKELY(record == NULL) || LIDO_UNLIKELY(record->depth != 0) || !cache->plain ||
      !lido_is_short(key_bytes)) {
    return get_any(cache, key, key_bytes);
  }
  uint64_t hash = lido_hash_bytes(key, key_bytes, cache->seed);
  lido_guard_peek(record);
  void *value = acquire_short(cache, find_short(cache, hash, key, key_bytes));
  bool look = lido_guard_peek_over(record);
  if (LIDO_UNLIKELY(value == NULL)) {
    return look ? look_and_get_locked(cache, key, key_bytes) : get_locked(cache, key, key_bytes);
  }
  lido_hit_count_add(&cache->hits, record);
  return LIDO_LIKELY(!look) ? value : look_and_return(value);
}
