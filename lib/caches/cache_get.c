/* cache_get.c: hits. The design is in cache_core.h. */
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

/* Entries with times: NULL if they are over, as far as one can see from here. */
static LIDO_SLOW void *acquire_in_time(const lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  if (lido_cache_is_over(cache, entry, now)) return NULL;
  note_time(entry, now);
  return lido_weak_acquire(lido_cache_value_of(entry));
}

/* A plain hit. NULL: look again under the lock. */
static inline void *acquire(const lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  if (LIDO_UNLIKELY(cache->keeps)) {
    if (LIDO_UNLIKELY(was_let_go(entry))) return NULL;
    note_asked(entry);
    if (LIDO_UNLIKELY(cache->ages)) return acquire_in_time(cache, entry, now);
  }
  return lido_weak_acquire(lido_cache_value_of(entry));
}

void *lido_cache_get_fast(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  void *value = NULL;
  uint64_t now = lido_cache_now(cache);
  lido_guard_enter();
  lido_cache_entry *entry = lido_cache_find(cache, hash, key, key_bytes);
  if (LIDO_LIKELY(entry != NULL)) value = acquire(cache, entry, now);
  lido_guard_leave();
  if (LIDO_LIKELY(value != NULL)) lido_cache_count_hit(cache);
  return value;
}

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
static LIDO_SLOW void *get_slowly(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  lido_cache_parting parting = {0};
  void *value = NULL;
  uint64_t now = lido_cache_now(cache);
  lido_table_shard *shard = lido_table_take(&cache->table, hash);
  lido_cache_entry *entry = lido_cache_find(cache, hash, key, key_bytes);
  bool flies = entry != NULL && entry->flight != NULL;
  if (entry != NULL && !flies) {
    value = lido_cache_acquire_locked(cache, entry, now);
    if (value == NULL) parting = lido_cache_remove_locked(cache, shard, entry, LIDO_CACHE_EXPIRED);
  }
  lido_table_give(shard);
  if (value == NULL) {
    lido_cache_count_miss(cache, entry != NULL && !flies);
  } else {
    lido_cache_count_hit(cache);
  }
  lido_cache_part(cache, &parting);
  lido_cache_settle(cache);
  return value;
}

void *lido_cache_get(lido_cache *cache, const void *key, size_t key_bytes) {
  uint64_t hash = lido_cache_hash_of(cache, key, key_bytes);
  void *value = lido_cache_get_fast(cache, hash, key, key_bytes);
  return LIDO_LIKELY(value != NULL) ? value : get_slowly(cache, hash, key, key_bytes);
}
