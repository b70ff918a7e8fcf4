/* pool_samples.c: see pool_samples.h. */
#include "pools/pool_samples.h"

#include "lib/base/atomic.h"
#include "pools/registry.h"
#include "pools/slow_paths.h"

enum {
  LATE = 16,                    /* a turn that has passed falls to one of so many allocs */
  NEAR = 2 * LIDO_MAGAZINE_MAX, /* one that is so near may come before the next visit */
};

/* ---- A sample ---- */

/* -> false: nothing happened, the weight stays with who counted it. */
static bool take(lido_pool_core *core, uint32_t run, void *object, uint64_t objects, const void *caller) {
  size_t stride = core->geometry.stride;
  lido_heap_allocation a = {.run = run,
                            .kind = "pool",
                            .name = core->name,
                            .address = object,
                            .caller = caller,
                            .bytes = stride,
                            .all_objects = objects,
                            .all_bytes = objects * stride,
                            .count = &core->samples};
  lido_heap_outcome outcome = lido_heap_take(&a);
  if (outcome == LIDO_HEAP_KEPT && !core->passthrough) lido_core_set_state(core, object, LIDO_STATE_SAMPLED);
  return outcome != LIDO_HEAP_FAILED;
}

/* The first of a run sets the pool's count. RELAXED: others that come in that moment count down from one of the two. */
static void follow_in_pool(lido_pool_core *core, uint32_t run) {
  uint32_t before = lido_load_relaxed(&core->sample_run);
  if (LIDO_LIKELY(before == run) || !lido_cas_relaxed(&core->sample_run, &before, run)) return;
  lido_store_relaxed(&core->unsampled, 0);
  lido_store_relaxed(&core->sample_left, lido_heap_gap());
}

/* RELAXED: counts of their own. */
static uint64_t take_over(lido_pool_core *core, uint32_t run) {
  bool none = lido_load_relaxed(&core->sample_run) != run || lido_load_relaxed(&core->unsampled) == 0;
  return none ? 0 : lido_exchange_relaxed(&core->unsampled, 0);
}

/* ---- A cache ---- */

static void begin(lido_thread_cache_rest *rest, uint32_t run) {
  rest->sampling = (lido_sampling){
      .run = run, .left = lido_heap_gap(), .allocs = lido_thread_cache_allocs(rest), .calm_until = INT64_MIN};
}

/* What was allocated since the last visit. */
static void count_down(lido_thread_cache_rest *rest) {
  lido_sampling *s = &rest->sampling;
  int64_t allocs = lido_thread_cache_allocs(rest);
  int64_t fresh = allocs - s->allocs;
  s->allocs = allocs;
  lido_store_relaxed(&rest->visit_wanted, false); /* RELAXED: a request; this is the visit */
  s->unsampled += (uint64_t)fresh; /* fewer than none: construct is in the middle of it, and it will be made up for */
  s->left -= fresh * (int64_t)rest->core->geometry.stride;
  lido_store_relaxed(&rest->frees_at_visit, rest->cache->frees); /* RELAXED: a hint to nudges */
}

static void want_each_call(lido_pool_cache *cache) {
  lido_thread_cache_cool(cache);
  lido_thread_cache_show(cache, 0);
  lido_store_relaxed(&cache->owner, LIDO_OWNER_NEVER); /* RELAXED: the owner's own free reads it */
}

static void want_no_call(lido_pool_cache *cache) {
  lido_thread_cache_show_all(cache);
  /* RELAXED: as above. A flush that is asked for keeps the next free coming. */
  if (!lido_load_relaxed(&cache->rest->flush_wanted)) lido_store_relaxed(&cache->owner, cache->rest->owner);
}

/* Show so much that the alloc that is due comes to the slow path. */
static void plan(lido_pool_cache *cache) {
  lido_sampling *s = &cache->rest->sampling;
  s->calm_until = INT64_MIN;
  if (s->every != 0) {
    want_each_call(cache);
    return;
  }
  uint64_t allocs =
      s->left <= 0 ? 0 : ((uint64_t)s->left - 1) / cache->rest->core->geometry.stride; /* before that one */
  bool hot = lido_thread_cache_is_hot(cache);
  if (hot && allocs == 0) lido_thread_cache_cool(cache);
  allocs -= hot && allocs != 0; /* which comes first */
  if (allocs > NEAR) {
    lido_thread_cache_show_all(cache);
    s->calm_until = s->allocs + (int64_t)(allocs - NEAR);
  } else {
    lido_thread_cache_show(cache, (uint32_t)allocs);
  }
}

/* The turn has passed: each call is wanted from now on. */
static void be_late(lido_sampling *s) { s->every = 1 + lido_heap_below(LATE); }

static void be_over(lido_pool_cache *cache) {
  lido_sampling *s = &cache->rest->sampling;
  if (s->every != 0) want_no_call(cache);
  s->every = 0;
  s->left = lido_heap_gap();
}

static void leave(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  lido_sampling_end(rest);
  bool each = rest->sampling.every != 0;
  rest->sampling = (lido_sampling){.run = 0};
  if (each) want_no_call(cache);
  lido_thread_cache_show_all(cache);
}

/* Watch the cache if the profile is on, and no longer if it is off. */
static void follow(lido_pool_cache *cache) {
  uint32_t run = lido_heap_run_now();
  uint32_t before = cache->rest->sampling.run;
  if (LIDO_LIKELY(run == before)) return;
  if (before != 0) leave(cache);
  if (run != 0) begin(cache->rest, run);
}

/* Is this very alloc, the newest, the sample? */
static bool is_due(lido_sampling *s, int64_t stride) {
  if (s->every != 0) return --s->every == 0;
  if (s->left > 0) return false;
  if (s->left + stride > 0) return true;
  be_late(s);
  return --s->every == 0;
}

void lido_sampling_before_alloc(lido_pool_cache *cache) {
  follow(cache);
  lido_thread_cache_show_all(cache);
}

void lido_sampling_after_alloc(lido_pool_cache *cache, void *object, const void *caller) {
  lido_thread_cache_rest *rest = cache->rest;
  lido_pool_core *core = rest->core;
  lido_sampling *s = &rest->sampling;
  if (s->run == 0 || lido_heap_is_capturing()) return; /* what a capture allocates is counted at the next visit */
  bool each = s->every != 0;
  count_down(rest);
  if (is_due(s, (int64_t)core->geometry.stride)) {
    s->every = each ? 1 : 0; /* until it is over */
    uint64_t objects = s->unsampled;
    s->unsampled = 0;
    uint64_t others = take_over(core, s->run);
    if (!take(core, s->run, object, objects + others, caller)) s->unsampled += objects + others;
    count_down(rest); /* what the capture itself allocated */
    be_over(cache);   /* of this run or, if capture changed it, the one that is seen at the next visit */
  }
  plan(cache);
}

void lido_sampling_visit(lido_pool_cache *cache) {
  lido_thread_cache_rest *rest = cache->rest;
  if (rest->loaded == NULL || lido_heap_is_capturing()) return;
  follow(cache);
  lido_sampling *s = &rest->sampling;
  if (s->run == 0) return;
  count_down(rest);
  if (s->every == 0 && s->left <= 0) be_late(s);
  plan(cache);
}

void lido_sampling_end(lido_thread_cache_rest *rest) {
  if (rest->sampling.run != lido_heap_run_now()) return;
  count_down(rest);
  follow_in_pool(rest->core, rest->sampling.run);
  lido_add_relaxed(&rest->core->unsampled, rest->sampling.unsampled); /* RELAXED: a count of its own */
  rest->sampling.unsampled = 0;
}

/* ---- Past the caches ---- */

/* RELAXED: who passes the end is the one. */
static bool is_due_alone(lido_pool_core *core, int64_t stride) {
  int64_t before = lido_sub_relaxed(&core->sample_left, stride);
  return before > 0 && before <= stride;
}

/* Somebody must pass the end again, so it has to lie ahead. RELAXED: as above. */
static void draw_alone(lido_pool_core *core) {
  int64_t left = lido_load_relaxed(&core->sample_left);
  while (left <= 0) {
    int64_t more = lido_heap_gap() - left;
    left = lido_add_relaxed(&core->sample_left, more) + more; /* RELAXED: as above */
  }
}

void lido_sampling_alone(lido_pool_core *core, void *object, const void *caller) {
  uint32_t run = lido_heap_run_now();
  if (LIDO_CHECKS == LIDO_CHECKS_NONE || run == 0) return;
  follow_in_pool(core, run);
  lido_add_relaxed(&core->unsampled, 1); /* RELAXED: a count of its own */
  if (!is_due_alone(core, (int64_t)core->geometry.stride)) return;
  if (!lido_heap_is_capturing()) {
    uint64_t objects = take_over(core, run);
    /* RELAXED: a count of its own */
    if (!take(core, run, object, objects, caller)) lido_add_relaxed(&core->unsampled, objects);
  }
  draw_alone(core);
}

/* ---- Nudges ---- */

/* Called with the registry's lock held, which keeps what is hot mapped (P3). It may be anybody's object by now: any
 * mark is harmless (G2). */
static void mark_hot(const lido_thread_cache_rest *rest) {
  /* ACQUIRE cache.hot: the state bytes of that object's slab are seen as they were made. */
  void *hot = lido_load_acquire(&rest->cache->hot);
  uint8_t live = LIDO_STATE_LIVE;
  /* RELAXED: whoever frees it sees the mark, or takes it away. */
  if (hot != NULL) lido_cas_relaxed(lido_core_state_of(rest->core, (uintptr_t)hot), &live, LIDO_STATE_SAMPLED);
}

/* RELAXED: hints, and requests that the owner honours when it sees them. */
static bool nudge_locked(lido_thread_cache_rest *rest, bool all) {
  uint64_t frees = lido_load_relaxed(&rest->cache->frees) - lido_load_relaxed(&rest->frees_at_visit);
  if (!all && frees * rest->core->geometry.stride <= lido_heap_mean_bytes()) return false;
  lido_store_relaxed(&rest->visit_wanted, true);
  lido_store_relaxed(&rest->cache->owner, LIDO_OWNER_NEVER);
  mark_hot(rest);
  return true;
}

size_t lido_pools_nudge(bool all) {
  size_t nudged = 0;
  if (LIDO_CHECKS == LIDO_CHECKS_NONE || lido_heap_run_now() == 0) return 0;
  lido_registry_lock();
  for (lido_pool_core *core = lido_registry_first_locked(); core != NULL; core = core->next) {
    for (lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next)
      nudged += nudge_locked(rest, all);
  }
  lido_registry_unlock();
  return nudged;
}
