/* lido/inline/object_pool_inline.h: the bodies of the inlined paths of lido/object_pool.h. Private: nothing here is
 * part of the contract but the speed. Why it is right is in pools/object_store.h.
 *
 * A store's owner says what it does by the store that does it, `hot` or `count`, and then looks at `stop`: one word
 * written and one read for each get and put. A trim closes a store by `stop`, makes a barrier in all threads, and then
 * takes what it finds.
 */
#ifndef LIDO_INLINE_OBJECT_POOL_INLINE_H
#define LIDO_INLINE_OBJECT_POOL_INLINE_H

#include "lido/inline/atomic_inline.h"
#include "lido/object_pool.h"

LIDO_BEGIN

/* Reasons in lido_object_store.stop. */
enum {
  LIDO_STOP_CLOSED = 1, /* a trim has taken what was in the store */
  LIDO_STOP_FENCE = 2,  /* the system has no barrier for all threads: the owner fences, on the slow path */
};

/* Reasons in lido_object_store.put_asks. */
enum {
  LIDO_PUT_CALLS = 1,     /* the pool has callbacks for puts */
  LIDO_PUT_SIZED = 2,     /* the store keeps sizes: no hot object */
  LIDO_PUT_NO_CREDIT = 4, /* the store may keep nothing yet */
  LIDO_PUT_CHECKS = 8,    /* every put looks for the object in the store */
};

enum { LIDO_OBJECT_ITEMS = 48 };

/* One thread's store of objects of one pool. Written by the owner, but for `stop`. */
typedef struct lido_object_store {
  void *hot;      /* atomic: the object put last, or NULL */
  uint32_t count; /* atomic: of items */
  uint32_t capacity;
  uint8_t stop; /* atomic: LIDO_STOP_..., set by others */
  uint8_t put_asks;
  uint64_t gets;                  /* statistic, atomic */
  struct lido_object_core *core;  /* NULL: the store of threads that have none yet */
  void *items[LIDO_OBJECT_ITEMS]; /* older objects, the newest last */
} __attribute__((aligned(64))) lido_object_store;

/* What a thread owns: its stores by pool number. Entries are never NULL. */
enum { LIDO_FIRST_STORES = 16 };

typedef struct lido_object_thread {
  lido_object_store *first[LIDO_FIRST_STORES];
  lido_object_store **stores; /* [store_count], all of them; NULL before the first slow path */
  uint32_t store_count;
  bool dead; /* past its exit: no stores any more */
  struct lido_object_thread_record *record;
} lido_object_thread;

/* The part of a pool that inlined code sees. */
struct lido_object_pool {
  uint32_t number; /* index into lido_object_thread.stores */
};

extern LIDO_API __thread lido_object_thread lido_this_object_thread __attribute__((tls_model("initial-exec")));
extern LIDO_API lido_object_store lido_object_store_none; /* the store of threads that have none yet */

/* The slow paths. `place` is where the thread has its store of a typed pool, or NULL. */
LIDO_API LIDO_SLOW void *lido_object_get_slow(lido_object_pool *pool, lido_object_store **place);
LIDO_API LIDO_SLOW void *lido_object_get_stopped(lido_object_store *store, void *object);
LIDO_API LIDO_SLOW void *lido_object_get_item_stopped(lido_object_store *store);
LIDO_API void lido_object_put_asking(lido_object_store *store, lido_object_pool *pool, lido_object_store **place,
                                     void *object);
LIDO_API LIDO_SLOW void lido_object_put_cleaned(lido_object_store *store, void *object);
LIDO_API LIDO_SLOW void lido_object_put_large(lido_object_store *store, void *object);
LIDO_API LIDO_SLOW void lido_object_put_stopped(lido_object_store *store, void *object, void *old);
LIDO_API LIDO_SLOW void lido_object_put_item_stopped(lido_object_store *store);
LIDO_API LIDO_SLOW void lido_object_overflow(lido_object_store *store, void *object);
LIDO_API LIDO_SLOW void lido_object_put_twice(lido_object_store *store, void *object);

/* pre: the owner has just stored what it does. RELAXED object_store.stop: that comes before this look by the
 * barrier of whoever closes the store (T2 in pools/object_store.h). */
LIDO_FAST bool lido_object_is_stopped(const lido_object_store *store) {
  lido_compiler_barrier();
  return LIDO_UNLIKELY(lido_load_relaxed(&store->stop) != 0);
}

/* The hot slot is empty: take the newest item. */
LIDO_FAST void *lido_object_get_item(lido_object_store *store, lido_object_pool *pool, lido_object_store **place) {
  uint32_t count = store->count;
  if (LIDO_UNLIKELY(count == 0)) return lido_object_get_slow(pool, place);
  lido_store_relaxed(&store->count, count - 1); /* RELAXED: what is taken was this thread's */
  if (lido_object_is_stopped(store)) return lido_object_get_item_stopped(store);
  lido_count_owned(&store->gets);
  return store->items[count - 1];
}

/* Another object is hot now: keep the one that was, too. */
LIDO_FAST void lido_object_demote(lido_object_store *store, void *object, void *old) {
  uint32_t count = store->count;
  if (LIDO_UNLIKELY(old == object)) {
    lido_object_put_twice(store, object);
    return;
  }
  if (LIDO_UNLIKELY(count == store->capacity)) {
    lido_object_overflow(store, old);
    return;
  }
  store->items[count] = old;
  /* RELEASE object_store.kept: a trim that counts the object finds it as it was put. */
  lido_store_release(&store->count, count + 1);
  if (lido_object_is_stopped(store)) lido_object_put_item_stopped(store);
}

/* pre: the store has credit and keeps no sizes. */
LIDO_FAST void lido_object_keep(lido_object_store *store, void *object) {
  void *old = store->hot;
  /* RELEASE object_store.kept: a trim that takes the object finds it as it was put. */
  lido_store_release(&store->hot, object);
  if (lido_object_is_stopped(store)) {
    lido_object_put_stopped(store, object, old);
    return;
  }
  if (old != NULL) lido_object_demote(store, object, old);
}

/* Dynamic pools inline the hot object only; what follows is a call. */
LIDO_API void *lido_object_get_item_call(lido_object_store *store, lido_object_pool *pool);
LIDO_API void lido_object_demote_call(lido_object_store *store, void *object, void *old);

LIDO_FAST lido_object_store *lido_object_store_of_thread(const lido_object_pool *pool) {
  lido_object_thread *thread = &lido_this_object_thread;
  uint32_t number = pool->number;
  if (LIDO_LIKELY(number < LIDO_FIRST_STORES)) return thread->first[number];
  return LIDO_LIKELY(number < thread->store_count) ? thread->stores[number] : &lido_object_store_none;
}

/* The hot object, if there is one. false: *object is NULL, or what the slow path gave. */
LIDO_FAST void *lido_object_take_hot(lido_object_store *store, void *hot) {
  lido_store_relaxed(&store->hot, NULL); /* RELAXED: what is taken was this thread's */
  if (lido_object_is_stopped(store)) return lido_object_get_stopped(store, hot);
  lido_count_owned(&store->gets);
  return hot;
}

LIDO_FAST void *lido_object_pool_get(lido_object_pool *pool) {
  lido_object_store *store = lido_object_store_of_thread(pool);
  void *hot = store->hot;
  return LIDO_LIKELY(hot != NULL) ? lido_object_take_hot(store, hot) : lido_object_get_item_call(store, pool);
}

LIDO_FAST void lido_object_pool_put(lido_object_pool *pool, void *object) {
  lido_object_store *store = lido_object_store_of_thread(pool);
  if (LIDO_UNLIKELY(store->put_asks != 0) || LIDO_UNLIKELY(object == NULL)) {
    lido_object_put_asking(store, pool, NULL, object);
    return;
  }
  void *old = store->hot;
  lido_store_release(&store->hot, object); /* RELEASE object_store.kept: as in lido_object_keep */
  if (lido_object_is_stopped(store)) {
    lido_object_put_stopped(store, object, old);
    return;
  }
  if (old != NULL) lido_object_demote_call(store, object, old);
}

/* ---- Typed pools ---- */

/* Stands where a pool is expected until the first use made one. */
#define LIDO_OBJECT_NUMBER_TYPED UINT32_MAX

typedef struct lido_typed_object_pool {
  lido_object_pool face;  /* number == LIDO_OBJECT_NUMBER_TYPED */
  lido_object_pool *pool; /* NULL until the first use */
  lido_object_pool_options options;
} lido_typed_object_pool;

LIDO_API lido_object_pool *lido_typed_object_pool_get(lido_typed_object_pool *typed);

LIDO_FAST void *lido_typed_object_get(lido_typed_object_pool *typed, lido_object_store **place) {
  lido_object_store *store = *place;
  void *hot = store->hot;
  return LIDO_LIKELY(hot != NULL) ? lido_object_take_hot(store, hot) : lido_object_get_item(store, &typed->face, place);
}

/* `options` are those of the pool where the compiler can see them, so that it inlines the callbacks; else NULL. */
LIDO_FAST void lido_typed_object_put(lido_typed_object_pool *typed, lido_object_store **place,
                                     const lido_object_pool_options *options, void *object) {
  lido_object_store *store = *place;
  int known = options != NULL ? LIDO_PUT_CALLS : 0;
  if (LIDO_UNLIKELY((store->put_asks & ~known) != 0) || LIDO_UNLIKELY(object == NULL) ||
      (known != 0 && LIDO_UNLIKELY(store->hot == object))) {
    lido_object_put_asking(store, &typed->face, place, object);
    return;
  }
  if (options != NULL && options->reset != NULL) options->reset(object, options->context);
  if (options != NULL && options->keep_bytes_each != 0 && options->size != NULL &&
      LIDO_UNLIKELY(options->size(object, options->context) > options->keep_bytes_each)) {
    lido_object_put_large(store, object);
    return;
  }
  /* The callbacks may have used the pool, and flushed the store. */
  if (known != 0 && LIDO_UNLIKELY((store->put_asks & ~known) != 0)) {
    lido_object_put_cleaned(store, object);
    return;
  }
  lido_object_keep(store, object);
}

#define LIDO_OBJECT_POOL_EXTERN(prefix)                     \
  extern lido_typed_object_pool prefix##_typed_object_pool; \
  extern __thread lido_object_store *prefix##_object_store __attribute__((tls_model("initial-exec")));

#define LIDO_OBJECT_POOL_FUNCTIONS(prefix, type, options)                                        \
  LIDO_FAST type *prefix##_get(void) {                                                           \
    return (type *)lido_typed_object_get(&prefix##_typed_object_pool, &prefix##_object_store);   \
  }                                                                                              \
  LIDO_FAST void prefix##_put(type *object) {                                                    \
    lido_typed_object_put(&prefix##_typed_object_pool, &prefix##_object_store, options, object); \
  }                                                                                              \
  LIDO_FAST lido_object_pool *prefix##_objects(void) { return lido_typed_object_pool_get(&prefix##_typed_object_pool); }

#define LIDO_OBJECT_POOL_DECLARE_BODY(prefix, type) \
  LIDO_OBJECT_POOL_EXTERN(prefix)                   \
  LIDO_OBJECT_POOL_FUNCTIONS(prefix, type, NULL)

/* C++17 knows designated initialisers as an extension only; GCC and Clang both have it. */
#ifdef __cplusplus
#define LIDO_OBJECT_ALLOW_DESIGNATORS _Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")
#else
#define LIDO_OBJECT_ALLOW_DESIGNATORS
#endif

/* Options that are not named stay zero; that is meant, so no warning. `...` ends with a comma. */
/* clang-format off */
#define LIDO_OBJECT_POOL_QUIETLY(...)                                                             \
  _Pragma("GCC diagnostic push")                                                                  \
  LIDO_OBJECT_ALLOW_DESIGNATORS                                                                   \
  _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")                              \
  __VA_ARGS__                                                                                     \
  _Pragma("GCC diagnostic pop")

#define LIDO_OBJECT_POOL_IMPLEMENT_BODY(prefix, type, ...)                                        \
  LIDO_OBJECT_POOL_QUIETLY(                                                                       \
  __thread lido_object_store *prefix##_object_store = &lido_object_store_none;                    \
  lido_typed_object_pool prefix##_typed_object_pool = {                                           \
      {LIDO_OBJECT_NUMBER_TYPED}, NULL, {.name = #prefix, __VA_ARGS__}};)

#define LIDO_OBJECT_POOL_DEFINE_BODY(prefix, type, ...)                                           \
  LIDO_OBJECT_POOL_EXTERN(prefix)                                                                 \
  LIDO_OBJECT_POOL_QUIETLY(                                                                       \
  static const lido_object_pool_options prefix##_object_options = {.name = #prefix, __VA_ARGS__};) \
  LIDO_OBJECT_POOL_FUNCTIONS(prefix, type, &prefix##_object_options)                              \
  LIDO_OBJECT_POOL_IMPLEMENT_BODY(prefix, type, __VA_ARGS__)
/* clang-format on */

LIDO_END

#endif
