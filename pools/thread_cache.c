/* thread_cache.c: see thread_cache.h. */
#include "pools/thread_cache.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "pools/magazine_growth.h"
#include "pools/pool_samples.h"
#include "pools/registry.h"

enum { FIRST_CAPACITY = 4 };

/* ---- The face and its magazine ---- */

static void reset_face(lido_pool_cache *cache) {
  cache->hot = NULL;
  cache->hot_state = &lido_state_never;
  cache->items = NULL;
  lido_store_relaxed(&cache->count, 0); /* RELAXED: only statistics look on */
  cache->capacity = 0;
  lido_store_relaxed(&cache->owner, LIDO_OWNER_NEVER); /* RELAXED: the owner's own free reads it */
  cache->rest = NULL;
}

static void load_magazine(lido_pool_cache *cache, lido_magazine *magazine) {
  cache->rest->loaded = magazine;
  cache->rest->moved += magazine->count;
  cache->items = magazine->items;
  cache->capacity = magazine->capacity;
  /* RELAXED: only statistics look on. */
  lido_store_relaxed(&cache->rest->hidden, 0);
  lido_store_relaxed(&cache->count, magazine->count);
  lido_store_relaxed(&cache->rest->loaded_bytes, magazine->storage);
}

/* The loaded magazine, with its count brought up to date. */
static lido_magazine *loaded_magazine(lido_pool_cache *cache) {
  cache->rest->loaded->count = cache->count + cache->rest->hidden;
  return cache->rest->loaded;
}

/* Out of the cache's hands, and then into others' (C5). RELAXED: a fork that sees the latter took a lock in between. */
static lido_magazine *unload_magazine(lido_pool_cache *cache) {
  lido_magazine *magazine = loaded_magazine(cache);
  cache->rest->moved -= magazine->count;
  lido_store_relaxed(&cache->rest->loaded, NULL);
  return magazine;
}

static lido_magazine *remove_previous(lido_thread_cache_rest *rest) {
  lido_magazine *magazine = rest->previous;
  rest->moved -= magazine->count;
  lido_store_relaxed(&rest->previous, NULL); /* RELAXED: as in unload_magazine */
  return magazine;
}

static void set_previous(lido_thread_cache_rest *rest, lido_magazine *magazine) {
  rest->previous = magazine;
  rest->moved += magazine->count;
  /* RELAXED: only statistics look on. */
  lido_store_relaxed(&rest->previous_count, magazine->count);
  lido_store_relaxed(&rest->previous_bytes, magazine->storage);
}

void lido_thread_cache_show(lido_pool_cache *cache, uint32_t count) {
  lido_thread_cache_rest *rest = cache->rest;
  if (rest->loaded == NULL) return; /* C5 */
  lido_magazine *magazine = loaded_magazine(cache);
  uint32_t hidden = magazine->count - (uint32_t)lido_min(count, magazine->count);
  cache->items = magazine->items + hidden;
  cache->capacity = magazine->capacity - hidden;
  /* RELAXED: only statistics look on. */
  lido_store_relaxed(&rest->hidden, hidden);
  lido_store_relaxed(&cache->count, magazine->count - hidden);
}

void lido_thread_cache_show_all(lido_pool_cache *cache) {
  if (cache->rest->hidden != 0) lido_thread_cache_show(cache, UINT32_MAX);
}

static void swap_magazines(lido_pool_cache *cache) {
  lido_magazine *loaded = unload_magazine(cache);
  load_magazine(cache, remove_previous(cache->rest));
  set_previous(cache->rest, loaded);
}

/* RELAXED: statistics */
static void count_miss(lido_thread_cache_rest *rest) { lido_store_relaxed(&rest->misses, rest->misses + 1); }
static void count_refill(uint64_t *refills) { lido_store_relaxed(refills, *refills + 1); }

/* ---- Attach ---- */

static void list_cache_locked(lido_thread_cache_rest *rest) {
  lido_pool_core *core = rest->core;
  rest->pool_next = core->caches;
  if (core->caches != NULL) core->caches->pool_previous = rest;
  core->caches = rest;
  core->cache_count++;
  lido_thread_record *thread = rest->thread;
  if (thread == NULL) return;
  rest->thread_next = thread->caches;
  if (thread->caches != NULL) thread->caches->thread_previous = rest;
  thread->caches = rest;
}

static void unlist_cache_locked(lido_thread_cache_rest *rest) {
  lido_pool_core *core = rest->core;
  if (rest->pool_next != NULL) rest->pool_next->pool_previous = rest->pool_previous;
  *(rest->pool_previous != NULL ? &rest->pool_previous->pool_next : &core->caches) = rest->pool_next;
  core->cache_count--;
  if (rest->thread == NULL) return;
  if (rest->thread_next != NULL) rest->thread_next->thread_previous = rest->thread_previous;
  *(rest->thread_previous != NULL ? &rest->thread_previous->thread_next : &rest->thread->caches) = rest->thread_next;
}

/* A claim that no other cache of the pool has, or 0: then the cache gets no hot slot (C4). */
static uint8_t claim_take_locked(lido_pool_core *core) {
  size_t claim = lido_bitmap_find_run(core->free_claims, LIDO_CLAIM_WORDS * 64, 1);
  if (claim == LIDO_NO_BIT) return 0;
  lido_bitmap_clear(core->free_claims, claim);
  return (uint8_t)claim;
}

static void claim_give_locked(lido_pool_core *core, uint8_t claim) {
  if (claim != 0) lido_bitmap_set(core->free_claims, claim);
}

/* Caches of pools that do more at a free than push have an owner that never matches, so that each
 * free asks. */
static uint32_t owner_for(const lido_pool_core *core, uint8_t claim) {
  /* Without checks nothing else tells a held object from one that a free may end. */
  bool ends_each = core->handles && (core->options.destroy != NULL || LIDO_CHECKS == LIDO_CHECKS_NONE);
  if (claim == 0 || core->direct || ends_each || (core->options.flags & LIDO_POOL_ZERO) != 0) return LIDO_OWNER_NEVER;
  return core->owner;
}

static void write_face(lido_pool_cache *cache, lido_thread_cache_rest *rest) {
  const lido_geometry *g = &rest->core->geometry;
  reset_face(cache);
  cache->frees = 0;
  cache->offset_mask = ~g->region.mask;
  cache->state_bias = g->region.bias;
  cache->shift = (uint8_t)g->shift;
  cache->granule_mask = (uint16_t)((1u << g->shift) - 1);
  cache->claim = rest->claim != 0 ? rest->claim : LIDO_STATE_CLAIMS; /* never equal to lido_state_never */
  cache->rest = rest;
  lido_store_relaxed(&cache->owner, rest->owner); /* RELAXED: the owner's own free reads it */
  load_magazine(cache, rest->loaded);
  set_previous(rest, rest->previous);
}

static lido_magazine *small_magazine(lido_pool_core *core) {
  return lido_magazine_create(core, (uint32_t)lido_min(FIRST_CAPACITY, core->geometry.magazine_limit));
}

/* One that the depot has, from a cache that is gone or an exchange, or a new one. */
static lido_magazine *empty_magazine(lido_pool_core *core) {
  lido_magazine *empty = lido_depot_take_empty(&core->depot);
  return empty != NULL ? empty : small_magazine(core);
}

/* Both, or none. */
static bool take_magazines(lido_thread_cache_rest *rest) {
  lido_magazine *loaded = empty_magazine(rest->core);
  lido_magazine *previous = loaded != NULL ? empty_magazine(rest->core) : NULL;
  if (previous == NULL) {
    lido_magazine_destroy(loaded);
    return false;
  }
  rest->loaded = loaded;
  rest->previous = previous;
  return true;
}

bool lido_thread_cache_has_magazines(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  if (LIDO_LIKELY(rest->loaded != NULL)) return true;
  if (!take_magazines(rest)) return false;
  load_magazine(cache, rest->loaded);
  set_previous(rest, rest->previous);
  return true;
}

static void free_memory(lido_thread_cache_rest *rest) {
  lido_metadata *metadata = lido_core_metadata(rest->core);
  if (rest->allocated) lido_metadata_free(metadata, rest->cache, sizeof *rest->cache);
  lido_metadata_free(metadata, rest, sizeof *rest);
}

/* Called with the registry's lock held. `cache` may be NULL: then it is allocated. */
static lido_pool_cache *attach_locked(lido_pool_core *core, lido_pool_cache *cache, lido_thread_record *thread) {
  lido_thread_cache_rest *rest = lido_metadata_alloc(lido_core_metadata(core), sizeof *rest);
  if (rest == NULL) return NULL;
  rest->core = core;
  rest->thread = thread;
  rest->allocated = cache == NULL;
  rest->cache = cache != NULL ? cache : lido_metadata_alloc(lido_core_metadata(core), sizeof *cache);
  if (rest->cache == NULL || !take_magazines(rest)) {
    free_memory(rest);
    return NULL;
  }
  rest->claim = claim_take_locked(core);
  rest->owner = owner_for(core, rest->claim);
  write_face(rest->cache, rest);
  list_cache_locked(rest);
  return rest->cache;
}

lido_pool_cache *lido_thread_cache_attach(lido_pool_core *core, lido_pool_cache *typed_cache, bool *refused) {
  int saved_errno = errno;
  lido_registry_lock();
  lido_pool_cache *cache = NULL;
  lido_thread_record *thread = lido_thread_record_get_locked();
  *refused = lido_thread_is_second_locked(core, thread);
  if (!*refused && thread != NULL && lido_thread_table_reserve_locked(thread, core->face.number)) {
    cache = attach_locked(core, typed_cache, thread);
    if (cache != NULL) lido_thread_table_set_locked(thread, core->face.number, cache);
  }
  lido_registry_unlock();
  errno = saved_errno;
  return cache;
}

lido_pool_cache *lido_thread_cache_attach_explicit(lido_pool_core *core) {
  lido_registry_lock();
  lido_pool_cache *cache = attach_locked(core, NULL, NULL);
  lido_registry_unlock();
  return cache;
}

/* ---- Objects in and out ---- */

/* The hot object, if there is one of ours, leaves the hot slot. */
static void *take_hot(lido_pool_cache *cache) {
  void *hot = lido_thread_cache_is_hot(cache) ? cache->hot : NULL;
  /* RELEASE cache.hot: the look at the state byte is over when a trim sees no hot object any more. */
  lido_store_release(&cache->hot, NULL);
  cache->hot_state = &lido_state_never;
  cache->rest->moved -= hot != NULL;
  return hot;
}

void lido_thread_cache_cool(lido_pool_cache *cache) {
  void *hot = take_hot(cache);
  if (hot == NULL) return;
  cache->rest->moved++;
  lido_thread_cache_keep(cache, hot);
}

static void spill_hot(lido_pool_cache *cache) {
  void *hot = take_hot(cache);
  if (hot != NULL) lido_core_put(cache->rest->core, &hot, 1);
}

/* The objects of a magazine go to their slabs. */
static void spill(lido_pool_core *core, lido_magazine *magazine) {
  lido_core_put(core, magazine->items, magazine->count);
  magazine->count = 0;
}

/* A full or partly full magazine leaves for the depot, or if that has enough, its objects for the slabs. */
static void send_away(lido_pool_core *core, lido_magazine *magazine, bool exiting) {
  if (magazine->count != 0 && lido_depot_give_full(&core->depot, magazine, exiting)) return;
  spill(core, magazine);
  lido_depot_give_empty(&core->depot, magazine);
}

static lido_magazine *resized_magazine(lido_pool_core *core, lido_magazine *old) {
  return lido_magazine_exchanged(core, old, lido_magazine_next_capacity(core, old->capacity));
}

/* The previous magazine is empty and will be loaded and filled: by frees it grows only if the pool is tuned. */
static void fit_previous(lido_thread_cache_rest *rest) {
  lido_pool_core *core = rest->core;
  uint32_t capacity = lido_magazine_next_capacity(core, rest->previous->capacity);
  bool tuned = lido_tuned_magazine(core) != 0;
  if (LIDO_LIKELY(capacity == rest->previous->capacity || (capacity > rest->previous->capacity && !tuned))) return;
  set_previous(rest, lido_magazine_exchanged(core, remove_previous(rest), capacity));
}

/* The first objects of the magazine shall be handed out first: they are taken from its end. */
static void reverse(void **items, size_t count) {
  for (size_t i = 0; i < count / 2; i++) {
    void *item = items[i];
    items[i] = items[count - 1 - i];
    items[count - 1 - i] = item;
  }
}

/* Each cache prefers other words of a slab than its neighbours (slab.h). */
static unsigned stripe_of(const lido_thread_cache_rest *rest) {
  return rest->claim >= LIDO_STATE_CLAIMS ? rest->claim - (unsigned)LIDO_STATE_CLAIMS : 0;
}

/* Growth calls construct, which may use this pool, this very cache, or fork. So what is loaded afterwards may be
 * another magazine, and not empty. */
static bool refill_from_slabs(lido_pool_cache *cache, bool *limited) {
  lido_pool_core *core = cache->rest->core;
  void *objects[LIDO_MAGAZINE_MAX];
  load_magazine(cache, resized_magazine(core, unload_magazine(cache)));
  size_t wanted = lido_tuned_batch(core, cache->capacity);
  lido_take how;
  size_t taken = lido_core_take(core, stripe_of(cache->rest), objects, wanted, false, &how);
  *limited = how.limited;
  size_t room = lido_thread_cache_has_magazines(cache) ? cache->capacity - cache->count : 0;
  size_t kept = lido_min(taken, room);
  reverse(objects, kept);
  if (kept != 0) memcpy(cache->items + cache->count, objects, kept * sizeof *objects);
  lido_store_relaxed(&cache->count, cache->count + (uint32_t)kept); /* RELAXED: only statistics look on */
  cache->rest->moved += (int64_t)kept;
  if (kept != taken) lido_core_put(core, objects + kept, taken - kept);
  if (taken != 0) count_refill(how.grew ? &cache->rest->refills_backing : &cache->rest->refills_slab);
  return cache->count != 0;
}

bool lido_thread_cache_refill(lido_pool_cache *cache, bool *limited) {
  lido_thread_cache_rest *rest = cache->rest;
  count_miss(rest);
  *limited = false;
  if (rest->previous->count != 0) {
    swap_magazines(cache);
    return true;
  }
  rest->contention_seen = lido_magazine_learn(rest->core, rest->contention_seen);
  lido_magazine *empty = unload_magazine(cache);
  lido_magazine *full = lido_depot_take_full(&rest->core->depot, empty);
  load_magazine(cache, full != NULL ? full : empty);
  if (full != NULL) count_refill(&rest->refills_depot);
  return full != NULL || refill_from_slabs(cache, limited);
}

/* The loaded magazine is full: bring an empty one under it. -> whether objects went to their slabs. */
static bool make_room(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  lido_pool_core *core = rest->core;
  bool spilled = false;
  if (rest->previous->count != 0) {
    rest->contention_seen = lido_magazine_learn(core, rest->contention_seen);
    lido_magazine *full = remove_previous(rest);
    lido_magazine *empty = lido_depot_take_empty(&core->depot);
    if (empty == NULL) empty = lido_magazine_create(core, lido_magazine_next_capacity(core, full->capacity));
    if (empty != NULL && lido_depot_give_full(&core->depot, full, false)) {
      set_previous(rest, empty);
    } else { /* no memory, or the depot has enough: the same magazine again, emptied */
      if (empty != NULL) lido_depot_give_empty(&core->depot, empty);
      spill(core, full);
      set_previous(rest, full);
      spilled = true;
    }
  }
  fit_previous(rest);
  swap_magazines(cache);
  return spilled;
}

void lido_thread_cache_keep(lido_pool_cache *cache, void *object) {
  lido_thread_cache_show_all(cache);
  bool spilled = cache->count == cache->capacity && make_room(cache);
  cache->items[cache->count] = object;
  lido_store_relaxed(&cache->count, cache->count + 1); /* RELAXED: only statistics look on */
  if (spilled) lido_core_shed(cache->rest->core);      /* last: it calls destroy, which may use this cache */
}

void lido_thread_cache_overflow(lido_pool_cache *cache, void *object) {
  int saved_errno = errno;
  count_miss(cache->rest);
  if (lido_thread_cache_has_magazines(cache)) {
    lido_thread_cache_keep(cache, object);
    lido_thread_cache_honour(cache);
  } else {
    cache->rest->moved--;
    lido_core_put(cache->rest->core, &object, 1);
  }
  if (LIDO_UNLIKELY(lido_thread_cache_is_watched(cache->rest))) lido_sampling_visit(cache);
  errno = saved_errno;
}

/* ---- Whole magazines ---- */

lido_magazine *lido_thread_cache_give_magazine(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  if (loaded_magazine(cache)->count > rest->previous->count) swap_magazines(cache);
  lido_magazine *empty = rest->previous->count != 0 ? empty_magazine(rest->core) : NULL;
  if (empty == NULL) return NULL;
  lido_magazine *given = remove_previous(rest);
  set_previous(rest, empty);
  return given;
}

void lido_thread_cache_accept_magazine(lido_pool_cache *cache, lido_magazine *magazine) {
  lido_thread_cache_rest *rest = cache->rest;
  if (rest->previous->count == 0) {
    lido_magazine_destroy(remove_previous(rest));
    set_previous(rest, magazine);
  } else {
    send_away(rest->core, magazine, false);
  }
}

/* ---- Flush ---- */

/* The objects of a magazine go where they are wanted. -> an empty one in its place, perhaps the same. */
static lido_magazine *emptied(lido_pool_core *core, lido_magazine *magazine) {
  if (magazine->count == 0) return magazine;
  lido_magazine *empty = empty_magazine(core);
  if (empty != NULL && lido_depot_give_full(&core->depot, magazine, false)) return empty;
  lido_magazine_destroy(empty);
  spill(core, magazine);
  return magazine;
}

void lido_thread_cache_flush(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  spill_hot(cache);
  if (rest->loaded == NULL) return; /* an explicit cache after a fork: nothing is in it */
  load_magazine(cache, emptied(rest->core, unload_magazine(cache)));
  set_previous(rest, emptied(rest->core, remove_previous(rest)));
}

void lido_thread_cache_close(lido_thread_cache_rest *rest) {
  lido_pool_cache *cache = rest->cache;
  spill_hot(cache);
  if (rest->loaded != NULL) {
    lido_magazine *loaded = unload_magazine(cache);
    spill(rest->core, loaded);
    load_magazine(cache, loaded);
    lido_magazine *previous = remove_previous(rest);
    spill(rest->core, previous);
    set_previous(rest, previous);
  }
  /* RELAXED: the child has one thread. */
  lido_store_relaxed(&rest->flush_wanted, true);
  lido_store_relaxed(&cache->owner, LIDO_OWNER_NEVER);
}

void lido_thread_cache_flush_own(lido_pool_core *core) {
  lido_registry_lock();
  for (lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    if (rest->thread != NULL && rest->thread == lido_this_thread.record) lido_thread_cache_flush(rest->cache);
  }
  lido_registry_unlock();
}

bool lido_thread_cache_honour(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  /* RELAXED: a request seen late is honoured later. The two halves of a request may be seen one by one, in any order,
   * so either of them counts. */
  uint32_t owner = lido_thread_cache_owner(rest);
  bool asked = lido_load_relaxed(&rest->flush_wanted) || lido_load_relaxed(&cache->owner) != owner;
  if (LIDO_LIKELY(!asked)) return false;
  bool visit = lido_exchange_relaxed(&rest->visit_wanted, false);
  bool flush = lido_exchange_relaxed(&rest->flush_wanted, false);
  lido_store_relaxed(&cache->owner, owner);
  if (visit && !flush) return true;
  lido_thread_cache_flush(cache);
  lido_core_shed(rest->core);
  return true;
}

void lido_thread_cache_ask_flush(lido_pool_core *core) {
  lido_registry_lock();
  for (lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    if (rest->thread == NULL || rest->thread == lido_this_thread.record) continue;
    /* RELAXED: the owner acts on what it sees, whenever it sees it. */
    lido_store_relaxed(&rest->flush_wanted, true);
    lido_store_relaxed(&rest->cache->owner, LIDO_OWNER_NEVER);
  }
  lido_registry_unlock();
}

/* ---- Detach ---- */

static void give_up_objects(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  spill_hot(cache);
  if (rest->loaded == NULL) return;
  send_away(rest->core, loaded_magazine(cache), true);
  send_away(rest->core, rest->previous, true);
}

/* In the child of a fork a sweep finds the objects. */
static void forget_objects(lido_thread_cache_rest *rest) {
  lido_store_relaxed(&rest->core->needs_sweep, true); /* RELAXED: the child has one thread */
  lido_magazine_destroy(rest->loaded);
  lido_magazine_destroy(rest->previous);
}

void lido_thread_cache_forget_objects_locked(lido_thread_cache_rest *rest) {
  lido_pool_cache *cache = rest->cache;
  forget_objects(rest);
  rest->loaded = NULL;
  rest->previous = NULL;
  rest->previous_count = 0;
  rest->loaded_bytes = 0;
  rest->previous_bytes = 0;
  cache->hot = NULL;
  cache->hot_state = &lido_state_never;
  cache->items = NULL;
  cache->count = 0;
  cache->capacity = 0;
  rest->hidden = 0;
  rest->moved = 0;
  rest->sampling = (lido_sampling){.run = 0};
}

void lido_thread_cache_detach_locked(lido_thread_cache_rest *rest, lido_detach detach) {
  lido_pool_core *core = rest->core;
  lido_pool_cache *cache = rest->cache;
  if (detach == LIDO_DETACH_LIVING) {
    if (LIDO_UNLIKELY(rest->sampling.run != 0)) lido_sampling_end(rest);
    rest->frees_noted = lido_load_relaxed(&cache->frees); /* RELAXED: statistic */
    give_up_objects(cache);
    if (rest->thread != NULL) lido_thread_table_set_locked(rest->thread, core->face.number, &lido_thread_cache_none);
  } else {
    forget_objects(rest);
  }
  unlist_cache_locked(rest);
  core->retired_frees += rest->frees_noted;
  core->retired_misses += lido_load_relaxed(&rest->misses); /* RELAXED: statistics */
  core->retired_refills_depot += lido_load_relaxed(&rest->refills_depot);
  core->retired_refills_slab += lido_load_relaxed(&rest->refills_slab);
  core->retired_refills_backing += lido_load_relaxed(&rest->refills_backing);
  claim_give_locked(core, rest->claim);
  if (detach == LIDO_DETACH_LIVING && !rest->allocated) reset_face(cache);
  free_memory(rest);
}

/* ---- Questions ---- */

size_t lido_thread_cache_objects(const lido_thread_cache_rest *rest) {
  const lido_pool_cache *cache = rest->cache;
  /* RELAXED: statistic */
  size_t objects =
      lido_load_relaxed(&cache->count) + lido_load_relaxed(&rest->hidden) + lido_load_relaxed(&rest->previous_count);
  /* ACQUIRE cache.hot: the state bytes of that object's slab are seen as they were made. */
  void *hot = lido_load_acquire(&cache->hot);
  if (hot == NULL) return objects;
#if LIDO_CHECKS == LIDO_CHECKS_NONE
  return objects + 1;
#else
  /* RELAXED: statistic. P3 keeps the byte readable while the registry's lock is held. */
  return objects + (lido_load_relaxed(lido_state_of(cache, (uintptr_t)hot)) == cache->claim);
#endif
}

size_t lido_thread_cache_magazine_bytes(const lido_thread_cache_rest *rest) {
  return (size_t)lido_load_relaxed(&rest->loaded_bytes) +
         lido_load_relaxed(&rest->previous_bytes); /* RELAXED: statistic */
}

const char *lido_thread_cache_check(const lido_thread_cache_rest *rest) {
  const lido_pool_cache *cache = rest->cache;
  if (rest->loaded == NULL) return cache->count != 0 ? "C1: objects without a magazine" : NULL;
  uint32_t hidden = rest->hidden;
  if (cache->rest != rest || cache->items != rest->loaded->items + hidden) return "C1: the face shows another magazine";
  if (cache->capacity + hidden != rest->loaded->capacity || cache->count > cache->capacity)
    return "C1: count beyond capacity";
  if (rest->previous->count > rest->previous->capacity) return "C1: count beyond capacity";
  if (cache->owner != rest->owner && cache->owner != LIDO_OWNER_NEVER) return "C3: the owner of another pool";
  if (rest->owner == LIDO_OWNER_NEVER && cache->hot != NULL) return "C4: a hot object without a claim";
  if (rest->sampling.every != 0 && cache->count != 0)
    return "C3: objects in sight while each call is wanted at the slow path";
  if (rest->sampling.run == 0 && (hidden != 0 || rest->sampling.every != 0))
    return "G3: objects are hidden, or each call wanted, in a cache that is not watched";
  return NULL;
}
