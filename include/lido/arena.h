/* lido/arena.h: memory for many small things that go together.
 *
 *     lido_arena *arena = lido_arena_create(&(lido_arena_options){ .name = "request" });
 *     struct query *query = LIDO_ARENA_NEW(arena, struct query);
 *     char *text = lido_arena_printf(arena, "SELECT %d", n);
 *     lido_arena_reset(arena);      // all of it is gone, the memory stays warm
 *     lido_arena_destroy(arena);
 *
 * or, for each request of a server, one from a class, which learns what its arenas need:
 *
 *     lido_arena *arena = lido_arena_acquire(requests);
 *     lido_arena_release(arena);
 *
 * Memory is taken from the front of a block by moving a pointer. Blocks double in size up to a bound; what would
 * waste too much of a block gets one of its own. Nothing is freed piece by piece unless asked for.
 *
 * Method: regions after Hanson ("Fast allocation and deallocation of memory based on object lifetimes", 1990), with
 * marks, clean-ups and recycled blocks.
 *
 * Threads: an arena is used by one thread at a time; LIDO_CHECKS=full finds the second (lido_arena_hand_over says that
 * another one is meant). Classes may be used by any thread at any time.
 * Errors: a function that returns a pointer gives NULL and sets errno; one that returns int gives 0 or an errno value.
 * errno is unchanged by success. Lack of memory is an error, never an abort, and remembered: lido_arena_failed().
 * Misuse goes to the handler of lido/misuse.h.
 * Fork: the child may use every arena of the thread that forked.
 */
#ifndef LIDO_ARENA_H
#define LIDO_ARENA_H

#include <stdarg.h>

#include "lido/backing.h"
#include "lido/base.h"
#include "lido/budget.h"
#include "lido/cleanup.h"

LIDO_BEGIN

typedef struct lido_arena lido_arena;

/* What every piece is aligned to, and what its size is rounded up to. */
#define LIDO_ARENA_ALIGN 16

/* ---- Options ------------------------------------------------------------------------------- */

enum {
  LIDO_ARENA_FIXED = 1,       /* never more than the caller's buffer */
  LIDO_ARENA_REUSE = 2,       /* pieces given to lido_arena_free are handed out again: for long connections */
  LIDO_ARENA_PASSTHROUGH = 4, /* every piece is one of malloc: for debugging with its tools */
};

/* What a reset keeps for the next use. Any other value: at most so many bytes. */
#define LIDO_ARENA_RETAIN_AUTO 0              /* what all but one in twenty of the recent uses needed */
#define LIDO_ARENA_RETAIN_ALL SIZE_MAX        /* all blocks; large ones go all the same */
#define LIDO_ARENA_RETAIN_NONE (SIZE_MAX - 1) /* nothing */

/* Zero means default everywhere, so NULL and &(lido_arena_options){0} are complete. */
typedef struct lido_arena_options {
  const char *name;       /* copied; NULL = "arena" */
  size_t chunk_bytes;     /* the first block: 0 = 4 KiB, or what the class has learnt; 256 bytes to 1 GiB */
  size_t chunk_bytes_max; /* blocks double up to this: 0 = 64 KiB (or chunk_bytes, if that is more) */
  size_t max_bytes;       /* most that the arena's blocks may be together: 0 = no limit */
  size_t retain;          /* LIDO_ARENA_RETAIN_..., or bytes */
  void *buffer;           /* the first block is the caller's, who keeps it as long as the arena lives */
  size_t buffer_bytes;    /* at least LIDO_ARENA_BUFFER_MIN */
  size_t
      reserve_bytes; /* contiguous: so much address space is reserved at once, and committed as the arena grows in it;
                             nothing ever moves. Not with a buffer */
  lido_backing *backing; /* NULL = lido_backing_default() */
  lido_budget *budget;   /* a limit over many (lido/budget.h), charged for every block: NULL = none */
  lido_arena *parent;    /* is destroyed with it, and at the parent's next reset: NULL = none */
  unsigned flags;        /* LIDO_ARENA_... */
} lido_arena_options;

/* The arena itself lies in the buffer, so that it needs no other memory. */
#define LIDO_ARENA_BUFFER_MIN 1024

/* ---- Life of an arena ---------------------------------------------------------------------- */

/* A new arena. NULL: EINVAL (options out of the ranges above), ENOMEM. Takes its first block when it is first used. */
LIDO_API lido_arena *lido_arena_create(const lido_arena_options *options);

/* Clean-ups run, newest first, then all memory goes back. NULL is ignored. */
LIDO_API void lido_arena_destroy(lido_arena *arena);

LIDO_API const char *lido_arena_name(const lido_arena *arena);

/* Clean-ups run, newest first; every piece and mark is gone; memory stays by the rule of `retain`. O(1) for an arena of
 * one block, else O(blocks). */
LIDO_FAST void lido_arena_reset(lido_arena *arena);

/* Reset, but `bytes` from `data`, which lie in the arena, are carried over: they are the first piece of the new use. ->
 * where they are now, or NULL: ENOMEM, and nothing was reset. For pipelined input. */
LIDO_API void *lido_arena_reset_keep(lido_arena *arena, const void *data, size_t bytes);

/* ---- Alloc --------------------------------------------------------------------------------- */

/* `bytes` bytes, aligned to 16, contents any, or NULL (ENOMEM: no memory, max_bytes, the budget, a full buffer). 0
 * bytes: a pointer that may equal others. O(1). */
LIDO_FAST void *lido_arena_alloc(lido_arena *arena, size_t bytes);

/* The same at a multiple of `align`, a power of two (NULL: EINVAL) up to 1 MiB. */
LIDO_FAST void *lido_arena_alloc_aligned(lido_arena *arena, size_t bytes, size_t align);

/* `count` times `bytes`, zeroed; NULL (ENOMEM) also if that is more than a size_t can say. */
LIDO_API void *lido_arena_calloc(lido_arena *arena, size_t count, size_t bytes);

/* `count` times `bytes`, contents any. */
LIDO_API void *lido_arena_alloc_array(lido_arena *arena, size_t count, size_t bytes);

/* A zeroed object of `type`, and a zeroed array of them, as pointers of that type. */
#define LIDO_ARENA_NEW(arena, type) ((type *)lido_arena_zeroed(arena, 1, sizeof(type), LIDO_ALIGNOF(type)))
#define LIDO_ARENA_ARRAY(arena, type, count) ((type *)lido_arena_zeroed(arena, count, sizeof(type), LIDO_ALIGNOF(type)))
LIDO_API void *lido_arena_zeroed(lido_arena *arena, size_t count, size_t bytes, size_t align);

/* A piece with a block of its own, whatever its size: to be given back early, or detached. NULL: ENOMEM, or EINVAL if
 * the arena is fixed or contiguous. */
LIDO_API void *lido_arena_alloc_large(lido_arena *arena, size_t bytes);

/* The first function again as a plain exported one, for function pointers and other languages. */
LIDO_API void *lido_arena_alloc_call(lido_arena *arena, size_t bytes);

/* ---- Resizing and giving back -------------------------------------------------------------- */

/* A piece of old_bytes becomes one of new_bytes: in place if it is the newest of its block or shrinks, else copied to a
 * new piece. `block` NULL: alloc. NULL (ENOMEM): the old piece is as it was. The size must be the one asked for. */
LIDO_API void *lido_arena_realloc(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes);

/* Grow in place or not at all. */
LIDO_API bool lido_arena_try_extend(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes);

/* Make a piece smaller, where it is; its end is free again if it is the newest. */
LIDO_API void lido_arena_shrink(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes);

/* Give a piece back before its time. Its memory is free again if it is the newest, if it has a block of its own (that
 * goes back at once), or with LIDO_ARENA_REUSE; else nothing happens. NULL is ignored. O(1). */
LIDO_API void lido_arena_free(lido_arena *arena, void *block, size_t bytes);

/* A piece that has a block of its own leaves the arena: it is the caller's, and lido_arena_detached_free ends it, from
 * any thread. NULL (EINVAL) for pieces without one: ask for it by lido_arena_alloc_large. */
LIDO_API void *lido_arena_detach(lido_arena *arena, void *block);
LIDO_API void lido_arena_detached_free(void *block);

/* A piece of more than so many bytes for which the current block has no room gets a block of its own, unless the arena
 * is fixed or contiguous. */
LIDO_API size_t lido_arena_large_bytes(const lido_arena *arena);

/* ---- Strings ------------------------------------------------------------------------------- */

/* Copies, with a zero at the end. NULL: ENOMEM; also if `text` is NULL, but then without an error. */
LIDO_API char *lido_arena_strdup(lido_arena *arena, const char *text);
LIDO_API char *lido_arena_strndup(lido_arena *arena, const char *text, size_t most);
LIDO_API void *lido_arena_memdup(lido_arena *arena, const void *data, size_t bytes);

/* Formatted straight into the free end of the block: one pass if it fits. NULL: ENOMEM, or what vsnprintf says (EILSEQ,
 * EOVERFLOW), which lido_arena_failed does not remember. */
LIDO_API char *lido_arena_printf(lido_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
LIDO_API char *lido_arena_vprintf(lido_arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* ---- Bytes that grow ----------------------------------------------------------------------- */

/* A row of bytes that grows at the end of the arena, in place as long as nothing else is taken meanwhile.
 *
 *     lido_bytes line = lido_bytes_begin(arena, 0);
 *     lido_bytes_add(&line, "GET ", 4);
 *     lido_bytes_printf(&line, "/%d", id);
 *     char *text = lido_bytes_end(&line);        // NULL if anything failed
 */
typedef struct lido_bytes {
  lido_arena *arena;
  char *data; /* always followed by a zero; NULL before the first byte */
  size_t count;
  size_t room;
  bool failed; /* some add failed: count and data stay as they were, and further adds do nothing */
  int error;   /* its errno, which further calls set again */
} lido_bytes;

LIDO_API lido_bytes lido_bytes_begin(lido_arena *arena, size_t expected);         /* room for so many at once */
LIDO_FAST bool lido_bytes_add(lido_bytes *bytes, const void *data, size_t count); /* data: not NULL. false: ENOMEM */
LIDO_FAST bool lido_bytes_add_byte(lido_bytes *bytes, char byte);
/* false: ENOMEM, or what vsnprintf says, which lido_arena_failed does not remember. */
LIDO_API bool lido_bytes_vprintf(lido_bytes *bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
LIDO_API bool lido_bytes_printf(lido_bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
LIDO_API char *lido_bytes_room(lido_bytes *bytes, size_t count); /* write there, then add to `count`; NULL: ENOMEM */
LIDO_API char *lido_bytes_end(lido_bytes *bytes); /* what is too much goes back; NULL if something failed */

/* ---- Marks --------------------------------------------------------------------------------- */

typedef struct lido_arena_mark {
  lido_arena *arena;
  void *block;
  char *at;
  uint64_t serial;
  uint32_t depth;
  uint32_t id;
} lido_arena_mark;

/* A place to come back to. Costs nothing and needs no end. */
LIDO_API lido_arena_mark lido_arena_mark_get(lido_arena *arena);

/* Everything since the mark goes: clean-ups registered since run, newest first, and memory taken since is free; blocks
 * are kept. The mark may be used again; marks taken after it may not, nor any after a reset: that is a misuse. Pieces
 * from before the mark that grew in place after it are cut, and what lido_arena_join brought after it stays until the
 * next reset. A failure that was remembered stays so. */
LIDO_API void lido_arena_rewind(lido_arena *arena, lido_arena_mark mark);

/* ---- Clean-ups ----------------------------------------------------------------------------- */

/* The words are those of lido/cleanup.h; only the handle is another, a pointer into the arena. */

/* Call fn(arg) at the next reset, at a rewind to a mark from before, or at destroy; newest first. It may use the arena
 * and register more, which run too. 0, ENOMEM. */
LIDO_API int lido_arena_on_reset(lido_arena *arena, lido_cleanup_function fn, void *arg);

/* The same with a handle to stop it by; NULL: ENOMEM. The handle is good until the clean-up has run. */
typedef struct lido_arena_cleanup lido_arena_cleanup;
LIDO_API lido_arena_cleanup *lido_arena_cleanup_add(lido_arena *arena, lido_cleanup_function fn, void *arg);

/* LIDO_CLEANUP_STOPPED: it will not run; RUNNING: it is being run, this is inside it; NOT_FOUND: NULL, or stopped
 * before. RAN is never said, for then the handle is no longer good. O(1). */
LIDO_API lido_cleanup_outcome lido_arena_cleanup_stop(lido_arena_cleanup *cleanup);

/* ---- Together ------------------------------------------------------------------------------ */

/* Everything of `from` becomes a part of `into`: its pieces live as long, its clean-ups run first. `from` is as after a
 * reset that kept nothing. Both of one thread, neither fixed nor contiguous nor in a buffer, of one backing: else
 * EINVAL. O(1). */
LIDO_API int lido_arena_join(lido_arena *into, lido_arena *from);

/* The next thread that uses the arena is its owner (LIDO_CHECKS=full). */
LIDO_API void lido_arena_hand_over(lido_arena *arena);

/* ---- Questions ----------------------------------------------------------------------------- */

/* Did anything find no memory since the last reset? A request may ask once, at its end. */
LIDO_API bool lido_arena_failed(const lido_arena *arena);

/* Does the address lie in memory that was handed out by this arena? Any address. O(blocks). */
LIDO_API bool lido_arena_owns(const lido_arena *arena, const void *address);

/* X(name, kind, unit, text), as LIDO_POOL_STATISTICS. */
#define LIDO_ARENA_STATISTICS(X)                                                  \
  X(used, gauge, bytes, "handed out since the last reset, with padding")          \
  X(peak, gauge, bytes, "most that was ever handed out between two resets")       \
  X(reserved, gauge, bytes, "blocks, with their headers")                         \
  X(large, gauge, bytes, "of these, in blocks with one piece")                    \
  X(blocks, gauge, blocks, "blocks")                                              \
  X(wanted, gauge, bytes, "what a reset keeps at most, by the rule of retention") \
  X(resets, counter, calls, "resets")                                             \
  X(slow, counter, calls, "allocs that the current block could not serve")        \
  X(blocks_made, counter, blocks, "blocks taken from the backing")                \
  X(failures, counter, calls, "requests that found no memory")                    \
  X(cleanups, gauge, cleanups, "clean-ups registered and not yet run")

#define LIDO_ARENA_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_arena_stats {
  LIDO_ARENA_STATISTICS(LIDO_ARENA_STATISTIC_FIELD)
} lido_arena_stats;
#undef LIDO_ARENA_STATISTIC_FIELD

LIDO_API void lido_arena_stats_get(const lido_arena *arena, lido_arena_stats *out);

/* NULL, or the number and text of an invariant that does not hold (those in the headers of arenas/). */
LIDO_API const char *lido_arena_check(const lido_arena *arena);

/* ---- Classes: arenas for requests ---------------------------------------------------------- */

/* Arenas of one kind. The class learns from its arenas how large a first block should be; arenas that are released wait
 * in their thread for the next acquire. */
typedef struct lido_arena_class lido_arena_class;

/* NULL: EINVAL (options that name a buffer or a parent, or as for an arena), ENOMEM. */
LIDO_API lido_arena_class *lido_arena_class_create(const lido_arena_options *options);

/* 0; EBUSY while arenas are out. Idle ones go, those of other threads too. */
LIDO_API int lido_arena_class_destroy(lido_arena_class *cls);

/* An empty arena, or NULL: ENOMEM. No lock and no system call if this thread has one waiting. */
LIDO_FAST lido_arena *lido_arena_acquire(const lido_arena_class *cls);

/* Reset, and wait for the next acquire. Any thread; NULL is ignored. */
LIDO_FAST void lido_arena_release(lido_arena *arena);

#define LIDO_ARENA_CLASS_STATISTICS(X)                                                             \
  X(live, gauge, arenas, "arenas acquired and not released")                                       \
  X(idle, gauge, arenas, "arenas waiting in threads")                                              \
  X(idle_bytes, gauge, bytes, "their blocks")                                                      \
  X(acquires, counter, calls, "acquires")                                                          \
  X(misses, counter, calls, "acquires that had to make an arena")                                  \
  X(wanted, gauge, bytes, "what the class has learnt: the first block of a new arena")             \
  X(peak, gauge, bytes, "most that one arena ever handed out between two resets")                  \
  X(slow, counter, calls, "allocs that no current block could serve, as far as they are reported") \
  X(blocks_made, counter, blocks, "blocks taken from the backing, as far as they are reported")    \
  X(resets, counter, calls, "resets and releases; reported at least at every 64th and at the end") \
  X(failures, counter, calls, "requests that found no memory, as far as they are reported")

#define LIDO_ARENA_CLASS_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_arena_class_stats {
  LIDO_ARENA_CLASS_STATISTICS(LIDO_ARENA_CLASS_STATISTIC_FIELD)
} lido_arena_class_stats;
#undef LIDO_ARENA_CLASS_STATISTIC_FIELD

LIDO_API void lido_arena_class_stats_get(const lido_arena_class *cls, lido_arena_class_stats *out);

/* Most bytes of idle arenas of one class that one thread keeps: 0 = 1 MiB, the default. For shelves made after the
 * call, at a thread's first acquire or release of a class. */
LIDO_API void lido_arena_idle_limit_set(size_t bytes);

/* Idle arenas of one class go back: this thread's now, other threads' when they next release one. -> bytes of this
 * thread's. */
LIDO_API size_t lido_arena_class_trim(const lido_arena_class *cls);

/* This thread's idle arenas and scratch memory go back. -> bytes. */
LIDO_API size_t lido_arena_trim(void);

/* ---- Scratch ------------------------------------------------------------------------------- */

/* Memory for the length of a function, from an arena of the thread's own. A function that returns something in an arena
 * of its caller's names it as a conflict, so that it does not get that very arena, and loses its result at the end.
 *
 *     lido_scratch scratch = lido_scratch_begin(&out, 1);
 *     char *draft = lido_arena_printf(scratch.arena, ...);
 *     lido_scratch_end(scratch);
 */
typedef struct lido_scratch {
  lido_arena *arena; /* NULL (ENOMEM): no memory; then end does nothing */
  lido_arena_mark mark;
} lido_scratch;

LIDO_API lido_scratch lido_scratch_begin(lido_arena *const *conflicts, size_t count);
LIDO_API void lido_scratch_end(lido_scratch scratch); /* the newest first */

/* ---- Debugging ----------------------------------------------------------------------------- */

/* From now on every new arena is made with LIDO_ARENA_PASSTHROUGH (or no longer), but fixed ones. */
LIDO_API void lido_arena_passthrough_set(bool on);

LIDO_END

#include "lido/inline/arena_inline.h"

#endif
