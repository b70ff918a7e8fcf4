/* death.c: see death.h. */
#include "lib/refs/death.h"

#include "lib/base/atomic.h"
#include "lib/refs/cleanups.h"
#include "lib/refs/grace_period.h"

/* A death that is being finished, and those inside whose destructor or cleanup that happens. */
typedef struct finishing {
  const lido_refs_owner *owner;
  const struct finishing *outer;
} finishing;

/* This thread's: slots whose objects are dying, oldest first. */
static __thread struct {
  const finishing *innermost;
  bool busy; /* one is being finished */
  uint32_t first;
  uint32_t last;
} dying __attribute__((tls_model("initial-exec")));

static uint64_t retired; /* statistic */

static void note(lido_slot *slot) {
  uint32_t index = lido_slot_index(slot);
  lido_slot_side_of(slot)->next_dying = 0;
  if (dying.first == 0) {
    dying.first = index;
  } else {
    lido_slot_side_of(lido_slot_at(dying.last))->next_dying = index;
  }
  dying.last = index;
}

static lido_slot *take_noted(void) {
  lido_slot *slot = lido_slot_at(dying.first);
  dying.first = lido_slot_side_of(slot)->next_dying;
  return slot;
}

/* Handles fail from here. RELAXED: whoever still reads an older word finds a count of 0 in it, or is alone. */
static void mark_dying(lido_slot *slot) {
  uint64_t generation = lido_load_relaxed(&slot->word) & LIDO_WORD_GENERATION;
  lido_store_relaxed(&slot->word, generation | LIDO_WORD_DYING | LIDO_WORD_GUARD);
}

/* Steps 5 and 6. */
static void give_back(lido_slot *slot, lido_refs_owner *owner) {
  void *object = slot->object;
  uint64_t generation = lido_load_relaxed(&slot->word) >> LIDO_GENERATION_SHIFT; /* RELAXED: this thread wrote it */
  lido_cleanups_open(slot);
  if (LIDO_UNLIKELY(generation >= lido_generation_last(owner->narrow))) {
    lido_add_relaxed(&retired, 1); /* RELAXED: statistic */
    /* RELEASE slot.rest: as below. */
    lido_store_release(&slot->word, generation << LIDO_GENERATION_SHIFT | LIDO_WORD_RETIRED | LIDO_WORD_GUARD);
    owner->retire(owner, object);
    return;
  }
  /* RELEASE slot.rest: what the dead object's user did is over for whoever finds the next generation here. */
  lido_store_release(&slot->word, (generation + 1) << LIDO_GENERATION_SHIFT | LIDO_WORD_GUARD);
  owner->dispose(owner, object);
}

static lido_refs_owner *owner_of(const lido_slot *slot) { return lido_span_entry((uintptr_t)slot->object)->owner; }

static void finish(lido_slot *slot, lido_refs_owner *owner) {
  finishing here = {.owner = owner, .outer = dying.innermost};
  dying.innermost = &here;
  uint32_t cleanups = lido_cleanups_close(slot);
  if (owner->destroy != NULL) owner->destroy(slot->object, owner->context);
  if (cleanups != 0) lido_cleanups_run(cleanups);
  dying.innermost = here.outer;
  give_back(slot, owner);
}

void lido_deaths_finish(void) {
  bool outer = dying.busy;
  dying.busy = true;
  while (dying.first != 0) {
    lido_slot *slot = take_noted();
    finish(slot, owner_of(slot));
  }
  dying.busy = outer;
}

void lido_deaths_over(void) {
  if (!dying.busy) lido_cleanups_assist();
}

static void now_or_soon(lido_slot *slot, lido_refs_owner *owner) {
  if (dying.busy) {
    note(slot);
    return;
  }
  dying.busy = true;
  finish(slot, owner);
  dying.busy = false;
  lido_deaths_finish(); /* what that one caused */
  lido_cleanups_assist();
}

void lido_death_now_or_soon(lido_slot *slot) { now_or_soon(slot, owner_of(slot)); }

void lido_death(lido_slot *slot) {
  lido_refs_owner *owner = owner_of(slot);
  mark_dying(slot);
  if (LIDO_UNLIKELY(owner->guarded)) {
    lido_guard_defer(slot);
  } else {
    now_or_soon(slot, owner);
  }
}

void lido_death_by_force(lido_slot *slot) {
  bool outer = dying.busy;
  mark_dying(slot);
  dying.busy = true;
  finish(slot, owner_of(slot));
  dying.busy = outer;
}

void lido_death_abandoned(lido_slot *slot) { give_back(slot, owner_of(slot)); }

bool lido_deaths_are_of(const lido_refs_owner *owner) {
  for (const finishing *f = dying.innermost; f != NULL; f = f->outer) {
    if (f->owner == owner) return true;
  }
  return false;
}

void lido_deaths_count(lido_weak_stats *stats) {
  stats->slots_retired = lido_load_relaxed(&retired); /* RELAXED: statistic */
}
