/* direct.c: alloc and free without a cache, one object at a time under the slabs' lock.
 *
 * For pools that keep nothing in caches (pool_core.h), for threads past their exit, and for those
 * whose cache could not be had. Waiting happens only here: all free objects are in slabs then, so
 * that none hides from a waiter.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/mem/heap_samples.h"
#include "lido/guard.h"
#include "pools/registry.h"
#include "pools/slow_paths.h"
#include "pools/tool_notes.h"

/* A thread without a cache may find all that is left in the depot. */
static bool take_from_depot(lido_pool_core *core) {
  if (lido_depot_objects(&core->depot) == 0) return false;
  lido_core_drain_depot(core);
  return true;
}

static uint64_t deadline_after(uint64_t wait_ns) {
  uint64_t now = lido_os_now_ns();
  return wait_ns > UINT64_MAX - now ? UINT64_MAX : now + wait_ns;
}

static void change_waiters(lido_pool_core *core, int by) {
  lido_slab_lists_lock(&core->slabs);
  core->waiters += (unsigned)by;
  core->waits += by > 0;
  core->exhausted += by > 0;
  lido_slab_lists_unlock(&core->slabs);
}

/* Sleep until max_objects allows another, or the time is over. -> whether it was not. */
static bool sleep_until_allowed(lido_pool_core *core, uint64_t deadline) {
  bool in_time = true;
  lido_slab_lists_lock(&core->slabs);
  while (in_time && lido_slab_lists_taken(&core->slabs) >= core->options.max_objects) {
    in_time = lido_os_condition_wait(&core->freed, &core->slabs.lock, deadline);
  }
  lido_slab_lists_unlock(&core->slabs);
  return in_time;
}

enum { READERS_LEAVE_NS = 1000000 }; /* how long to wait for readers before the next look at them */

/* Dead objects may wait for readers, who wake nobody. -> false: the time is over. */
static bool wait_a_while(lido_pool_core *core, uint64_t deadline) {
  if (!core->refs.guarded) return sleep_until_allowed(core, deadline);
  lido_guard_collect();
  uint64_t next_look = lido_os_now_ns() + READERS_LEAVE_NS;
  return sleep_until_allowed(core, next_look < deadline ? next_look : deadline) || next_look < deadline;
}

void *lido_take_one(lido_pool_core *core, bool beyond_limit, bool *limited) {
  void *object = NULL;
  lido_take how = {.limited = false};
  while (lido_core_take(core, 0, &object, 1, beyond_limit, &how) != 0) {
    if (lido_hand_out(core, object)) break;
    object = NULL;
  }
  *limited = how.limited;
  return object;
}

/* What was freed may be another's by now, or its slab may have gone back: so this may have to wait again, or grow. */
static void *wait_for_object(lido_pool_core *core) {
  uint64_t deadline = deadline_after(core->options.wait_ns);
  void *object = NULL;
  bool limited = true;
  bool in_time = true;
  change_waiters(core, 1);
  while (object == NULL && limited && in_time) {
    in_time = wait_a_while(core, deadline);
    object = lido_take_one(core, false, &limited);
  }
  change_waiters(core, -1);
  return object;
}

static bool may_wait(const lido_pool_core *core) {
  return core->options.on_exhausted == LIDO_EXHAUSTED_WAIT && core->slabs.locks;
}

bool lido_core_is_second_thread(lido_pool_core *core) {
  const lido_thread_record *thread = lido_this_thread.record;
  /* RELAXED: only this thread's own pointer makes a difference to it. */
  if (LIDO_LIKELY(thread != NULL && lido_load_relaxed(&core->only_thread) == thread)) return false;
  lido_registry_lock();
  bool second = lido_thread_is_second_locked(core, lido_thread_record_get_locked());
  lido_registry_unlock();
  return second;
}

/* A fork takes and gives what locks there are, and holds the registry's meanwhile. */
void lido_core_use_locks(lido_pool_core *core) {
  if (!core->one_thread) return;
  lido_registry_lock();
  core->depot.locks = core->slabs.locks = true;
  lido_registry_unlock();
}

bool lido_core_is_only_thread(const lido_pool_core *core) {
  const lido_thread_record *thread = lido_this_thread.record;
  /* RELAXED: only this thread's own pointer makes a difference to it. */
  return thread != NULL && lido_load_relaxed(&core->only_thread) == thread;
}

/* Where there are caches, attaching a second one is what shows it (thread_cache.c). */
static bool is_wrong_thread(lido_pool_core *core) {
  if (LIDO_LIKELY(!core->one_thread) || !core->direct || core->passthrough) return false;
  return lido_core_is_second_thread(core);
}

static void *alloc(lido_pool_core *core) {
  if (core->passthrough) return lido_passthrough_alloc(core);
  if (is_wrong_thread(core)) {
    lido_report_wrong_thread(core, NULL);
    errno = EPERM;
    return NULL;
  }
  void *object = NULL;
  bool limited = false;
  do {
    object = lido_take_one(core, false, &limited);
  } while (object == NULL && (take_from_depot(core) || (limited && lido_handles_collect(core))));
  if (object != NULL || !limited) return object;
  return may_wait(core) ? wait_for_object(core) : lido_alloc_exhausted(core);
}

void *lido_direct_alloc(lido_pool_core *core) {
  void *object = alloc(core);
  if (object != NULL) lido_add_relaxed(&core->direct_allocs, 1); /* RELAXED: statistic */
  return object;
}

void lido_direct_free(lido_pool_core *core, void *object) {
  if (core->passthrough) {
    /* RELAXED: a sample of this object was counted before it came here. */
    if (LIDO_UNLIKELY(lido_load_relaxed(&core->samples) != 0)) lido_heap_forget(object);
    lido_passthrough_free(core, object);
    lido_add_relaxed(&core->direct_frees, 1); /* RELAXED: statistic */
    return;
  }
  if (is_wrong_thread(core)) {
    lido_report_wrong_thread(core, object);
    return;
  }
  if (!lido_core_accept(core, object)) return;
  lido_tool_free(core, object);
  lido_add_relaxed(&core->direct_frees, 1); /* RELAXED: statistic */
  lido_core_put(core, &object, 1);
  if (core->direct) lido_core_shed(core);
}
