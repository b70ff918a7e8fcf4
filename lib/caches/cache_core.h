/* cache_core.h: what a cache is made of.
 *
 * Idea: a table of entries (hash_table.h). An entry has the key, the weak handle of its value, and a cleanup on the
 * value that removes the entry when the value dies. A hit walks a chain inside a guard, compares the key, and acquires
 * through the handle: if that succeeds, the object was alive and the key's at that moment. Everything else happens
 * under the lock of the key's shard. What has left an entry under a lock (a value that was kept, a cleanup, the entry
 * itself) is carried out in a lido_cache_parting, and let go after the lock was given. Entries are objects of guarded
 * pools: the table has one reference, whoever works with one outside the lock another.
 * Invariants
 *   V1  an entry is `listed` exactly while it is in the table; keys of listed entries differ.
 *   V2  an entry has a value, or a flight, or both are none because the value's death was heard late; never both.
 *   V3  an entry with a value has a cleanup on it, that has not run; it finds the entry by hash and handle, and so
 *       never removes what came into its place.
 *   V4  a value is kept <=> the entry is in the ring <=> kept_value is the object of its handle, with one reference;
 *       then it is not `was_let_go`.
 *   V5  kept.count and kept.weight are the sums over the ring; within bounds when no call is in progress (but for what
 *       callbacks put while others were let go); the hand points into the ring.
 *   V6  a flight that is not doomed is its listed entry's; who is `present` in a flight will leave it; the last one
 *       frees it.
 *   V7  a flight's creator is there until it is over, and NULL after.
 * Races, and who wins
 *   death of a value / put of another under its key: the cleanup compares handles under the lock (V3).
 *   creation / remove or put of the same key: under the lock the latter dooms the flight and takes the entry from it;
 *   the creator, under the lock
 *     too, finds it doomed and enters nothing.
 *   end of the cache / death of a value: the cleanup knows the cache by a weak handle; either it acquires it, and the
 *   cache's memory waits for it, or
 *     the cache is gone.
 *   time is over / put: the time is looked at again under the lock.
 *   eviction / remove: the ring's lock decides who takes the kept reference out.
 * Proof: of the first three tests/interleavings/cache_replace_test.c, cache_flight_test.c with cache_wait_ring_test.c
 * (EDEADLK), cache_end_test.c.
 * Locks: SHARD, then KEPT or FLIGHTS. None while the program is called.
 * Failure: ENOMEM before anything was changed; a value that can't be entered is given back to who put it, one that was
 * created is released.
 * Not done: letting waiters of a doomed creation have what was put in its place (they asked before); negative entries
 * (an error is not remembered); refreshing a value before its time is over.
 */
#ifndef LIDO_LIB_CACHES_CACHE_CORE_H
#define LIDO_LIB_CACHES_CACHE_CORE_H

#include <string.h>

#include "lib/base/list.h"
#include "lib/caches/caches_fork.h"
#include "lib/caches/hash_table.h"
#include "lib/caches/hit_counts.h"
#include "lib/caches/key_hash.h"
#include "lib/caches/sized_pools.h"
#include "lib/os/os.h"
#include "lido/cache.h"
#include "lido/cleanup.h"

typedef struct lido_cache_flight lido_cache_flight;

/* What heavier values count as, so that sums can't run over. */
#define LIDO_CACHE_WEIGHT_MAX ((size_t)1 << 44)

typedef struct lido_cache_entry {
  /* under the ring's lock */
  lido_link kept_link;
  void *kept_value;
  size_t weight;
  /* under the shard's lock */
  lido_cleanup cleanup;
  lido_cache_flight *flight;
  bool listed;
  /* what readers look at, on a line of its own; written under the shard's lock, but for asked_ns and was_asked */
  _Alignas(64) lido_table_node node;
  uint64_t value;    /* atomic: bits of the handle */
  uint64_t ends_ns;  /* atomic; 0: never */
  uint64_t asked_ns; /* atomic */
  uint32_t key_bytes;
  bool was_asked;  /* atomic: since it was kept, or since the hand came by */
  bool was_let_go; /* atomic: for lack of room; the next hit keeps it again */
  _Alignas(16) unsigned char key[];
} lido_cache_entry;

/* What is kept: a ring, newest first, and the hand that goes from old to new (SIEVE). */
typedef struct lido_cache_kept {
  _Alignas(64) lido_lock lock;
  lido_link ring;
  lido_link *hand; /* where the next look begins; the ring itself: at the oldest */
  size_t count;
  size_t weight;
} lido_cache_kept;

struct lido_cache {
  lido_table table;
  lido_cache_kept kept;
  lido_hit_counts hits;
  /* fixed at birth */
  lido_cache_options options;
  uint64_t seed;
  lido_weak self;
  lido_sized_pools entries;
  lido_caches_member member;
  lido_cache_stats rare; /* the other counters; atomic */
  char name[64];
  bool plain; /* keys are their bytes, and nothing has a time */
  bool keeps; /* anything */
  bool ages;  /* entries have times */
};

/* What left the cache, to be let go without a lock: {0}: nothing. */
typedef struct lido_cache_parting {
  lido_cache_entry *entry; /* one reference */
  void *value;             /* that was kept: one reference */
  lido_cleanup cleanup;
  lido_cache_reason reason;
} lido_cache_parting;

/* A value ready to be entered, which then can't fail. */
typedef struct lido_cache_arrival {
  void *value;
  lido_weak weak;
  lido_cleanup cleanup;
  size_t weight;
  uint64_t now_ns;
  bool to_keep; /* with one reference for it */
} lido_cache_arrival;

/* ---- Keys and entries (cache_entries.c) ---- */

static inline uint64_t lido_cache_hash_of(const lido_cache *cache, const void *key, size_t key_bytes) {
  if (LIDO_UNLIKELY(cache->options.hash != NULL)) {
    return lido_hash_mix(cache->options.hash(key, key_bytes, cache->options.context));
  }
  return lido_hash_bytes(key, key_bytes, cache->seed);
}

static inline lido_cache_entry *lido_cache_entry_of(lido_table_node *node) {
  return LIDO_LIST_ITEM(node, lido_cache_entry, node);
}

static inline bool lido_cache_fits(const lido_cache *cache, const lido_cache_entry *entry, const void *key,
                                   size_t key_bytes) {
  if (LIDO_UNLIKELY(cache->options.equal != NULL)) {
    return cache->options.equal(entry->key, entry->key_bytes, key, key_bytes, cache->options.context);
  }
  return entry->key_bytes == key_bytes && lido_same_bytes(entry->key, key, key_bytes);
}

/* Inside a guard (then NULL may be wrong), or with the shard's lock. */
static inline lido_cache_entry *lido_cache_find(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes) {
  for (lido_table_node *node = lido_table_chain(&cache->table, hash); node != NULL; node = lido_table_next(node)) {
    lido_cache_entry *entry = lido_cache_entry_of(node);
    if (node->hash == hash && LIDO_LIKELY(lido_cache_fits(cache, entry, key, key_bytes))) return entry;
  }
  return NULL;
}

static inline lido_weak lido_cache_value_of(const lido_cache_entry *entry) {
  return lido_weak_from_u64(lido_load_relaxed(&entry->value)); /* RELAXED: a handle is checked where it is followed */
}

/* An entry with this key, in no table, with one reference. NULL: ENOMEM. pre: the key is not too long. */
lido_cache_entry *lido_cache_entry_make(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes);

/* 0, or why this value can't be entered. */
int lido_cache_arrive(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes, void *value,
                      lido_cache_arrival *arrival);
/* It was not entered. */
void lido_cache_turn_away(lido_cache_arrival *arrival);

/* The arrival is the entry's value. -> what was before. */
lido_cache_parting lido_cache_enter_locked(lido_cache *cache, lido_cache_entry *entry,
                                           const lido_cache_arrival *arrival, lido_cache_reason reason);

/* The entry has no value any more, and stays. */
lido_cache_parting lido_cache_empty_locked(lido_cache *cache, lido_cache_entry *entry, lido_cache_reason reason);

/* The entry leaves the table, and what it had leaves it. */
lido_cache_parting lido_cache_remove_locked(lido_cache *cache, lido_table_shard *shard, lido_cache_entry *entry,
                                            lido_cache_reason reason);

/* Let go. No lock is held. */
void lido_cache_part(lido_cache *cache, lido_cache_parting *parting);

/* ---- Times ---- */

/* The program's; errno is as before. */
uint64_t lido_cache_ask_clock(const lido_cache *cache);

/* Asked without a lock, since it may be the program's. 0 if nothing has a time. */
static inline uint64_t lido_cache_now(const lido_cache *cache) {
  if (LIDO_LIKELY(!cache->ages)) return 0;
  return cache->options.now != NULL ? lido_cache_ask_clock(cache) : lido_os_tick_ns();
}

bool lido_cache_is_over(const lido_cache *cache, const lido_cache_entry *entry, uint64_t now);

/* ---- What is kept (cache_kept.c) ---- */

void lido_cache_kept_init(lido_cache *cache);

/* pre: a reference for it, and not kept. */
void lido_cache_keep(lido_cache *cache, lido_cache_entry *entry, void *value, size_t weight);

/* -> the value with its reference, if it was kept. */
void *lido_cache_keep_no_more(lido_cache *cache, lido_cache_entry *entry);

/* Let go of what is beyond bounds, and of some whose time is over. */
void lido_cache_settle(lido_cache *cache);
/* The calling thread ends, from inside a function of the program's: it is settling nothing any more. */
void lido_cache_settle_no_more(void);

/* ---- Hits (cache_get.c) ---- */

/* The value, with one reference more, if that is quickly found. */
void *lido_cache_get_hashed(lido_cache *cache, uint64_t hash, const void *key, size_t key_bytes);

/* The value of an entry, with one reference more, kept from now on; or NULL: it is dead, or over. */
void *lido_cache_acquire_locked(lido_cache *cache, lido_cache_entry *entry, uint64_t now);

/* ---- Flights (cache_flights.c) ---- */

/* Its result will not be entered. The entry's no more. */
void lido_cache_doom_locked(lido_cache *cache, lido_cache_entry *entry);

/* In the child of a fork. Is its creator there? If it is not, the flight is gone. */
bool lido_cache_flight_survives_fork(lido_cache_flight *flight);
/* Nobody waits there any more. */
void lido_cache_flights_in_child(void);

/* ---- Counting ---- */

/* RELAXED: statistics. */
#define LIDO_CACHE_COUNT_RARE(cache, name) lido_add_relaxed(&(cache)->rare.name, 1)

static inline void lido_cache_count_miss(lido_cache *cache, bool stale) {
  LIDO_CACHE_COUNT_RARE(cache, misses);
  if (stale) LIDO_CACHE_COUNT_RARE(cache, stale);
}

#endif
