/* object_pool_calls.c: get and put beyond their common case, where the callbacks are called; typed pools; the inlined
 * bodies as functions. */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/misuse_report.h"
#include "pools/object_threads.h"

/* ---- Typed pools ---- */

static lido_object_pool *create_typed(lido_typed_object_pool *typed) {
  lido_object_pool *pool = lido_object_pool_create(&typed->options);
  if (pool != NULL) lido_object_core_of(pool)->typed = typed;
  return pool;
}

static lido_object_pool *lose(lido_object_pool *pool) {
  lido_object_core_of(pool)->typed = NULL; /* its end is not the end of the typed pool */
  lido_object_pool_destroy(pool);
  return NULL;
}

/* Two first uses at once both make a pool, and one of them wins, as in typed_pool.c. */
lido_object_pool *lido_typed_object_pool_get(lido_typed_object_pool *typed) {
  /* ACQUIRE object_pool.typed: the pool is seen complete. */
  lido_object_pool *pool = lido_load_acquire(&typed->pool);
  while (pool == NULL) {
    lido_object_pool *made = create_typed(typed);
    if (made == NULL) return NULL;
    lido_object_pool *none = NULL;
    /* RELEASE object_pool.typed: what creation wrote comes before the pointer. */
    pool = lido_cas_release(&typed->pool, &none, made) ? made : lose(made);
    /* ACQUIRE object_pool.typed: the winner's pool is seen complete. */
    if (pool == NULL) pool = lido_load_acquire(&typed->pool);
  }
  return pool;
}

/* The pool behind a face. NULL: a typed pool that could not be made. */
static lido_object_core *core_of_face(lido_object_pool *face) {
  if (LIDO_LIKELY(face->number != LIDO_OBJECT_NUMBER_TYPED)) return lido_object_core_of(face);
  lido_object_pool *pool = lido_typed_object_pool_get((lido_typed_object_pool *)face);
  return pool != NULL ? lido_object_core_of(pool) : NULL;
}

/* ---- Get ---- */

static void *create_object(lido_object_core *core) {
  void *object = core->options.create(core->options.context);
  if (object != NULL) lido_add_relaxed(&core->created, 1); /* RELAXED: statistic */
  return object;
}

static void count_get(lido_object_core *core, lido_object_store *store) {
  if (store != NULL) {
    lido_count_owned(&store->gets);
  } else {
    lido_add_relaxed(&core->bare_gets, 1); /* RELAXED: statistic */
  }
}

void *lido_object_get_slow(lido_object_pool *pool, lido_object_store **place) {
  int saved_errno = errno;
  lido_object_core *core = core_of_face(pool);
  if (core == NULL) return NULL;
  lido_object_store *store = lido_object_store_attach(core, place);
  void *object = lido_object_find(core, store);
  if (object == NULL) object = create_object(core);
  if (object == NULL) return NULL; /* errno is what create left */
  count_get(core, store);
  errno = saved_errno;
  return object;
}

/* ---- Put ---- */

void lido_object_put_twice(lido_object_store *store, void *object) {
  lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_DOUBLE_FREE,
                                   .where = "object pool",
                                   .pool = store->core->name,
                                   .address = object,
                                   .object = LIDO_NO_OBJECT});
}

static LIDO_SLOW void keep_asking(lido_object_core *core, lido_object_store *store, lido_kept kept) {
  if (store == NULL || (store->put_asks & LIDO_PUT_NO_CREDIT) != 0) {
    lido_object_keep_slow(core, store, kept);
  } else {
    lido_object_keep_sized(store, kept);
  }
}

static inline void keep(lido_object_core *core, lido_object_store *store, lido_kept kept) {
  if (store == NULL || (store->put_asks & (LIDO_PUT_NO_CREDIT | LIDO_PUT_SIZED)) != 0) {
    keep_asking(core, store, kept);
  } else {
    lido_object_keep(store, kept.object);
  }
}

static LIDO_SLOW void put_large(lido_object_core *core, void *object) {
  int saved_errno = errno;
  lido_object_destroy(core, object, LIDO_OBJECT_LARGE);
  errno = saved_errno;
}

static inline void clean_and_keep(lido_object_core *core, lido_object_store *store, void *object) {
  const lido_object_pool_options *o = &core->options;
  if (o->reset != NULL) o->reset(object, o->context);
  size_t bytes = o->size != NULL ? o->size(object, o->context) : 0;
  if (LIDO_UNLIKELY(bytes > o->keep_bytes_each)) {
    put_large(core, object);
  } else {
    keep(core, store, (lido_kept){.object = object, .bytes = lido_min(bytes, LIDO_OBJECT_MOST_BYTES)});
  }
}

/* Without a pool there is nowhere to keep it. */
static void end_unkept(const lido_object_pool *face, void *object) {
  const lido_object_pool_options *o = &((const lido_typed_object_pool *)face)->options;
  if (o->destroy != NULL) o->destroy(object, o->context);
}

/* The thread's first put, perhaps the pool's. */
static LIDO_SLOW void put_first(lido_object_pool *pool, lido_object_store **place, void *object) {
  int saved_errno = errno;
  lido_object_core *core = core_of_face(pool);
  if (core != NULL) {
    clean_and_keep(core, lido_object_store_attach(core, place), object);
  } else {
    end_unkept(pool, object);
  }
  errno = saved_errno;
}

/* Worth a closer look? */
static inline bool may_hold(const lido_object_store *store, const void *object) {
  return store->hot == object || (store->put_asks & (LIDO_PUT_SIZED | LIDO_PUT_CHECKS)) != 0;
}

void lido_object_put_asking(lido_object_store *store, lido_object_pool *pool, lido_object_store **place, void *object) {
  if (object == NULL) return;
  if (LIDO_UNLIKELY(store->core == NULL)) {
    put_first(pool, place, object);
  } else if (LIDO_UNLIKELY(may_hold(store, object)) && lido_object_store_holds(store, object)) {
    lido_object_put_twice(store, object);
  } else {
    clean_and_keep(store->core, store, object);
  }
}

/* For a typed pool's inlined put, which has called the callbacks itself. */
void lido_object_put_cleaned(lido_object_store *store, void *object) {
  keep(store->core, store, (lido_kept){.object = object});
}

void lido_object_put_large(lido_object_store *store, void *object) { put_large(store->core, object); }

/* ---- The inlined bodies ---- */

void *lido_object_get_item_call(lido_object_store *store, lido_object_pool *pool) {
  return lido_object_get_item(store, pool, NULL);
}

void lido_object_demote_call(lido_object_store *store, void *object, void *old) {
  lido_object_demote(store, object, old);
}

void *lido_object_pool_get_call(lido_object_pool *pool) { return lido_object_pool_get(pool); }
void lido_object_pool_put_call(lido_object_pool *pool, void *object) { lido_object_pool_put(pool, object); }
