/* os.h: all that Lido asks of an operating system. posix/ answers it for Linux and its relatives.
 *
 * Common to all: any thread; errno is set where a function says that it fails; anything else that goes
 * wrong is a bug of Lido's. Addresses and sizes are multiples of lido_os_page_bytes() unless said.
 */
#ifndef LIDO_LIB_OS_OS_H
#define LIDO_LIB_OS_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/lock.h"

/* ---- Pages ---- */

size_t lido_os_page_bytes(void);

/* Zeroed pages at a multiple of `align` (a power of two), or NULL: ENOMEM. */
void *lido_os_pages_map(size_t bytes, size_t align);
void lido_os_pages_unmap(void *pages, size_t bytes);

/* The contents are not needed; the range stays usable. Any private anonymous memory, mapped by whomever.
 * Best effort: a system that refuses keeps the pages. */
void lido_os_pages_purge(void *pages, size_t bytes);

/* A wish for huge pages under this range; best effort. */
void lido_os_pages_want_huge(void *pages, size_t bytes);

/* ---- Time ---- */

/* Monotonic nanoseconds. */
uint64_t lido_os_now_ns(void);

/* ---- Threads ---- */

/* Call `hook(value)` when the calling thread exits. One hook in the process. 0, or ENOMEM/EAGAIN. A thread that comes
 * here only in the last round of its own exit is not called: see below. */
int lido_os_thread_exit_arm(void (*hook)(void *value), void *value);

/* A thread's sign of life, for the case that its hook was armed too late. The system itself ends it. */
typedef struct lido_os_life {
  pthread_mutex_t mutex; /* robust, held by the thread */
} lido_os_life;
/* By the thread itself. 0, or EAGAIN/ENOMEM. */
int lido_os_life_begin(lido_os_life *life);
/* By the thread itself, or by whoever saw that it is over. */
void lido_os_life_end(lido_os_life *life);
/* By others, one at a time: has the thread gone without ending it? */
bool lido_os_life_is_over(lido_os_life *life);

/* Hooks around fork, in the parent before and after, and in the child. One set in the process;
 * later calls are cheap. 0, or ENOMEM. */
int lido_os_fork_hooks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* A condition to wait for under a lido_lock. */
typedef pthread_cond_t lido_os_condition;
void lido_os_condition_init(lido_os_condition *condition);
void lido_os_condition_end(lido_os_condition *condition);
/* Wait, with `lock` held, released meanwhile and held on return; false once `deadline_ns` has passed.
 * UINT64_MAX = no deadline. May wake for no reason. */
bool lido_os_condition_wait(lido_os_condition *condition, lido_lock *lock, uint64_t deadline_ns);
void lido_os_condition_wake_all(lido_os_condition *condition);

#endif
