/* lido/inline/pool_inline.h: the bodies of the inlined paths of lido/pool.h. Private: nothing here is
 * part of the contract but the speed.
 *
 * The hot slot. The last object that a thread freed waits in its cache's `hot`, and the object's
 * state byte holds the cache's claim, a number no other cache of the pool has. While the byte holds the
 * claim, the object is this cache's to hand out again; any other value says that `hot` is only
 * a memory of where that object was. So an alloc that follows a free writes one byte, a free of
 * the object that was hot writes one byte, and neither touches a pointer. (x86 commits one
 * store a cycle: stores are what a pair costs. benchmarks/README.md, "stores".)
 *
 * Only the common cases are here. A cache whose pool wants more at each alloc or free (zeroing, waiters,
 * a buffer, passthrough) never matches: its `owner` is LIDO_OWNER_NEVER and it never gets a hot object
 * or a magazine, so every call falls through to the slow path, which knows.
 */
#ifndef LIDO_INLINE_POOL_INLINE_H
#define LIDO_INLINE_POOL_INLINE_H

#include "lido/inline/atomic_inline.h"
#include "lido/pool.h"

LIDO_BEGIN

/* Values of a state byte. From LIDO_STATE_CLAIMS up: free, in the hot slot of the cache with that
 * claim, or left over from then; free either way. */
enum {
  LIDO_STATE_NONE = 0,      /* no object starts here */
  LIDO_STATE_LIVE = 1,      /* in the program's hands; a free ends it */
  LIDO_STATE_HELD = 2,      /* in the program's hands, and lib/refs keeps a count: the last release ends it */
  LIDO_STATE_SAMPLED = 3,   /* as LIVE, but its free shall come to the slow path: a heap profile knows it */
  LIDO_STATE_FREE = 4,      /* in a slab or a magazine */
  LIDO_STATE_SET_ASIDE = 5, /* free, in a reserve or a detached magazine */
  LIDO_STATE_RETIRED = 6,   /* never an object again: its slot has used up its generations */
  LIDO_STATE_CLAIMS = 7,
};

#define LIDO_OWNER_NONE 0u          /* in the address map: not a pool's */
#define LIDO_OWNER_NEVER UINT32_MAX /* in a cache: equal to no entry of the address map */

/* One thread's store of free objects of one pool. Fields are written by the owning thread, but
 * `owner`, which others may set to LIDO_OWNER_NEVER to bring the next free to the slow path. */
struct lido_pool_cache {
  void *hot;          /* the object freed last, or NULL */
  uint8_t *hot_state; /* its state byte; &lido_state_never when hot is NULL */
  void **items;       /* objects of the loaded magazine */
  uint32_t count;     /* of them */
  uint32_t capacity;
  uint64_t frees;        /* statistic: objects given back through this cache */
  uintptr_t offset_mask; /* bits of an address that are its place in its region; all of them in a buffer */
  uintptr_t state_bias;  /* from a region to its state bytes */
  uint32_t owner;        /* the pool's number in the address map, or LIDO_OWNER_NEVER */
  uint8_t shift;         /* one state byte for each 1 << shift bytes */
  uint8_t claim;         /* state byte of the object in the hot slot */
  uint16_t granule_mask; /* (1 << shift) - 1: bits that are zero in every object's address */
  /* the rest is for slow paths */
  struct lido_thread_cache_rest *rest; /* NULL: this cache belongs to no pool */
} __attribute__((aligned(64)));

/* What a thread owns: its caches by pool number. The first ones lie in the thread-local itself,
 * which saves two loads at each call (a fifth of a dynamic pair's time, measured). Entries are
 * never NULL. */
enum { LIDO_FIRST_CACHES = 64 };

typedef struct lido_thread {
  lido_pool_cache *first[LIDO_FIRST_CACHES];
  lido_pool_cache **caches; /* [cache_count], all of them; NULL before the first slow path */
  uint32_t cache_count;
  bool dead;                         /* past its exit: no caches any more */
  struct lido_thread_record *record; /* NULL before the first slow path */
} lido_thread;

/* The part of a pool that inlined code sees. */
struct lido_pool {
  uint32_t number; /* index into lido_thread.caches */
};

extern LIDO_API __thread lido_thread lido_this_thread __attribute__((tls_model("initial-exec")));
extern LIDO_API uint8_t lido_state_never;               /* a state byte of no object: never matches */
extern LIDO_API lido_pool_cache lido_thread_cache_none; /* the cache of threads that have none yet */

/* Address map: which pool owns each 64 KiB of the address space. Root by the upper address bits,
 * leaves of 65,536 numbers; a leaf is never unmapped. */
enum { LIDO_MAP_UNIT_SHIFT = 16, LIDO_MAP_LEAF_SHIFT = 32, LIDO_MAP_ROOTS = 1 << 16 };
extern LIDO_API uint32_t *lido_map_root[LIDO_MAP_ROOTS];

/* The slow paths. `pool` counts only while the cache belongs to no pool yet. */
LIDO_API LIDO_SLOW void *lido_alloc_slow(lido_pool_cache *cache, lido_pool *pool);
LIDO_API LIDO_SLOW void lido_free_slow(lido_pool_cache *cache, lido_pool *pool, void *object);
/* Put a free object where the full magazine has no room for it. */
LIDO_API LIDO_SLOW void lido_thread_cache_overflow(lido_pool_cache *cache, void *object);
/* A free object's state byte said that it is not free: report, and hand out another. */
LIDO_API LIDO_SLOW void *lido_alloc_corrupt(lido_pool_cache *cache, lido_pool *pool, void *object);

/* What tools are told at each alloc and free: nothing in ordinary builds. */
#if defined(LIDO_ASAN) || defined(LIDO_MSAN) || LIDO_CHECKS == LIDO_CHECKS_FULL
LIDO_API void *lido_note_alloc(const lido_pool_cache *cache, void *object);
LIDO_API void lido_note_free(const lido_pool_cache *cache, void *object);
#else
LIDO_FAST void *lido_note_alloc(const lido_pool_cache *cache, void *object) {
  (void)cache;
  return object;
}
LIDO_FAST void lido_note_free(const lido_pool_cache *cache, void *object) {
  (void)cache;
  (void)object;
}
#endif

/* An opaque copy of a pointer. It keeps the compiler from folding a thread-local's address into
 * segment-relative operands: Zen forwards stores to loads at no cost only through a base register
 * (half of a pair's time, measured). */
#define LIDO_LAUNDER(pointer) __asm__("" : "+r"(pointer))

/* The number of the pool that owns `address`, or LIDO_OWNER_NONE. Any address at all. */
LIDO_FAST uint32_t lido_map_owner(uintptr_t address) {
  uintptr_t root = address >> LIDO_MAP_LEAF_SHIFT;
  if (LIDO_UNLIKELY(root >= LIDO_MAP_ROOTS)) return LIDO_OWNER_NONE;
  /* ACQUIRE map.leaf: pairs with the release in address_map.c, so that a leaf is seen zeroed. */
  const uint32_t *leaf = lido_load_acquire(&lido_map_root[root]);
  if (LIDO_UNLIKELY(leaf == NULL)) return LIDO_OWNER_NONE;
  /* ACQUIRE map.entry: whoever finds the pool's number there finds the slab complete. */
  return lido_load_acquire(&leaf[(address >> LIDO_MAP_UNIT_SHIFT) & 0xffff]);
}

/* Where the state byte of the object at `address` lies: computed, never loaded. */
LIDO_FAST uint8_t *lido_state_of(const lido_pool_cache *cache, uintptr_t address) {
  uintptr_t offset = address & cache->offset_mask;
  return (uint8_t *)(address - offset + cache->state_bias + (offset >> cache->shift));
}

LIDO_END

#if LIDO_CHECKS == LIDO_CHECKS_NONE
#include "lido/inline/pool_unchecked_inline.h"
#else
#include "lido/inline/pool_checked_inline.h"
#endif

LIDO_BEGIN

LIDO_FAST lido_pool_cache *lido_pool_cache_of_thread(const lido_pool *pool) {
  lido_thread *thread = &lido_this_thread;
  LIDO_LAUNDER(thread);
  uint32_t number = pool->number;
  if (LIDO_LIKELY(number < LIDO_FIRST_CACHES)) return thread->first[number];
  return LIDO_LIKELY(number < thread->cache_count) ? thread->caches[number] : &lido_thread_cache_none;
}

/* All of it in one place: for typed pools, where the caller wants it inlined whole. */
LIDO_FAST void *lido_thread_cache_alloc(lido_pool_cache *cache, lido_pool *pool) {
  void *object;
  return LIDO_LIKELY(lido_cache_alloc_hot(cache, &object)) ? object : lido_thread_cache_pop(cache, pool);
}

LIDO_FAST void lido_thread_cache_free(lido_pool_cache *cache, lido_pool *pool, void *object) {
  if (LIDO_UNLIKELY(!lido_cache_free_hot(cache, object))) lido_thread_cache_free_cold(cache, pool, object);
}

/* Dynamic pools inline the hot slot only; what follows is a call (pools/pool_calls.c). */
LIDO_API void *lido_thread_cache_pop_call(lido_pool_cache *cache, lido_pool *pool);
LIDO_API void lido_thread_cache_free_cold_call(lido_pool_cache *cache, lido_pool *pool, void *object);

LIDO_FAST void *lido_pool_alloc(lido_pool *pool) {
  lido_pool_cache *cache = lido_pool_cache_of_thread(pool);
  void *object;
  return LIDO_LIKELY(lido_cache_alloc_hot(cache, &object)) ? object : lido_thread_cache_pop_call(cache, pool);
}

LIDO_FAST void lido_pool_free(lido_pool *pool, void *object) {
  lido_pool_cache *cache = lido_pool_cache_of_thread(pool);
  if (LIDO_UNLIKELY(!lido_cache_free_hot(cache, object))) lido_thread_cache_free_cold_call(cache, pool, object);
}

LIDO_FAST void *lido_pool_cache_alloc(lido_pool_cache *cache) { return lido_thread_cache_alloc(cache, NULL); }

LIDO_FAST void lido_pool_cache_free(lido_pool_cache *cache, void *object) {
  lido_thread_cache_free(cache, NULL, object);
}

/* ---- Typed pools ---- */

/* Stands where a pool is expected until the first use made one. */
#define LIDO_NUMBER_TYPED UINT32_MAX

typedef struct lido_typed_pool {
  lido_pool face;    /* number == LIDO_NUMBER_TYPED */
  lido_pool *pool;   /* NULL until the first use */
  size_t type_align; /* the least that `options.align` may mean */
  lido_pool_options options;
} lido_typed_pool;

LIDO_API lido_pool *lido_typed_pool_get(lido_typed_pool *typed);

/* A typed pool's cache in a thread that has not used it: nothing in it matches. */
#define LIDO_CACHE_INITIAL \
  { NULL, &lido_state_never, NULL, 0, 0, 0, 0, 0, LIDO_OWNER_NEVER, 0, LIDO_STATE_CLAIMS, 0, NULL }

#define LIDO_POOL_DECLARE_BODY(prefix, type)                                                      \
  extern lido_typed_pool prefix##_typed_pool;                                                     \
  extern __thread lido_pool_cache prefix##_pool_cache __attribute__((tls_model("initial-exec"))); \
  LIDO_FAST type *prefix##_alloc(void) {                                                          \
    lido_pool_cache *cache = &prefix##_pool_cache;                                                \
    LIDO_LAUNDER(cache);                                                                          \
    return (type *)lido_thread_cache_alloc(cache, &prefix##_typed_pool.face);                     \
  }                                                                                               \
  LIDO_FAST void prefix##_free(type *object) {                                                    \
    lido_pool_cache *cache = &prefix##_pool_cache;                                                \
    LIDO_LAUNDER(cache);                                                                          \
    lido_thread_cache_free(cache, &prefix##_typed_pool.face, object);                             \
  }                                                                                               \
  LIDO_FAST lido_pool *prefix##_pool(void) { return lido_typed_pool_get(&prefix##_typed_pool); }

/* C++17 knows designated initialisers as an extension only; GCC and Clang both have it. */
#ifdef __cplusplus
#define LIDO_ALLOW_DESIGNATORS _Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")
#else
#define LIDO_ALLOW_DESIGNATORS
#endif

/* Options that are not named stay zero; that is meant, so no warning. `...` ends with a comma. */
/* clang-format off */
#define LIDO_POOL_IMPLEMENT_BODY(prefix, type, ...)                                               \
  _Pragma("GCC diagnostic push")                                                                  \
  LIDO_ALLOW_DESIGNATORS                                                                          \
  _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")                              \
  __thread lido_pool_cache prefix##_pool_cache = LIDO_CACHE_INITIAL;                              \
  lido_typed_pool prefix##_typed_pool = {                                                         \
      {LIDO_NUMBER_TYPED}, NULL, LIDO_ALIGNOF(type),                                              \
      {.name = #prefix, .object_size = sizeof(type), __VA_ARGS__}};                               \
  _Pragma("GCC diagnostic pop")

#define LIDO_POOL_DEFINE_BODY(prefix, type, ...)                                                  \
  LIDO_POOL_DECLARE_BODY(prefix, type)                                                            \
  LIDO_POOL_IMPLEMENT_BODY(prefix, type, __VA_ARGS__)
/* clang-format on */

LIDO_END

#endif
