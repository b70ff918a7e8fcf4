/* pool_handles.c: what a pool with handles is to lib/refs, and the other way round.
 *
 * Idea: as long as nobody asked lib/refs about an object, its state byte says LIVE and the pool treats it like any
 * other: alloc and free are the same inlined code as in a pool without handles. The first question makes it HELD: no
 * free fits any more but the one here, which is a release; and when the last reference goes, lib/refs gives it back
 * here, LIVE again for the moment of its plain free. With a destructor every object's end must be heard, so there every
 * free comes by here (the cache's owner never matches), and the object is held for its last moment.
 * Invariants
 *   K1  HELD <=> the slot's word is not at rest, but for the moments of hold, dispose and retire.
 *   K2  a RETIRED object is in no cache and its bit is not set; `retired` of its slab counts it.
 * Threads: any. Failure: none but at the begin.
 */
#include <stddef.h>

#include "lib/base/atomic.h"
#include "lib/base/misuse_report.h"
#include "lib/mem/heap_samples.h"
#include "lib/refs/cleanup_queue.h"
#include "lib/refs/counts.h"
#include "lib/refs/death.h"
#include "lib/refs/grace_period.h"
#include "lib/refs/refs_fork.h"
#include "lido/weak.h"
#include "pools/slow_paths.h"
#include "pools/tool_notes.h"

static lido_pool_core *core_behind(lido_refs_owner *owner) {
  return (lido_pool_core *)(void *)((char *)owner - offsetof(lido_pool_core, refs));
}

static lido_slot *slot_of(const void *object) {
  lido_slot *slot = NULL;
  lido_slot_find((uintptr_t)object, &slot);
  return slot;
}

/* ---- What lib/refs asks for ---- */

static bool may_end(lido_refs_owner *owner, const void *object) {
  lido_pool_core *core = core_behind(owner);
  if (!lido_core_is_second_thread(core)) return true;
  lido_report_wrong_thread(core, object);
  return false;
}

static bool hold(lido_refs_owner *owner, void *object) {
  const lido_pool_core *core = core_behind(owner);
  if (LIDO_LIKELY(lido_core_hold(core, object))) return true;
  lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_DEAD_OBJECT,
                                   .pool = core->name,
                                   .address = object,
                                   .object = lido_core_find(core, object).index});
  return false;
}

static void release_alone(lido_refs_owner *owner, void *object) { lido_pool_free(&core_behind(owner)->face, object); }

/* RELAXED: a sample of this object was counted before it came here. */
static void forget_sample(const lido_pool_core *core, const void *object) {
  if (LIDO_UNLIKELY(lido_load_relaxed(&core->samples) != 0)) lido_heap_forget(object);
}

static void dispose(lido_refs_owner *owner, void *object) {
  lido_pool_core *core = core_behind(owner);
  forget_sample(core, object);
  lido_core_set_state(core, object, LIDO_STATE_LIVE);
  /* Without checks a walk made the states up when it began; it shall not visit this one. RELAXED: it is this
   * thread's. */
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) {
    lido_store_relaxed(lido_core_state_of(core, (uintptr_t)object), LIDO_STATE_FREE);
  }
  if (core->options.destroy == NULL) {
    lido_pool_free(&core->face, object);
  } else {
    lido_free_plainly(core, object);
  }
}

static void retire(lido_refs_owner *owner, void *object) {
  lido_pool_core *core = core_behind(owner);
  forget_sample(core, object);
  lido_core_set_state(core, object, LIDO_STATE_RETIRED);
  lido_tool_free(core, object);
  lido_add_relaxed(&core->direct_frees, 1); /* RELAXED: statistic */
  lido_slab_lists_lock(&core->slabs);
  lido_slab_lists_retire(&core->slabs, lido_core_slab_of(core, object));
  if (core->waiters != 0) lido_os_condition_wake_all(&core->freed); /* max_objects allows one more */
  lido_slab_lists_unlock(&core->slabs);
  lido_core_shed(core); /* the others of its slab may be free */
}

int lido_handles_begin(lido_pool_core *core) {
  if (!core->handles) return 0;
  core->refs = (lido_refs_owner){.name = core->name,
                                 .object_bytes = core->geometry.object_size,
                                 .stride = core->geometry.stride,
                                 .narrow = (core->options.flags & LIDO_POOL_HANDLES_53) == LIDO_POOL_HANDLES_53,
                                 .guarded = (core->options.flags & LIDO_POOL_GUARDED) != 0,
                                 .destroy = core->options.destroy,
                                 .context = core->options.context,
                                 .queue = core->options.cleanup_queue,
                                 .may_end = core->one_thread ? may_end : NULL,
                                 .hold = hold,
                                 .release_alone = release_alone,
                                 .dispose = dispose,
                                 .retire = retire};
  lido_cleanup_queue_hold(core->refs.queue);
  if (core->refs.guarded) lido_guard_prepare();
  return lido_refs_fork_join();
}

void lido_handles_over(lido_pool_core *core) { lido_cleanup_queue_drop(core->refs.queue); }

/* ---- What the pool asks for ---- */

bool lido_handles_collect(lido_pool_core *core) { return core->refs.guarded && lido_guard_collect() != 0; }

static bool is_held(const lido_slot *slot) {
  return !lido_word_is_at_rest(lido_load_relaxed(&slot->word)); /* RELAXED: the caller has a reference */
}

bool lido_handles_free(lido_pool_core *core, void *object) {
  if (!lido_core_is_live_object(core, object)) return false;
  lido_slot *slot = slot_of(object);
  if (slot == NULL) return false;
  if (is_held(slot)) {
    lido_release(object);
    return true;
  }
  if (core->options.destroy == NULL) return false;
  if (lido_count_begin(slot, LIDO_WORD_COUNTED, 1)) lido_death(slot);
  return true;
}

/* ---- The end of the pool ---- */

typedef struct ending {
  lido_pool_core *core;
  size_t ended;
} ending;

/* Nobody kept a count of it, but its destructor must hear. */
static bool begin_end(const lido_pool_core *core, lido_slot *slot) {
  if (core->options.destroy == NULL) return false;
  /* A thread that was lost in a fork may have been about to hand it out, to hold it or to give it back. */
  lido_tool_open((uintptr_t)slot->object, core->geometry.object_size);
  lido_core_set_state(core, slot->object, LIDO_STATE_LIVE);
  return lido_count_begin(slot, LIDO_WORD_COUNTED, 1);
}

static bool end_one(void *object, void *arg) {
  ending *e = arg;
  lido_slot *slot = slot_of(object);
  if (lido_slot_is_in(slot, LIDO_WORD_DYING)) return true;
  if (!is_held(slot) && !begin_end(e->core, slot)) return true;
  lido_death_by_force(slot);
  e->ended++;
  return true;
}

/* Deaths of threads that were lost in a fork: whatever is dying before anything was ended here. */
static bool abandon_one(void *object, void *arg) {
  (void)arg;
  lido_slot *slot = slot_of(object);
  if (lido_slot_is_in(slot, LIDO_WORD_DYING)) lido_death_abandoned(slot);
  return true;
}

size_t lido_handles_end(lido_pool_core *core) {
  ending e = {.core = core};
  if (lido_deaths_are_of(&core->refs)) {
    lido_misuse_report((lido_misuse){
        .kind = LIDO_MISUSE_REENTRY, .pool = core->name, .address = &core->face, .object = LIDO_NO_OBJECT});
    return SIZE_MAX;
  }
  lido_deaths_finish_of(&core->refs);
  if (core->refs.guarded) lido_guard_finish_owner(&core->refs);
  core->refs.ending = true;
  size_t live = lido_core_walk(core, abandon_one, NULL);
  size_t before = 0;
  do { /* what the last turn's cleanups made dies in the next */
    before = e.ended;
    lido_core_walk(core, end_one, &e);
  } while (e.ended != before);
  lido_deaths_give_back(&core->refs);
  return live;
}
