/* fork.c: a child that is whole.
 *
 * Before fork every lock of Lido is taken, room by room in the order of ranks, so that the child's copy of each
 * structure is consistent. What other threads held in their caches is not: they may have been in
 * the middle of an alloc. So the child forgets those caches and each pool later finds their objects
 * by their state (core_slabs.c, sweep): whatever is free and in no slab was theirs. Nothing is
 * swept for a child that only calls exec. A thread caught between marking an object live and
 * returning it loses that one object to the child. With LIDO_CHECKS=none there are no states; what
 * those caches held then counts as live in the child.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/mem/mem_fork.h"
#include "lib/refs/grace_period.h"
#include "pools/object_threads.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

static void each_pool_locked(void (*act)(lido_pool_core *core)) {
  for (lido_pool_core *core = lido_registry_first_locked(); core != NULL; core = core->next) act(core);
}

static void lock_depot(lido_pool_core *core) {
  if (core->depot.locks) lido_lock_take_for_fork(&core->depot.lock);
}

static void lock_slabs(lido_pool_core *core) {
  if (core->slabs.locks) lido_lock_take_for_fork(&core->slabs.lock);
}

static void unlock_pool(lido_pool_core *core) {
  if (core->slabs.locks) lido_lock_give_after_fork(&core->slabs.lock);
  if (core->depot.locks) lido_lock_give_after_fork(&core->depot.lock);
}

/* The child can't read other threads' thread-locals, so what it needs of them is noted now. */
static void note_frees(lido_pool_core *core) {
  for (lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    rest->frees_noted = lido_load_relaxed(&rest->cache->frees); /* RELAXED: statistic */
  }
}

static void before_fork(void) {
  lido_object_pools_lock_for_fork();
  lido_registry_lock_for_fork();
  each_pool_locked(lock_depot);
  each_pool_locked(lock_slabs);
  each_pool_locked(note_frees);
}

static void unlock_all(void) {
  each_pool_locked(unlock_pool);
  lido_registry_unlock_after_fork();
  lido_object_pools_unlock_after_fork();
}

/* Threads that are gone may have been waiting, walking, or between a direct pool's slabs and an object's state. */
static void forget_visitors(lido_pool_core *core) {
  core->waiters = 0;
  if (core->handles) lido_guard_owner_in_child(&core->refs);
  core->slabs.walkers = lido_walks_of_thread(core);
  lido_os_condition_init(&core->freed);
  if (core->direct) lido_store_relaxed(&core->needs_sweep, true); /* RELAXED: the child has one thread */
}

/* Whoever used them may be gone, and may have been in the middle of it. */
static void forget_explicit_caches(lido_pool_core *core) {
  for (lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    if (rest->thread == NULL) lido_thread_cache_forget_objects_locked(rest);
  }
}

/* Until the sweep, nothing may be in a cache: this thread's are emptied, and closed so that its next call comes by
 * there. */
static void close_own_caches(lido_pool_core *core) {
  for (lido_thread_cache_rest *rest = core->caches; rest != NULL && core->needs_sweep; rest = rest->pool_next) {
    lido_thread_cache_close(rest);
  }
}

static void in_child(void) {
  lido_registry_lock();
  each_pool_locked(forget_visitors);
  lido_threads_forget_others_locked();
  each_pool_locked(forget_explicit_caches);
  each_pool_locked(close_own_caches);
  lido_registry_unlock();
  lido_object_pools_in_child();
}

int lido_fork_hooks_install(void) {
  static const lido_os_fork_hooks hooks = {.before = before_fork, .after = unlock_all, .in_child = in_child};
  int error = lido_mem_fork_join();
  if (error == 0) error = lido_os_fork_join(LIDO_OS_FORK_POOLS, &hooks);
  if (error != 0) errno = error;
  return error;
}
