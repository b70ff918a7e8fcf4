/* cache_changes.c: put and remove. The design is in cache_core.h. */
#include <errno.h>

#include "lib/caches/cache_core.h"

/* ---- Put ---- */

typedef struct placement {
  lido_cache *cache;
  uint64_t hash;
  const void *key;
  size_t key_bytes;
  lido_cache_arrival arrival;
  lido_cache_entry *spare; /* NULL: in use */
  bool only_if_absent;
  void *present; /* what was there then, with a reference */
} placement;

/* pre: reserved. */
static void insert_spare_locked(placement *p, lido_table_shard *shard) {
  p->spare->listed = true;
  lido_table_insert_locked(shard, &p->spare->node);
  lido_cache_enter_locked(p->cache, p->spare, &p->arrival, LIDO_CACHE_REPLACED); /* nothing was before */
  p->spare = NULL;
}

static int place_locked(placement *p, lido_table_shard *shard, lido_cache_parting *parting) {
  lido_cache_entry *entry = lido_cache_find(p->cache, p->hash, p->key, p->key_bytes);
  if (entry == NULL) {
    int error = lido_table_reserve_locked(shard);
    if (error == 0) insert_spare_locked(p, shard);
    return error;
  }
  if (p->only_if_absent && entry->flight == NULL) {
    p->present = lido_cache_acquire_locked(p->cache, entry, p->arrival.now_ns);
    if (p->present != NULL) return EEXIST;
  }
  *parting = lido_cache_enter_locked(p->cache, entry, &p->arrival, LIDO_CACHE_REPLACED);
  return 0;
}

static int place(placement *p) {
  lido_cache_parting parting = {0};
  lido_table_shard *shard = lido_table_take(&p->cache->table, p->hash);
  int error = place_locked(p, shard, &parting);
  lido_table_give(shard);
  if (error != 0) lido_cache_turn_away(&p->arrival);
  lido_cache_part(p->cache, &parting);
  lido_cache_settle(p->cache);
  return error;
}

static int put(placement *p, void *value) {
  int saved_errno = errno;
  int error = 0;
  if (p->key_bytes > LIDO_CACHE_KEY_MAX) return EMSGSIZE;
  lido_retain(p->cache); /* it may be destroyed in a callback */
  p->hash = lido_cache_hash_of(p->cache, p->key, p->key_bytes);
  p->spare = lido_cache_entry_make(p->cache, p->hash, p->key, p->key_bytes);
  if (p->spare == NULL) error = errno;
  if (error == 0) error = lido_cache_arrive(p->cache, p->hash, p->key, p->key_bytes, value, &p->arrival);
  if (error == 0) error = place(p);
  lido_release(p->spare);
  lido_release(p->cache);
  errno = saved_errno;
  return error;
}

int lido_cache_put(lido_cache *cache, const void *key, size_t key_bytes, void *value) {
  placement p = {.cache = cache, .key = key, .key_bytes = key_bytes};
  return value != NULL ? put(&p, value) : EINVAL;
}

int lido_cache_put_absent(lido_cache *cache, const void *key, size_t key_bytes, void *value, void **present) {
  placement p = {.cache = cache, .key = key, .key_bytes = key_bytes, .only_if_absent = true};
  int error = value != NULL ? put(&p, value) : EINVAL;
  if (present != NULL) {
    *present = p.present;
  } else {
    lido_release(p.present);
  }
  return error;
}

/* ---- Remove ---- */

/* `value` NULL: whatever it is. */
static bool remove_entry(lido_cache *cache, const void *key, size_t key_bytes, const lido_weak *value) {
  lido_cache_parting parting = {0};
  if (key_bytes > LIDO_CACHE_KEY_MAX) return false;
  uint64_t hash = lido_cache_hash_of(cache, key, key_bytes);
  lido_retain(cache); /* it may be destroyed in a callback */
  lido_table_shard *shard = lido_table_take(&cache->table, hash);
  lido_cache_entry *entry = lido_cache_find(cache, hash, key, key_bytes);
  bool fits = entry != NULL && (value == NULL || lido_weak_equal(lido_cache_value_of(entry), *value));
  if (fits) parting = lido_cache_remove_locked(cache, shard, entry, LIDO_CACHE_REMOVED);
  lido_table_give(shard);
  lido_cache_part(cache, &parting);
  lido_release(cache);
  return fits;
}

bool lido_cache_remove(lido_cache *cache, const void *key, size_t key_bytes) {
  return remove_entry(cache, key, key_bytes, NULL);
}

bool lido_cache_remove_if(lido_cache *cache, const void *key, size_t key_bytes, lido_weak value) {
  return value.bits != 0 && remove_entry(cache, key, key_bytes, &value);
}
