/* death.c: see death.h. */
#include "lib/refs/death.h"

#include <errno.h>

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

void lido_death_note(lido_slot *slot) {
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

/* Steps 2 to 4. */
static void call_program(lido_slot *slot, lido_refs_owner *owner) {
  int saved_errno = errno;
  finishing here = {.owner = owner, .outer = dying.innermost};
  dying.innermost = &here;
  uint32_t cleanups = lido_cleanups_close(slot);
  if (owner->destroy != NULL) owner->destroy(slot->object, owner->context);
  if (cleanups != 0) lido_cleanups_run(cleanups);
  dying.innermost = here.outer;
  errno = saved_errno;
}

static void keep(lido_slot *slot, lido_refs_owner *owner) {
  lido_slot_side_of(slot)->next_dying = owner->ended;
  owner->ended = lido_slot_index(slot);
}

static void finish(lido_slot *slot, lido_refs_owner *owner) {
  call_program(slot, owner);
  if (LIDO_UNLIKELY(owner->ending)) {
    keep(slot, owner);
    return;
  }
  bool waited = owner->guarded;
  give_back(slot, owner);
  if (LIDO_UNLIKELY(waited)) lido_guard_finished(owner);
}

static void finish_all(void) {
  while (dying.first != 0) {
    lido_slot *slot = take_noted();
    finish(slot, lido_slot_owner(slot));
  }
}

void lido_deaths_run(void) {
  if (dying.busy) return;
  dying.busy = true;
  finish_all();
  dying.busy = false;
  lido_cleanups_assist();
}

bool lido_death_quietly(lido_slot *slot) {
  lido_refs_owner *owner = lido_slot_owner(slot);
  /* RELAXED: fixed before the first object; and cleanups.h says why. */
  if (!lido_load_relaxed(&owner->quiet) || lido_load_relaxed(&lido_slot_side_of(slot)->cleanups) != 0) return false;
  finish(slot, owner);
  return true;
}

static void now_or_soon(lido_slot *slot, lido_refs_owner *owner) {
  if (dying.busy) {
    lido_death_note(slot);
    return;
  }
  dying.busy = true;
  finish(slot, owner);
  finish_all(); /* what that one caused */
  dying.busy = false;
  lido_cleanups_assist();
}

/* Another thread's affair: as if nothing had been released. RELAXED: an undo. */
static void refuse(lido_slot *slot) {
  bool taken = (lido_load_relaxed(&slot->word) & LIDO_WORD_COUNT) == 0;
  if (taken) lido_add_relaxed(&slot->word, 1);
}

void lido_death(lido_slot *slot) {
  lido_refs_owner *owner = lido_slot_owner(slot);
  if (LIDO_UNLIKELY(owner->may_end != NULL) && !owner->may_end(owner, slot->object)) {
    refuse(slot);
    return;
  }
  mark_dying(slot);
  if (LIDO_UNLIKELY(owner->guarded) && !owner->ending) {
    if (owner->unlist != NULL) owner->unlist(slot->object, owner->context);
    lido_guard_defer(slot);
  } else {
    now_or_soon(slot, owner);
  }
}

bool lido_deaths_are_busy(void) { return dying.busy; }

bool lido_deaths_are_of(const lido_refs_owner *owner) {
  for (const finishing *f = dying.innermost; f != NULL; f = f->outer) {
    if (f->owner == owner) return true;
  }
  return false;
}

static bool counts_as_in_hands(const lido_refs_owner *found, const lido_refs_owner *owner) {
  return found != NULL && found->guarded && (owner == NULL || found == owner);
}

size_t lido_deaths_in_hands(const lido_refs_owner *owner) {
  size_t count = 0;
  for (uint32_t at = dying.first; at != 0; at = lido_slot_side_of(lido_slot_at(at))->next_dying) {
    count += counts_as_in_hands(lido_slot_owner(lido_slot_at(at)), owner);
  }
  for (const finishing *f = dying.innermost; f != NULL; f = f->outer) count += counts_as_in_hands(f->owner, owner);
  return count;
}

/* ---- The end of an owner ---- */

/* Theirs leave the list; the others stay, in their order. -> the first of theirs, linked. */
static uint32_t take_noted_of(const lido_refs_owner *owner) {
  uint32_t theirs = 0;
  uint32_t rest = dying.first;
  dying.first = 0;
  while (rest != 0) {
    lido_slot *slot = lido_slot_at(rest);
    rest = lido_slot_side_of(slot)->next_dying;
    if (lido_slot_owner(slot) == owner) {
      lido_slot_side_of(slot)->next_dying = theirs;
      theirs = lido_slot_index(slot);
    } else {
      lido_death_note(slot);
    }
  }
  return theirs;
}

void lido_deaths_finish_of(lido_refs_owner *owner) {
  bool outer = dying.busy;
  dying.busy = true;
  for (uint32_t theirs = take_noted_of(owner); theirs != 0; theirs = take_noted_of(owner)) {
    while (theirs != 0) {
      lido_slot *slot = lido_slot_at(theirs);
      theirs = lido_slot_side_of(slot)->next_dying;
      finish(slot, owner);
    }
  }
  dying.busy = outer;
}

void lido_death_by_force(lido_slot *slot) {
  lido_refs_owner *owner = lido_slot_owner(slot);
  bool outer = dying.busy;
  mark_dying(slot);
  dying.busy = true;
  finish(slot, owner);
  dying.busy = outer;
  lido_deaths_finish_of(owner);
}

void lido_death_abandoned(lido_slot *slot) { keep(slot, lido_slot_owner(slot)); }

void lido_deaths_give_back(lido_refs_owner *owner) {
  while (owner->ended != 0) {
    lido_slot *slot = lido_slot_at(owner->ended);
    owner->ended = lido_slot_side_of(slot)->next_dying;
    give_back(slot, owner);
  }
  lido_deaths_run(); /* what else this thread has to do */
}

void lido_deaths_count(lido_weak_stats *stats) {
  stats->slots_retired = lido_load_relaxed(&retired); /* RELAXED: statistic */
}
