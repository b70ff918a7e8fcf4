/* free_slow.c: a free that the inlined path could not serve: NULL, a thread without a cache, a
 * request of others, a pool that does more at a free, or a misuse, which is named here.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/misuse_report.h"
#include "lib/mem/heap_samples.h"
#include "pools/pool_samples.h"
#include "pools/registry.h"
#include "pools/slow_paths.h"
#include "pools/thread_cache.h"
#include "pools/tool_notes.h"

/* ---- Which misuse ---- */

enum { NAME_BYTES = 64 };

/* Another pool's object: its index, and the name of the pool. */
static bool find_elsewhere_locked(const lido_pool_core *core, const void *address, lido_misuse *misuse, char *name) {
  for (lido_pool_core *other = lido_registry_first_locked(); other != NULL; other = other->next) {
    if (other == core || other->passthrough) continue;
    lido_place place = lido_core_find(other, address);
    if (place.slab == NULL) continue;
    misuse->object = place.index;
    misuse->offset = place.offset;
    strncpy(name, other->name, NAME_BYTES - 1);
    return true;
  }
  return false;
}

static void classify_locked(const lido_pool_core *core, const void *address, lido_misuse *misuse, char *other_name) {
  lido_place place = lido_core_find(core, address);
  if (place.slab != NULL) {
    misuse->kind = place.offset != 0 ? LIDO_MISUSE_INTERIOR : LIDO_MISUSE_DOUBLE_FREE;
    misuse->object = place.index;
    misuse->offset = place.offset;
  } else if (find_elsewhere_locked(core, address, misuse, other_name)) {
    misuse->kind = LIDO_MISUSE_WRONG_POOL;
    misuse->other_pool = other_name;
  }
}

/* The address is of any kind. Under the registry's lock no pool and no slab that it may lie in goes away. */
static void report_free(const lido_pool_core *core, const void *address) {
  char other_name[NAME_BYTES] = "";
  lido_misuse misuse = {.kind = LIDO_MISUSE_FOREIGN, .pool = core->name, .address = address, .object = LIDO_NO_OBJECT};
  lido_registry_lock();
  classify_locked(core, address, &misuse, other_name);
  lido_registry_unlock();
  lido_misuse_report(misuse);
}

/* Before the state says free: the child of a fork takes what is free for wiped. */
static void wipe(const lido_pool_core *core, void *object) {
  if (core->options.flags & LIDO_POOL_ZERO) memset(object, 0, core->geometry.object_size);
}

void lido_report_double(const lido_pool_core *core, const void *object) {
  lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_DOUBLE_FREE,
                                   .pool = core->name,
                                   .address = object,
                                   .object = lido_core_find(core, object).index});
}

#if LIDO_CHECKS == LIDO_CHECKS_NONE

bool lido_core_accept(lido_pool_core *core, void *object) {
  wipe(core, object);
  return true;
}

bool lido_core_hold(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
  return true;
}

bool lido_core_is_live_object(const lido_pool_core *core, const void *object) {
  return lido_core_contains(core, (uintptr_t)object);
}

bool lido_core_unsample(const lido_pool_core *core, const void *object) {
  (void)core;
  (void)object;
  return false;
}

static bool make_live(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
  return true;
}

void lido_core_set_state(const lido_pool_core *core, void *object, uint8_t state) {
  (void)core;
  (void)object;
  (void)state;
}

#else

/* What the inlined free proves, for addresses of buffers too. */
static bool may_be_object(const lido_pool_core *core, uintptr_t address) {
  return lido_core_contains(core, address) && (address & (((uintptr_t)1 << core->geometry.shift) - 1)) == 0;
}

/* In the program's hands, and nobody keeps a count. Some cache may still remember the object as its hot one, and then
 * a nudge may mark it at any moment (G2): so a mark is as good as none, in one look as in the next. */
static bool is_plainly_live(uint8_t state) { return state == LIDO_STATE_LIVE || state == LIDO_STATE_SAMPLED; }

static bool claim_marked_or_not(uint8_t *state) {
  uint8_t marked;
  do {
    if (lido_state_claim(state, LIDO_STATE_FREE)) return true;
    marked = LIDO_STATE_SAMPLED;
  } while (lido_cas_relaxed(state, &marked, LIDO_STATE_LIVE)); /* RELAXED: of two frees at once one goes on */
  return false;
}

bool lido_core_hold(const lido_pool_core *core, void *object) {
  uint8_t *state = lido_core_state_of(core, (uintptr_t)object);
  /* RELAXED: as in lido_state_claim. */
  uint8_t now = lido_load_relaxed(state);
  if (LIDO_UNLIKELY(!is_plainly_live(now))) return false;
  lido_store_relaxed(state, LIDO_STATE_HELD); /* RELAXED: as above */
  return true;
}

bool lido_core_is_live_object(const lido_pool_core *core, const void *object) {
  uintptr_t address = (uintptr_t)object;
  /* RELAXED: as in lido_state_claim. */
  return may_be_object(core, address) && lido_state_is_live(lido_load_relaxed(lido_core_state_of(core, address)));
}

bool lido_core_accept(lido_pool_core *core, void *object) {
  uintptr_t address = (uintptr_t)object;
  lido_core_unsample(core, object);
  if (may_be_object(core, address)) {
    uint8_t *state = lido_core_state_of(core, address);
    if (is_plainly_live(lido_load_relaxed(state))) { /* RELAXED: as in lido_state_claim */
      wipe(core, object);
      if (claim_marked_or_not(state)) return true;
    }
  }
  report_free(core, object);
  return false;
}

bool lido_core_unsample(const lido_pool_core *core, const void *object) {
  uintptr_t address = (uintptr_t)object;
  if (!may_be_object(core, address)) return false;
  uint8_t *state = lido_core_state_of(core, address);
  if (LIDO_LIKELY(lido_load_relaxed(state) != LIDO_STATE_SAMPLED)) return false; /* RELAXED: as in lido_state_claim */
  if (lido_load_relaxed(&core->samples) != 0)
    lido_heap_forget(object); /* RELAXED: the object was counted before it came here */
  uint8_t sampled = LIDO_STATE_SAMPLED;
  return lido_cas_relaxed(state, &sampled, LIDO_STATE_LIVE); /* RELAXED: of two frees at once one goes on */
}

static bool make_live(const lido_pool_core *core, void *object) {
  uint8_t *state = lido_core_state_of(core, (uintptr_t)object);
  if (LIDO_UNLIKELY(lido_load_relaxed(state) <= LIDO_STATE_SAMPLED))
    return false; /* RELAXED: as in lido_thread_cache_pop */
  lido_store_relaxed(state, LIDO_STATE_LIVE);
  return true;
}

void lido_core_set_state(const lido_pool_core *core, void *object, uint8_t state) {
  /* RELAXED: the object is this thread's alone. */
  lido_store_relaxed(lido_core_state_of(core, (uintptr_t)object), state);
}

#endif

bool lido_hand_out(const lido_pool_core *core, void *object) {
  if (LIDO_UNLIKELY(!make_live(core, object))) {
    lido_report_double(core, object);
    return false;
  }
  lido_tool_alloc(core, object);
  return true;
}

/* ---- The path ---- */

/* A cache whose owner never matches: every free comes here, is verified, and goes to the magazines. */
static void free_special(lido_pool_cache *cache, void *object) {
  lido_pool_core *core = cache->rest->core;
  if (!lido_core_accept(core, object)) return;
  lido_tool_free(core, object);
  lido_thread_cache_keep(cache, object);
  lido_count_owned(&cache->frees);
}

static void free_with_cache(lido_pool_cache *cache, lido_pool *pool, void *object, bool attached_now) {
  bool was_asked = lido_thread_cache_honour(cache);
  if (lido_thread_cache_owner(cache->rest) == LIDO_OWNER_NEVER) {
    free_special(cache, object);
  } else if (lido_core_unsample(cache->rest->core, object) || was_asked || attached_now) {
    lido_thread_cache_free(cache, pool, object); /* the fast path stopped for a reason that is gone: take it again */
  } else {
    report_free(cache->rest->core, object);
    return;
  }
  if (LIDO_UNLIKELY(lido_thread_cache_is_watched(cache->rest))) lido_sampling_visit(cache);
}

/* The pool is known, and it is no affair of handles. */
static void free_known(lido_pool_cache *cache, lido_pool *pool, lido_pool_core *core, void *object) {
  bool had_cache = cache->rest != NULL;
  bool refused = false;
  if (!core->direct) cache = lido_thread_cache_reach(cache, core, &refused);
  if (refused) {
    lido_report_wrong_thread(core, object);
  } else if (core->direct || cache == NULL) {
    lido_direct_free(core, object);
  } else {
    free_with_cache(cache, pool, object, !had_cache);
  }
}

void lido_free_plainly(lido_pool_core *core, void *object) {
  int saved_errno = errno;
  lido_core_sweep_if_needed(core);
  free_known(lido_pool_cache_of_thread(&core->face), &core->face, core, object);
  errno = saved_errno;
}

void lido_free_slow(lido_pool_cache *cache, lido_pool *pool, void *object) {
  if (object == NULL) return;
  int saved_errno = errno;
  lido_pool_core *core = lido_core_reach(cache, pool);
  if (core == NULL) { /* a typed pool that could not even be made owns nothing */
    lido_misuse_report((lido_misuse){
        .kind = LIDO_MISUSE_FOREIGN, .pool = lido_typed_name(pool), .address = object, .object = LIDO_NO_OBJECT});
  } else if (!core->handles || !lido_handles_free(core, object)) {
    free_known(cache, pool, core, object);
  }
  errno = saved_errno;
}
