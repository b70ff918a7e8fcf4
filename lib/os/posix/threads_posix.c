/* threads_posix.c: exit hooks by pthread keys, threads, fork hooks by pthread_atfork, conditions.
 *
 * Why a pthread key and not C++'s or C11's exit handlers: its destructor runs after theirs, and may be armed while
 * the thread already exits.
 *
 * Why a high key: an exiting thread calls destructors in at most four rounds, each in the order of the keys. A hook
 * that is armed in the last round is called only if its turn is still to come. glibc hands out the lowest free key, so
 * one above LOW_KEYS comes after all keys of a program that has no more than so many, whenever they were made.
 */
#include "lib/os/os.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/fault.h"
#include "lib/base/tool_memory.h"

enum { LOW_KEYS = PTHREAD_KEYS_MAX / 2, TURN_KEYS = PTHREAD_KEYS_MAX / 16 };

static lido_lock key_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

/* Takes keys until one is high enough, or there are no more, and keeps the last. */
static int make_high_key(lido_os_exit_hook *hook) {
  pthread_key_t taken[PTHREAD_KEYS_MAX];
  pthread_key_t lowest = LOW_KEYS + hook->turn * TURN_KEYS;
  size_t count = 0;
  int error = 0;
  do {
    error = pthread_key_create(&taken[count], hook->call);
    count += error == 0;
  } while (error == 0 && taken[count - 1] < lowest && count < PTHREAD_KEYS_MAX);
  if (count == 0) return error;
  hook->key = taken[--count];
  while (count > 0) pthread_key_delete(taken[--count]);
  return 0;
}

static int make_key(lido_os_exit_hook *hook) {
  lido_lock_take(&key_lock);
  int error = hook->has_key ? 0 : make_high_key(hook);
  hook->has_key = error == 0;
  lido_lock_give(&key_lock);
  return error;
}

int lido_os_thread_exit_arm(lido_os_exit_hook *hook, void *value) {
  int error = make_key(hook);
  return error != 0 ? error : pthread_setspecific(hook->key, value);
}

int lido_os_thread_start(lido_os_thread *thread, void *(*body)(void *argument), void *argument) {
  sigset_t all;
  sigset_t before;
  if (lido_fault_here()) return ENOMEM;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
  int error = pthread_create(thread, NULL, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

int lido_os_cancel_off(void) {
  int state = PTHREAD_CANCEL_ENABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  return state;
}

void lido_os_cancel_restore(int state) { pthread_setcancelstate(state, &state); }

void lido_os_thread_join(lido_os_thread thread) {
  int state = lido_os_cancel_off();
  int error = pthread_join(thread, NULL);
  lido_os_cancel_restore(state);
  LIDO_ASSERT(error == 0);
  (void)error;
}

void lido_os_thread_detach(lido_os_thread thread) { pthread_detach(thread); }

bool lido_os_thread_is_this(lido_os_thread thread) { return pthread_equal(thread, pthread_self()) != 0; }

typedef struct abandonment {
  void (*abandoned)(void *argument);
  void *argument;
} abandonment;

static void abandon(void *argument) {
  const abandonment *a = argument;
  lido_tool_frames_are_gone();
  a->abandoned(a->argument);
}

void lido_os_call_to_its_end(void (*body)(void *argument), void (*abandoned)(void *argument), void *argument) {
  abandonment a = {abandoned, argument};
  pthread_cleanup_push(abandon, &a);
  body(argument);
  pthread_cleanup_pop(0);
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
  lido_lock_take_for_fork(&key_lock);
}

static void after_fork(void) {
  lido_lock_give_after_fork(&key_lock);
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
  int state = lido_os_cancel_off();
  bool in_time = wait_until(condition, lock, deadline_ns);
  lido_os_cancel_restore(state);
  return in_time;
}

void lido_os_condition_wake_all(lido_os_condition *condition) { pthread_cond_broadcast(condition); }
