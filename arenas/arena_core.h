/* arena_core.h: what an arena is inside.
 *
 *     face        at, end: the window that inlined code takes pieces from (lido/inline/arena_inline.h)
 *     chain       blocks with pieces, newest first; the newest is the current one
 *     spare       blocks that a rewind or a reset emptied and kept
 *     large       blocks with one piece each
 *     joined      blocks, of either kind, that join brought: no rewind reaches them
 *     pieces      with passthrough: a list of blocks of malloc, and nothing of the above
 *
 * A block doubles the one before, up to chunk_bytes_max. A request of more than a quarter of that gets a block of its
 * own and leaves the rest as it was, so that one huge request is not what later blocks grow from. A contiguous arena is
 * one block whose limit moves.
 * Invariants
 *   A1  base <= at <= limit, and both ends of the window are multiples of 16; end is limit, or at where the window is
 *       kept empty.
 *   A2  the current block's `top` is stale; every other block of the chain has base <= top <= limit.
 *   A3  held is the sum of `bytes` over chain, spare, joined and large; closed is the sum of top - base over the joined
 *       blocks and the chain without the current block.
 *   A4  a bit of `special` is set if what it stands for is there.
 *   A5  clean-ups stand newest first, their serials fall.
 *   A6  marks of a depth below `depth` are valid; for the first LIDO_ARENA_MARKS depths their ids are known.
 * Threads: one at a time. No locks but those of backing and budget.
 * Failure: NULL and ENOMEM, remembered in `failed`; nothing else changed.
 * Not done: lock-free joining (upb): it makes reset impossible. Sub-arenas for several threads at once: an arena per
 * thread and a join are as good. Bumping down: growing in place would have to move.
 */
#ifndef LIDO_ARENAS_ARENA_CORE_H
#define LIDO_ARENAS_ARENA_CORE_H

#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "lib/mem/backing_core.h"
#include "lib/mem/heap_samples.h"
#include "lido/arena.h"
#include "lido/misuse.h"

/* Bits of `special`, beside LIDO_ARENA_IDLE. */
enum {
  LIDO_ARENA_CHAIN = 2,      /* more than one block with pieces */
  LIDO_ARENA_LARGE = 4,      /* large blocks, of its own or joined */
  LIDO_ARENA_CLEANUPS = 8,   /* registered */
  LIDO_ARENA_FAILED = 16,    /* since the last reset */
  LIDO_ARENA_WATCHED = 32,   /* passthrough, Valgrind: every reset */
  LIDO_ARENA_RESETTING = 64, /* clean-ups are running */
  LIDO_ARENA_REUSED = 128,   /* freed pieces wait on lists */
  LIDO_ARENA_JOINED = 256,   /* blocks that join brought, beside the chain */
  LIDO_ARENA_ABOVE = 512,    /* more is held than the caller lets a reset keep */
};

enum {
  LIDO_ARENA_MARKS = 16, /* depths at which a stale mark is told by its id */
  LIDO_ARENA_LOOK = 64,  /* resets between two looks at retention */
  LIDO_ARENA_NAME_MAX = 48,
};

/* More no allocator has; what is added to a size does not wrap. */
#define LIDO_ARENA_BYTES_MAX ((size_t)PTRDIFF_MAX / 2)

#define LIDO_ARENA_NO_CLASS UINT32_MAX /* more than any thread has shelves */

/* Space between two pieces: none, but a red zone for ASan. */
#ifdef LIDO_ASAN
enum { LIDO_ARENA_GAP = 16 };
#else
enum { LIDO_ARENA_GAP = 0 };
#endif

/* Where the window begins if this piece is the newest of a block that ends at `limit`. */
static inline char *lido_arena_end_of(const char *limit, char *piece, size_t bytes) {
  return piece + lido_min(lido_arena_rounded(bytes) + LIDO_ARENA_GAP, (size_t)(limit - piece));
}

typedef struct lido_arena_block {
  struct lido_arena_block *older; /* in the chain, or the next spare one */
  char *base;                     /* the first piece */
  char *top;                      /* where pieces ended when a newer block came */
  char *limit;
  size_t bytes;  /* of the block, as the backing knows it */
  bool borrowed; /* a caller's buffer or a reservation: never given back */
  bool sampled;  /* by the heap profile, which hears when the block goes */
} lido_arena_block;

/* In front of the one piece of a large block. */
typedef struct lido_arena_large {
  struct lido_arena_large *newer; /* a ring through the arena's own head */
  struct lido_arena_large *older;
  lido_backing *backing;
  char *memory; /* the block's start */
  size_t bytes; /* of the block */
  uint64_t serial;
  uintptr_t tag; /* tells it from anything else that may stand in front of a piece */
  bool asked;    /* for, by lido_arena_alloc_large */
  bool sampled;  /* as of a block */
} lido_arena_large;

struct lido_arena_cleanup {
  struct lido_arena_cleanup *older;
  lido_cleanup_function fn; /* NULL: stopped */
  void *arg;
  uint64_t serial; /* 0: it is being run */
};

/* A block of malloc's that is a piece. */
typedef struct lido_arena_piece {
  struct lido_arena_piece *older;
  void *memory;
  size_t bytes;
  uint64_t serial;
} lido_arena_piece;

/* How much a use of the arena wants. */
typedef struct lido_arena_estimate {
  size_t wanted; /* bytes; 0: nothing is known */
  uint32_t row;  /* uses one after the other that needed more */
} lido_arena_estimate;

typedef struct lido_arena_reuse lido_arena_reuse;
typedef struct lido_arena_class_core lido_arena_class_core;

typedef struct lido_arena_core {
  lido_arena face; /* must be first */
  /* fixed at birth */
  lido_arena_options options;
  lido_backing *backing;
  lido_arena_class_core *cls; /* or NULL */
  size_t large_bytes;         /* a piece of more has a block of its own */
  uint32_t always;            /* bits of special that no reset clears */
  bool passthrough;
  bool valgrind;
  bool in_buffer;    /* this struct lies in the caller's buffer */
  char *reservation; /* or NULL */
  char name[LIDO_ARENA_NAME_MAX];
  /* memory */
  bool at_ease;            /* what is being tried can be done without: nobody is asked to free memory for it */
  lido_arena_block *block; /* the current one, or NULL */
  lido_arena_block *oldest;
  lido_arena_block *spare;
  lido_arena_block *joined_blocks;
  lido_arena_block *joined_last;
  lido_arena_large large;  /* head of the ring */
  lido_arena_large joined; /* head of the ring of what join brought */
  lido_arena_piece *pieces;
  lido_arena_reuse *reuse; /* NULL without LIDO_ARENA_REUSE or before the first free */
  size_t next_bytes;       /* of the next block */
  size_t closed;
  size_t large_held;
  size_t committed; /* of the reservation */
  size_t blocks;
  /* clean-ups and marks */
  lido_arena_cleanup *cleanups;
  uint64_t serial; /* of the newest clean-up, large block or piece */
  size_t cleanup_count;
  lido_arena_cleanup *in_parent;
  uint32_t mark_id; /* of the newest mark */
  uint32_t mark_ids[LIDO_ARENA_MARKS];
  /* retention and statistics */
  lido_arena_estimate estimate;
  size_t peak;
  uint64_t resets; /* without those since the last look */
  uint64_t slow;
  uint64_t blocks_made;
  uint64_t failures;
  uint64_t resets_told; /* to the class */
  uint64_t failures_told;
  uint64_t slow_told;
  uint64_t blocks_made_told;
  /* LIDO_CHECKS=full */
  const void *owner; /* a thread's lido_this_arena_thread; NULL: whoever comes next */
} lido_arena_core;

static inline lido_arena_core *lido_arena_core_of(const lido_arena *arena) {
  return (lido_arena_core *)(uintptr_t)arena; /* face is the first member, and cores are never const */
}

static inline bool lido_arena_has(const lido_arena_core *core, uint32_t bits) {
  return (core->face.special & bits) != 0;
}

/* The free part of the current block starts here. */
static inline void lido_arena_window(lido_arena_core *core, char *at) {
  core->face.at = at;
  core->face.end = lido_arena_has(core, LIDO_ARENA_WATCHED | LIDO_ARENA_REUSED) ? at : core->face.limit;
}

/* ---- arena.c ---- */

/* A new arena, of a class or without. NULL: EINVAL, ENOMEM. */
lido_arena_core *lido_arena_core_create(const lido_arena_options *options, lido_arena_class_core *cls);
void lido_arena_core_destroy(lido_arena_core *core);

/* 0, or EINVAL. */
int lido_arena_options_check(const lido_arena_options *options);

/* May the calling thread use the arena as it is? If not it is reported. */
bool lido_arena_enter(lido_arena_core *core);

/* The same for reset and destroy, which no clean-up may call. */
bool lido_arena_may_reset(lido_arena_core *core);

/* -> NULL: ENOMEM, and remembered. */
void *lido_arena_fail(lido_arena_core *core);

/* What is remembered of failures, for a caller that can do with less: it tries, and if that fails takes it back. */
typedef struct lido_arena_memory_of_failures {
  uint64_t failures;
  uint32_t failed;
  int error;
} lido_arena_memory_of_failures;
lido_arena_memory_of_failures lido_arena_remember(const lido_arena_core *core);
void lido_arena_take_back(lido_arena_core *core, lido_arena_memory_of_failures before);

void lido_arena_report(const lido_arena_core *core, lido_misuse_kind kind, const void *address);

/* `held` has grown. */
void lido_arena_note_held(lido_arena_core *core);

/* Bytes handed out from the chain, with padding. */
size_t lido_arena_used(const lido_arena_core *core);
void lido_arena_note_peak(lido_arena_core *core);

/* ---- arena_blocks.c ---- */

/* `bytes` more, within max_bytes and the budget? They are counted then. */
bool lido_arena_charge(lido_arena_core *core, size_t bytes);
void lido_arena_discharge(lido_arena_core *core, size_t bytes);

/* A block at `memory` came from the backing: it may be a sample of the heap profile. -> whether; then the profile hears
 * when it goes. */
static inline bool lido_arena_sample(const lido_arena_core *core, const void *memory, size_t bytes) {
  return LIDO_UNLIKELY(lido_heap_run_now() != 0) && lido_heap_thread_alloc("arena", core->name, memory, bytes);
}

/* A block with room for `bytes` at a multiple of `align` becomes the current one. false: no memory. */
bool lido_arena_block_add(lido_arena_core *core, size_t bytes, size_t align);

/* A block in memory that is not the arena's to give back. */
lido_arena_block *lido_arena_block_borrow(lido_arena_core *core, char *memory, size_t bytes);

/* Give a block back that is in no list. */
void lido_arena_block_release(lido_arena_core *core, lido_arena_block *block);

/* Of the spare blocks, borrowed ones stay, and the first others that are together not more than `most`. */
void lido_arena_spare_trim(lido_arena_core *core, size_t most);

/* All spare blocks go. */
void lido_arena_spare_release(lido_arena_core *core);

/* `block` is the whole chain, and pieces start at `at`; NULL: there is none. */
void lido_arena_chain_begin(lido_arena_core *core, lido_arena_block *block, char *at);

/* The chain of another arena, whose newest block is filled up to its top. pre: there is none. */
void lido_arena_chain_adopt(lido_arena_core *core, lido_arena_block *newest, lido_arena_block *oldest);

/* Blocks newer than `block`, or all (NULL), become spare ones; `block` is current again, from `at` on, or from less if
 * its pieces end before. */
void lido_arena_chain_cut(lido_arena_core *core, lido_arena_block *block, char *at);

/* Blocks older than the current one become spare ones. */
void lido_arena_chain_drop_older(lido_arena_core *core);

/* A row of blocks comes to the joined ones; these become spare. Their bytes are in `closed` before and after. */
void lido_arena_joined_add(lido_arena_core *core, lido_arena_block *newest, lido_arena_block *oldest);
void lido_arena_joined_drop(lido_arena_core *core);

/* ---- arena_reservation.c ---- */

bool lido_arena_reserve(lido_arena_core *core);
void lido_arena_unreserve(lido_arena_core *core);
/* Room for `bytes` more. false: the reservation is used up, or no memory. */
bool lido_arena_commit(lido_arena_core *core, size_t bytes);
/* What is beyond `keep_bytes`, and beyond the pieces, goes. */
void lido_arena_decommit(lido_arena_core *core, size_t keep_bytes);

/* ---- arena_large.c ---- */

void lido_arena_ring_begin(lido_arena_large *head);
void *lido_arena_large_alloc(lido_arena_core *core, size_t bytes, size_t align);
void lido_arena_large_free(lido_arena_core *core, void *piece);
/* Is it a piece with a block of its own, of whatever arena? Any piece of an arena. */
bool lido_arena_is_large(const lido_arena_core *core, const void *piece);
/* Was its block asked for? Any piece of an arena. */
bool lido_arena_is_asked_large(const lido_arena_core *core, const void *piece);
/* May a large piece have so many bytes where it is? */
bool lido_arena_large_holds(const lido_arena_core *core, const void *piece, size_t bytes);
/* Those with a later serial. */
void lido_arena_large_free_since(lido_arena_core *core, uint64_t serial);
void lido_arena_large_free_joined(lido_arena_core *core);
bool lido_arena_large_owns(const lido_arena_large *head, const char *address);
/* All of one ring go to another. */
void lido_arena_ring_move(lido_arena_large *to, lido_arena_large *from);

/* ---- arena_pieces.c: passthrough ---- */

void *lido_arena_piece_alloc(lido_arena_core *core, size_t bytes, size_t align);
/* The link to the piece that starts at `memory`; *link is NULL if there is none. */
lido_arena_piece **lido_arena_piece_find(lido_arena_core *core, const void *memory);
void lido_arena_piece_free(lido_arena_core *core, lido_arena_piece **link);
void lido_arena_pieces_free_since(lido_arena_core *core, uint64_t serial);

/* ---- arena_reuse.c ---- */

void lido_arena_reuse_put(lido_arena_core *core, void *memory, size_t bytes);
void *lido_arena_reuse_take(lido_arena_core *core, size_t bytes, size_t align);
void lido_arena_reuse_forget(lido_arena_core *core);
void lido_arena_reuse_end(lido_arena_core *core);

/* ---- arena_cleanups.c ---- */

/* Call it, unless it was stopped. pre: it is on no list that a reset looks at. */
void lido_arena_cleanup_run(lido_arena_cleanup *cleanup);

/* Run those with a later serial, newest first, until there are none. */
void lido_arena_cleanups_run(lido_arena_core *core, uint64_t serial);

/* ---- arena_retention.c ---- */

/* One use, and those before it that nobody looked at. */
typedef struct lido_arena_lesson {
  size_t used;
  size_t unseen; /* uses */
  size_t unseen_most;
} lido_arena_lesson;

/* A use ends: what is used now, and what the short resets before used, teaches how much is wanted. */
void lido_arena_learn(lido_arena_core *core);

/* The rule: what an estimate becomes by a lesson. */
lido_arena_estimate lido_arena_taught(lido_arena_estimate before, lido_arena_lesson lesson);

/* After a reset: of the spare blocks, those stay that the rule allows. */
void lido_arena_retain(lido_arena_core *core);

/* The first block that what is wanted asks for, and the most that a reset keeps. */
size_t lido_arena_first_bytes(const lido_arena_core *core);
size_t lido_arena_retain_bytes(const lido_arena_core *core);

/* ---- arena_reset.c ---- */

/* Clean-ups, pieces and marks go; the chain is empty. */
void lido_arena_clear(lido_arena_core *core);

/* ---- arena_marks.c ---- */

/* lido_arena_rewind. false: the mark is stale, which was reported. */
bool lido_arena_rewind_to(lido_arena_core *core, lido_arena_mark mark);

/* ---- arena_class.c ---- */

/* What an arena has learnt and counted since it last told. */
void lido_arena_class_tell(lido_arena_core *core, lido_arena_lesson lesson);
lido_arena_estimate lido_arena_class_estimate(const lido_arena_class_core *cls);
void lido_arena_class_lost(lido_arena_class_core *cls); /* one of its arenas is destroyed */

#endif
