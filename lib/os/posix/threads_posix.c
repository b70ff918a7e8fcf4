/* threads_posix.c: exit hooks by pthread keys, fork hooks by pthread_atfork, conditions.
 *
 * Why a pthread key and not C++'s or C11's exit handlers: its destructor runs after theirs, and may be armed while
 * the thread already exits, but for the last of the system's rounds. A robust mutex tells of those.
 */
#include "lib/os/os.h"

#include <errno.h>
#include <time.h>

#include "lib/base/atomic.h"

static lido_lock key_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

static int make_key(lido_os_exit_hook *hook) {
  lido_lock_take(&key_lock);
  int error = hook->has_key ? 0 : pthread_key_create(&hook->key, hook->call);
  hook->has_key = error == 0;
  lido_lock_give(&key_lock);
  return error;
}

int lido_os_thread_exit_arm(lido_os_exit_hook *hook, void *value) {
  int error = make_key(hook);
  return error != 0 ? error : pthread_setspecific(hook->key, value);
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
static const lido_os_fork_hooks *fork_rooms[LIDO_OS_FORK_ROOMS];

/* Held around a fork. A room may join meanwhile; what was locked is what is unlocked. */
static lido_lock fork_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);
static const lido_os_fork_hooks *forking[LIDO_OS_FORK_ROOMS];

static void before_fork(void) {
  lido_lock_take_for_fork(&fork_lock);
  for (unsigned room = 0; room < LIDO_OS_FORK_ROOMS; room++) {
    /* ACQUIRE fork.room: the room's locks are there when its hooks are. */
    forking[room] = lido_load_acquire(&fork_rooms[room]);
    if (forking[room] != NULL) forking[room]->before();
  }
}

static void after_fork(void) {
  for (unsigned room = LIDO_OS_FORK_ROOMS; room-- > 0;) {
    if (forking[room] != NULL) forking[room]->after();
  }
  lido_lock_give_after_fork(&fork_lock);
}

static void in_child(void) {
  after_fork();
  for (unsigned room = 0; room < LIDO_OS_FORK_ROOMS; room++) {
    if (forking[room] != NULL && forking[room]->in_child != NULL) forking[room]->in_child();
  }
}

static void install_fork_hooks(void) { fork_error = pthread_atfork(before_fork, after_fork, in_child); }

int lido_os_fork_join(unsigned room, const lido_os_fork_hooks *hooks) {
  /* RELEASE fork.room: see above. */
  lido_store_release(&fork_rooms[room], hooks);
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

static bool wait_until(lido_os_condition *condition, lido_lock *lock, uint64_t deadline_ns) {
  if (deadline_ns == UINT64_MAX) return pthread_cond_wait(condition, &lock->mutex) == 0;
  struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                              .tv_nsec = (long)(deadline_ns % 1000000000u)};
  return pthread_cond_timedwait(condition, &lock->mutex, &deadline) != ETIMEDOUT;
}

bool lido_os_condition_wait(lido_os_condition *condition, lido_lock *lock, uint64_t deadline_ns) {
  int state = PTHREAD_CANCEL_ENABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  bool in_time = wait_until(condition, lock, deadline_ns);
  pthread_setcancelstate(state, NULL);
  return in_time;
}

void lido_os_condition_wake_all(lido_os_condition *condition) { pthread_cond_broadcast(condition); }
