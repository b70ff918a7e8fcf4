/* os.h: all that Lido asks of an operating system. posix/ answers it for Linux and its relatives.
 *
 * Common to all: any thread; errno is set where a function says that it fails; anything else that goes
 * wrong is a bug of Lido's. Addresses and sizes are multiples of lido_os_page_bytes() unless said. No function is a
 * cancellation point.
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

/* The same, when the system is short of memory; until then they may be used again at no cost. At once if the system
 * knows no such wish. */
void lido_os_pages_purge_lazily(void *pages, size_t bytes);

/* Memory behind every page of a usable range, any address and size: a first use of it meets no page fault. Contents
 * stay, also what others write meanwhile. Best effort: false if there is no memory. */
bool lido_os_pages_populate(void *range, size_t bytes);

/* Address space without memory behind it, or NULL: ENOMEM. Given back by lido_os_pages_unmap. */
void *lido_os_pages_reserve(size_t bytes);
/* How many bytes of addresses the process may have in all (ulimit -v); SIZE_MAX: no limit. Reserved ones count. */
size_t lido_os_address_limit(void);
/* Put memory behind a part of it, zeroed. 0, or ENOMEM. */
int lido_os_pages_commit(void *pages, size_t bytes);
/* Take it away again. */
void lido_os_pages_decommit(void *pages, size_t bytes);

/* A wish for huge pages under this range; best effort. */
void lido_os_pages_want_huge(void *pages, size_t bytes);

/* ---- Memory of the system ---- */

typedef struct lido_os_memory {
  bool knows_stalled;
  double stalled;      /* share of the last ten seconds in which some thread waited for memory, 0 to 1 */
  uint64_t bytes;      /* in use */
  uint64_t bytes_most; /* 0: no limit is known */
} lido_os_memory;

/* Of the process's cgroup or the one above it that is fullest, of those with a limit; else of the machine. Pages of
 * files that nobody used lately are not in use. `root` stands before every path: "", but in tests.
 * 0, or ENOTSUP. Opens files. */
int lido_os_memory_read(const char *root, lido_os_memory *out);

/* What is resident of the process; 0: the system does not say. Opens a file. */
uint64_t lido_os_resident_bytes(void);

/* ---- Descriptors ---- */

/* All of it, however little the system takes at a time. 0, or what write says; EIO if it takes nothing. Waits as write
 * does. errno stays. */
int lido_os_write_all(int descriptor, const void *bytes, size_t count);

/* ---- Time ---- */

/* Monotonic nanoseconds. */
uint64_t lido_os_now_ns(void);
/* The same as of the system's last tick, some milliseconds ago at most; a fifth of the cost. */
uint64_t lido_os_tick_ns(void);

/* Nanoseconds since 1970, for people: may jump. */
uint64_t lido_os_wall_ns(void);

/* ---- Chance ---- */

/* Bits that nobody outside the process can foretell; if the system has none to give, such as are at least not always
 * the same. */
uint64_t lido_os_random(void);

/* ---- Stacks ---- */

/* Return addresses of the calling thread, innermost first, from the caller's own function on, without the `skip`
 * innermost. -> how many; it ends where the system can't find the caller. Not in signal handlers: it may take locks of
 * the linker's. */
size_t lido_os_stack(void **frames, size_t count, size_t skip);

/* What an address of code is part of, for people: "function+0x12" or "module+0x3456", as much as there is room for. */
void lido_os_symbol(const void *address, char *text, size_t bytes);

/* ---- Threads ---- */

/* What to call when a thread exits; static, one for each room that wants it. */
typedef struct lido_os_exit_hook {
  void (*call)(void *value);
  unsigned turn; /* a hook may arm, for the first time in its thread, those of a higher turn: 0 to 2 */
  pthread_key_t key;
  bool has_key;
} lido_os_exit_hook;

/* Have `hook->call(value)` called when the calling thread exits, before its thread-locals go; also if it comes here
 * only then, in a destructor of whatever round. 0, or ENOMEM/EAGAIN. */
int lido_os_thread_exit_arm(lido_os_exit_hook *hook, void *value);

/* A thread of Lido's. It takes no signals of the program's. 0, ENOMEM or EAGAIN. */
typedef pthread_t lido_os_thread;
int lido_os_thread_start(lido_os_thread *thread, void *(*body)(void *argument), void *argument);
/* Each thread that was started is joined or detached, once. */
void lido_os_thread_join(lido_os_thread thread);
void lido_os_thread_detach(lido_os_thread thread);
bool lido_os_thread_is_this(lido_os_thread thread);

/* The system's number of the calling thread, for people. */
uint64_t lido_os_thread_number(void);

/* Let others run. */
void lido_os_yield(void);

/* Until the state that off gave is restored, nothing that the calling thread does is a cancellation point: around what
 * waits or asks the system with a lock held, a descriptor open, or something half done. Pairs may nest. */
int lido_os_cancel_off(void);
void lido_os_cancel_restore(int state);

/* Call body(argument); if the thread ends in there (pthread_exit, cancellation), call abandoned(argument) before it is
 * gone. */
void lido_os_call_to_its_end(void (*body)(void *argument), void (*abandoned)(void *argument), void *argument);

/* Can lido_os_barrier() be used? Once per process before it. */
bool lido_os_barrier_prepare(void);

/* Every other thread of the process passes a full barrier somewhere between call and return. */
void lido_os_barrier(void);

/* What a room does around fork. */
typedef struct lido_os_fork_hooks {
  void (*before)(void);   /* take the room's locks */
  void (*after)(void);    /* give them back, in parent and child */
  void (*in_child)(void); /* then, when all rooms have; or NULL */
} lido_os_fork_hooks;

/* The rooms that have something to do, outermost locks first. */
enum {
  LIDO_OS_FORK_REPORT,
  LIDO_OS_FORK_CONTROL,
  LIDO_OS_FORK_CACHES,
  LIDO_OS_FORK_ARENAS,
  LIDO_OS_FORK_POOLS,
  LIDO_OS_FORK_REFS,
  LIDO_OS_FORK_MEM,
  LIDO_OS_FORK_ROOMS
};

/* From now on call these. `hooks` is static. Later calls are cheap. 0, or ENOMEM. */
int lido_os_fork_join(unsigned room, const lido_os_fork_hooks *hooks);

/* A condition to wait for under a lido_lock. */
typedef pthread_cond_t lido_os_condition;
void lido_os_condition_init(lido_os_condition *condition);
void lido_os_condition_end(lido_os_condition *condition);
/* Wait, with `lock` held, released meanwhile and held on return; false once `deadline_ns` has passed.
 * UINT64_MAX = no deadline. May wake for no reason. */
bool lido_os_condition_wait(lido_os_condition *condition, lido_lock *lock, uint64_t deadline_ns);
void lido_os_condition_wake_all(lido_os_condition *condition);

/* ---- Events ---- */

/* A descriptor that can be polled, readable while it is raised; lowered at first. -1: errno says why. */
int lido_os_event_open(void);
void lido_os_event_close(int event);
/* Neither waits, both leave errno alone; twice is once. */
void lido_os_event_raise(int event);
void lido_os_event_lower(int event);
/* In the child of a fork, who shares its parent's: under the same number a new one, lowered. false: it could not be
 * made. */
bool lido_os_event_renew(int event);

#endif
