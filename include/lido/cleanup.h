/* lido/cleanup.h: functions to call when an object of a pool with handles has died.
 *
 *     struct file *file = lido_pool_alloc(files);
 *     lido_cleanup_add_copy(file, close_descriptor, &descriptor, sizeof descriptor);
 *     lido_release(file);   // close_descriptor has run when this returns
 *
 * A cleanup runs exactly once, or is stopped, or is handed back with its queue; never both, never twice. Order of a
 * death: handles fail; the list of cleanups is closed; the pool's destroy(object); the cleanups, newest first, on the
 * thread that released last, or on their queues; then the memory is free. The object is not given to cleanups: what
 * they need they are given when they are added. A cleanup may do anything: allocate, release, add cleanups to others,
 * kill others, in the same pool too. Deaths that it causes happen after it has returned, so chains of any length use no
 * stack. It must return (no longjmp, no exception).
 *
 * Threads: any. Errors: handles are {0} and errno is set; lack of memory is possible only when a cleanup is added.
 * Signals: nothing here may be called in handlers. Fork: the child has all cleanups and queues, without workers.
 * Arenas have the same for a reset (lido_arena_cleanup_add in lido/arena.h), in the same words: the same kind of
 * function, and the same answers to a stop.
 */
#ifndef LIDO_CLEANUP_H
#define LIDO_CLEANUP_H

#include "lido/base.h"

LIDO_BEGIN

typedef void (*lido_cleanup_function)(void *arg);

/* A value that names one registration, for ever; {0} is null. */
typedef struct lido_cleanup {
  uint64_t bits;
} lido_cleanup;

typedef enum lido_cleanup_outcome {
  LIDO_CLEANUP_NOT_FOUND, /* {0}, never given out, stopped before, handed back, or over for so long that it is not known
                             any more: others have been added and have ended since */
  LIDO_CLEANUP_STOPPED,   /* it will not run; whatever arg owns is the caller's again */
  LIDO_CLEANUP_RUNNING,   /* it is being run; also inside itself */
  LIDO_CLEANUP_RAN,       /* it has run, and the caller sees what it did */
} lido_cleanup_outcome;

/* ---- Adding and stopping ------------------------------------------------------------------- */

enum { LIDO_CLEANUP_COPY_MAX = 24 }; /* bytes */

/* Call fn(arg) when the object dies. Many per object. The caller holds a reference to it. {0}: EINVAL (object or fn
 * NULL; arg points into the object, which will be gone; or a misuse, which was reported), ESTALE (the object is dying),
 * ENOMEM. O(1). */
LIDO_API lido_cleanup lido_cleanup_add(void *object, lido_cleanup_function fn, void *arg);

/* The same with a copy of `bytes` bytes, at most LIDO_CLEANUP_COPY_MAX, made now; fn gets a pointer to the copy,
 * aligned to 8, good while it runs. {0}, EINVAL: too many bytes. */
LIDO_API lido_cleanup lido_cleanup_add_copy(void *object, lido_cleanup_function fn, const void *data, size_t bytes);

/* Exactly one of stop and run wins. From any thread, any value, also from inside cleanups. O(1). Does not wait for one
 * that is running. */
LIDO_API lido_cleanup_outcome lido_cleanup_stop(lido_cleanup cleanup);

/* ---- Queues -------------------------------------------------------------------------------- */

/* A queue takes cleanups whose time has come, for somebody else to run: an event loop, an idle moment, a worker thread.
 * It can't overflow and putting something on it can't fail, because each node exists since its cleanup was added. First
 * in, first out. */
typedef struct lido_cleanup_queue lido_cleanup_queue;

typedef struct lido_cleanup_queue_options {
  const char *name; /* copied; NULL = "cleanups" */
  /* Called when a cleanup comes, and none has come since a drain last looked for more: so who drains all whenever this
   * is called misses none. On the releasing thread, with no lock held; it may drain. NULL: none. */
  void (*notify)(void *context);
  /* Called when `high_water` cleanups wait; again when that happens after there were fewer than half. As notify. */
  void (*on_high_water)(size_t pending, void *context);
  void *context;
  size_t high_water; /* 0 = never */
  size_t
      assist_beyond;  /* cleanups pending beyond which a thread whose release queued one runs some itself; 0 = never */
  bool wants_eventfd; /* make a descriptor that is readable while something is pending */
} lido_cleanup_queue_options;

/* NULL options: the defaults. NULL: ENOMEM, or what eventfd said. */
LIDO_API lido_cleanup_queue *lido_cleanup_queue_create(const lido_cleanup_queue_options *options);

/* Ends the queue, and runs what is pending, on this thread; NULL is ignored. Cleanups that were added for this queue
 * and whose objects still live run on the releasing thread from now on. Waits until no other thread is in a cleanup or
 * callback of this queue; its worker is stopped. May be called from its own cleanups and callbacks; two cleanups that
 * end each other's queues at once wait for ever. -> how many ran. */
LIDO_API size_t lido_cleanup_queue_destroy(lido_cleanup_queue *queue);

/* The same, but what is pending is handed back instead: `take` is called for each, oldest first, with what fn would
 * have been given, and decides. -> how many. */
LIDO_API size_t lido_cleanup_queue_destroy_with(lido_cleanup_queue *queue,
                                                void (*take)(lido_cleanup_function fn, void *arg, void *context),
                                                void *context);

/* As lido_cleanup_add and _add_copy, for this queue; NULL: none, run on the releasing thread even if the pool has a
 * queue. */
LIDO_API lido_cleanup lido_cleanup_add_to(lido_cleanup_queue *queue, void *object, lido_cleanup_function fn, void *arg);
LIDO_API lido_cleanup lido_cleanup_add_copy_to(lido_cleanup_queue *queue, void *object, lido_cleanup_function fn,
                                               const void *data, size_t bytes);

/* Run up to `max` pending cleanups (0 = all that are there now, and not what they bring), and begin none after
 * budget_ns nanoseconds (0 = no limit).
 * -> how many ran. Any thread, several at once: then each runs others' too. */
LIDO_API size_t lido_cleanup_queue_drain(lido_cleanup_queue *queue, size_t max, uint64_t budget_ns);

/* How many wait, stopped ones too until a drain comes to them. May have changed when it is returned. */
LIDO_API size_t lido_cleanup_queue_pending(const lido_cleanup_queue *queue);
LIDO_API const char *lido_cleanup_queue_name(const lido_cleanup_queue *queue);

/* Readable while something is pending; -1 if the options did not ask for one. The caller only polls it. The child of a
 * fork has one of its own under this number, or -1 if it could not be made; an epoll instance that was inherited still
 * watches the parent's. */
LIDO_API int lido_cleanup_queue_eventfd(const lido_cleanup_queue *queue);

/* A thread of Lido's that drains the queue until it is stopped. start: 0, EALREADY, ENOMEM, EAGAIN, or ESTALE: the
 * queue is being ended, which its cleanups may live to see. stop: waits for the cleanup it
 * is in, and leaves what is pending on the queue; 0, ESRCH (no worker, or somebody stops it just now), EDEADLK (called
 * by the worker itself). After a fork the child has no worker. */
LIDO_API int lido_cleanup_worker_start(lido_cleanup_queue *queue);
LIDO_API int lido_cleanup_worker_stop(lido_cleanup_queue *queue);

LIDO_END

#endif
