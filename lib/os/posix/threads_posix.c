/* threads_posix.c: exit hooks by a pthread key, fork hooks by pthread_atfork, conditions.
 *
 * Why a pthread key and not C++'s or C11's exit handlers: its destructor runs after theirs, and may be armed while
 * the thread already exits, but for the last of the system's rounds. A robust mutex tells of those.
 */
#include "lib/os/os.h"

#include <errno.h>
#include <time.h>

#include "lib/base/atomic.h"

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;
static void (*exit_hook)(void *value);

static void make_key(void) { key_error = pthread_key_create(&key, exit_hook); }

int lido_os_thread_exit_arm(void (*hook)(void *value), void *value) {
  /* RELAXED: one hook in the process, so a second writer writes what is there. */
  lido_store_relaxed(&exit_hook, hook);
  pthread_once(&key_once, make_key);
  return key_error != 0 ? key_error : pthread_setspecific(key, value);
}

int lido_os_life_begin(lido_os_life *life) {
  pthread_mutexattr_t attributes;
  int error = pthread_mutexattr_init(&attributes);
  if (error != 0) return error;
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  error = pthread_mutex_init(&life->mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  /* Try: it is free, and who only tries can't be part of a deadlock. */
  return error != 0 ? error : pthread_mutex_trylock(&life->mutex);
}

void lido_os_life_end(lido_os_life *life) {
  pthread_mutex_unlock(&life->mutex);
  pthread_mutex_destroy(&life->mutex);
}

bool lido_os_life_is_over(lido_os_life *life) {
  int state = pthread_mutex_trylock(&life->mutex);
  if (state != EOWNERDEAD) return false; /* EBUSY: it lives */
  pthread_mutex_consistent(&life->mutex);
  return true;
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_error;
static struct {
  void (*before)(void);
  void (*in_parent)(void);
  void (*in_child)(void);
} fork_hooks;

static void install_fork_hooks(void) {
  fork_error = pthread_atfork(fork_hooks.before, fork_hooks.in_parent, fork_hooks.in_child);
}

int lido_os_fork_hooks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
  /* RELAXED: one set of hooks in the process, so a second writer writes what is there. */
  lido_store_relaxed(&fork_hooks.before, before);
  lido_store_relaxed(&fork_hooks.in_parent, in_parent);
  lido_store_relaxed(&fork_hooks.in_child, in_child);
  pthread_once(&fork_once, install_fork_hooks);
  return fork_error;
}

void lido_os_condition_init(lido_os_condition *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

void lido_os_condition_end(lido_os_condition *condition) { pthread_cond_destroy(condition); }

bool lido_os_condition_wait(lido_os_condition *condition, lido_lock *lock, uint64_t deadline_ns) {
  if (deadline_ns == UINT64_MAX) return pthread_cond_wait(condition, &lock->mutex) == 0;
  struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                              .tv_nsec = (long)(deadline_ns % 1000000000u)};
  return pthread_cond_timedwait(condition, &lock->mutex, &deadline) != ETIMEDOUT;
}

void lido_os_condition_wake_all(lido_os_condition *condition) { pthread_cond_broadcast(condition); }
