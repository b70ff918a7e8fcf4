/* arena_class.c: arenas of one kind, and what they have learnt together.
 *
 * Threads: any. What a class has learnt is a few numbers that its arenas write when they take the long way of a reset;
 * they race, and a lesson that is lost is taught again.
 */
#include <errno.h>
#include <stdio.h>

#include "arenas/arena_shelves.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/mem/budgets.h"

/* Under the lock of the shelves. */
static lido_arena_class_core *first_class;

/* ---- Life ---- */

static void link_locked(lido_arena_class_core *cls) {
  cls->next = first_class;
  if (first_class != NULL) first_class->previous = cls;
  first_class = cls;
}

static void unlink_locked(lido_arena_class_core *cls) {
  if (cls->next != NULL) cls->next->previous = cls->previous;
  if (cls->previous != NULL) {
    cls->previous->next = cls->next;
  } else {
    first_class = cls->next;
  }
}

static lido_arena_class_core *class_make(const lido_arena_options *options, lido_backing *backing) {
  lido_arena_class_core *cls = lido_metadata_alloc(lido_metadata_system(), sizeof *cls);
  if (cls == NULL) return NULL;
  cls->options = *options;
  cls->options.backing = backing;
  snprintf(cls->name, sizeof cls->name, "%s", options->name == NULL ? "arena" : options->name);
  cls->options.name = cls->name;
  lido_arena_shelves_lock();
  cls->face.number = lido_arena_number_take_locked();
  if (cls->face.number != 0) link_locked(cls);
  lido_arena_shelves_unlock();
  if (cls->face.number != 0) {
    lido_budget_hold(options->budget);
    return cls;
  }
  lido_metadata_free(lido_metadata_system(), cls, sizeof *cls);
  errno = ENOMEM;
  return NULL;
}

lido_arena_class *lido_arena_class_create(const lido_arena_options *options) {
  static const lido_arena_options defaults;
  if (options == NULL) options = &defaults;
  int error = lido_arena_options_check(options);
  if (options->buffer != NULL || options->parent != NULL) error = EINVAL;
  lido_backing *backing = options->backing != NULL ? options->backing : lido_backing_default();
  if (error == 0) error = lido_arena_fork_join();
  if (error == 0) error = lido_backing_hold(backing);
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_arena_class_core *cls = class_make(options, backing);
  if (cls != NULL) return &cls->face;
  lido_backing_let_go(backing);
  return NULL;
}

static void empty_shelf(lido_arena_shelf *shelf, void *arg) {
  (void)arg;
  lido_arena_shelf_empty(shelf);
  shelf->taken = shelf->put = 0;
}

typedef struct counts {
  uint64_t taken;
  uint64_t put;
  uint64_t bytes;
} counts;

static void count_shelf(lido_arena_shelf *shelf, void *arg) {
  counts *sum = arg;
  sum->taken += lido_load_relaxed(&shelf->taken); /* RELAXED: statistic, as those below */
  sum->put += lido_load_relaxed(&shelf->put);     /* RELAXED: statistic */
  sum->bytes += lido_load_relaxed(&shelf->bytes); /* RELAXED: statistic */
}

static counts count_locked(const lido_arena_class_core *cls) {
  counts sum = {.taken = cls->retired_taken, .put = cls->retired_put};
  lido_arena_shelves_each_locked(cls->face.number, count_shelf, &sum);
  return sum;
}

/* The counts are not of one moment: while arenas move, a difference may seem to be less than none. */
static uint64_t above(uint64_t more, uint64_t less) { return more > less ? more - less : 0; }

static uint64_t idle_of(counts sum) { return above(sum.put, sum.taken); }

/* Arenas that are there and on no shelf. */
static uint64_t live_of(const lido_arena_class_core *cls, counts sum) {
  /* RELAXED: statistics. */
  uint64_t ended = lido_load_relaxed(&cls->ended);
  return above(above(lido_load_relaxed(&cls->made), ended), idle_of(sum)); /* RELAXED: see above */
}

int lido_arena_class_destroy(lido_arena_class *face) {
  if (face == NULL) return 0;
  lido_arena_class_core *cls = lido_arena_class_core_of(face);
  lido_arena_shelves_lock();
  bool busy = live_of(cls, count_locked(cls)) != 0; /* exact: who ends a class knows that nobody uses it */
  if (!busy) {
    lido_arena_shelves_each_locked(face->number, empty_shelf, NULL);
    unlink_locked(cls);
    lido_arena_number_give_locked(face->number);
  }
  lido_arena_shelves_unlock();
  if (busy) return EBUSY;
  lido_metadata_trim(&cls->options.backing->metadata); /* where its arenas lay */
  lido_backing_let_go(cls->options.backing);
  lido_budget_let_go(cls->options.budget);
  lido_metadata_free(lido_metadata_system(), cls, sizeof *cls);
  return 0;
}

void lido_arena_class_retire_locked(uint32_t number, const lido_arena_shelf *shelf) {
  for (lido_arena_class_core *cls = first_class; cls != NULL; cls = cls->next) {
    if (cls->face.number != number) continue;
    cls->retired_taken += shelf->taken;
    cls->retired_put += shelf->put;
  }
}

/* ---- Acquire and release ---- */

static lido_arena *make(lido_arena_class_core *cls) {
  lido_arena_core *core = lido_arena_core_create(&cls->options, cls);
  if (core == NULL) return NULL;
  lido_add_relaxed(&cls->made, 1); /* RELAXED: statistic */
  core->face.number = cls->face.number;
  return &core->face;
}

lido_arena *lido_arena_acquire_slow(const lido_arena_class *face) {
  lido_arena_core *core = lido_arena_shelf_take(lido_arena_shelf_get(face->number));
  if (core == NULL) return make(lido_arena_class_core_of(face));
  return &core->face;
}

static bool shelve(lido_arena_core *core) {
  lido_arena *arena = &core->face;
  if (core->cls == NULL || core->always != 0) return false;
  lido_arena_shelf *shelf = lido_arena_shelf_get(arena->number);
  if (shelf == NULL) return false;
  lido_arena_shelf_honour(shelf);
  /* RELAXED: as in the inlined release. */
  if (arena->held + shelf->bytes > lido_load_relaxed(&shelf->bytes_most)) return false;
  arena->end = arena->at;
  arena->special = LIDO_ARENA_IDLE;
  arena->next = shelf->newest;
  shelf->newest = arena;
  lido_add_owned(&shelf->bytes, arena->held);
  lido_count_owned(&shelf->put);
  return true;
}

void lido_arena_release_slow(lido_arena *arena) {
  if (arena == NULL) return;
  lido_arena_core *core = lido_arena_core_of(arena);
  lido_arena_hand_over(arena); /* any thread may release */
  if (!lido_arena_may_reset(core)) return;
  int saved_errno = errno;
  lido_arena_reset_slow(arena);
  lido_arena_hand_over(arena);
  if (!shelve(core)) lido_arena_core_destroy(core);
  errno = saved_errno;
}

/* ---- What is learnt ---- */

/* RELAXED: a lesson that is missed comes again. */
lido_arena_estimate lido_arena_class_estimate(const lido_arena_class_core *cls) {
  return (lido_arena_estimate){lido_load_relaxed(&cls->wanted), lido_load_relaxed(&cls->row)}; /* RELAXED: see above */
}

static void learn(lido_arena_class_core *cls, lido_arena_lesson lesson) {
  lido_arena_estimate estimate = lido_arena_taught(lido_arena_class_estimate(cls), lesson);
  lido_store_relaxed(&cls->wanted, estimate.wanted); /* RELAXED: see above */
  lido_store_relaxed(&cls->row, estimate.row);       /* RELAXED: see above */
}

/* What a count has grown by since it was told last goes to the class's. */
static void tell(uint64_t *sum, uint64_t now, uint64_t *told) {
  if (now != *told) lido_add_relaxed(sum, now - *told); /* RELAXED: statistic */
  *told = now;
}

void lido_arena_class_tell(lido_arena_core *core, lido_arena_lesson lesson) {
  lido_arena_class_core *cls = core->cls;
  learn(cls, lesson);
  tell(&cls->resets, core->resets, &core->resets_told);
  tell(&cls->slow, core->slow, &core->slow_told);
  tell(&cls->blocks_made, core->blocks_made, &core->blocks_made_told);
  tell(&cls->failures, core->failures, &core->failures_told);
  /* RELAXED: statistic. */
  if (core->peak > lido_load_relaxed(&cls->peak)) lido_store_relaxed(&cls->peak, core->peak); /* RELAXED: statistic */
}

void lido_arena_class_lost(lido_arena_class_core *cls) { lido_add_relaxed(&cls->ended, 1); /* RELAXED: statistic */ }

/* ---- Statistics ---- */

void lido_arena_class_stats_get(const lido_arena_class *face, lido_arena_class_stats *out) {
  const lido_arena_class_core *cls = lido_arena_class_core_of(face);
  lido_arena_shelves_lock();
  counts sum = count_locked(cls);
  lido_arena_shelves_unlock();
  /* RELAXED: all of them are statistics. */
  uint64_t made = lido_load_relaxed(&cls->made);
  *out = (lido_arena_class_stats){
      .live = live_of(cls, sum),
      .idle = idle_of(sum),
      .idle_bytes = (int64_t)sum.bytes < 0 ? 0 : sum.bytes,
      .acquires = above(sum.taken + made, lido_load_relaxed(&cls->dropped)), /* RELAXED: see above */
      .misses = made,
      .wanted = lido_load_relaxed(&cls->wanted),           /* RELAXED: see above */
      .peak = lido_load_relaxed(&cls->peak),               /* RELAXED: see above */
      .slow = lido_load_relaxed(&cls->slow),               /* RELAXED: see above */
      .blocks_made = lido_load_relaxed(&cls->blocks_made), /* RELAXED: see above */
      .resets = lido_load_relaxed(&cls->resets),           /* RELAXED: see above */
      .failures = lido_load_relaxed(&cls->failures),       /* RELAXED: see above */
  };
}
