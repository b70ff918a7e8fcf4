/* counts.c: see counts.h. */
#include "lib/refs/counts.h"

#include "lib/base/atomic.h"
#include "lib/refs/death.h"
#include "lib/refs/failed_acquires.h"
#include "lib/refs/refs_misuse.h"

enum {
  RESTING_PLACE = 2, /* the pinned count, in units of LIDO_WORD_PINNED: far from both ends */
  /* Up to so many at once are added or subtracted first and undone if that was wrong: of threads in the midst of that,
   * sixteen have room above the pinned count and below 0. More are decided by a look at the word. */
  AT_ONCE = 1 << 24,
};

static uint64_t saturated; /* statistic */

bool lido_count_begin(lido_slot *slot, uint64_t state, size_t count) {
  lido_refs_owner *owner = lido_slot_owner(slot);
  if (LIDO_UNLIKELY(owner == NULL)) {
    lido_report_slot(LIDO_MISUSE_DEAD_OBJECT, slot);
    return false;
  }
  if (!owner->hold(owner, slot->object)) return false;
  uint64_t generation = lido_load_relaxed(&slot->word) & LIDO_WORD_GENERATION; /* RELAXED: this thread is alone */
  /* RELEASE slot.published: who follows a handle sees the object as it is now. */
  lido_store_release(&slot->word, generation | state | LIDO_WORD_GUARD | count);
  return true;
}

/* ---- One more ---- */

static void note_pinned(const lido_slot *slot) {
  lido_add_relaxed(&saturated, 1); /* RELAXED: statistic */
  lido_report_slot(LIDO_MISUSE_SATURATED, slot);
}

/* The count stays in the middle of where nothing counts. RELAXED: as retain. */
static void pin(lido_slot *slot) {
  lido_add_relaxed(&slot->word, (RESTING_PLACE - 1) * LIDO_WORD_PINNED);
  note_pinned(slot);
}

static LIDO_SLOW void *retain_first(lido_slot *slot, size_t count) {
  bool fits = count < LIDO_WORD_PINNED - 1;
  size_t first = fits ? 1 + count : RESTING_PLACE * LIDO_WORD_PINNED;
  if (!lido_count_begin(slot, LIDO_WORD_COUNTED, first)) return NULL;
  if (!fits) note_pinned(slot);
  return slot->object;
}

/* The count in `word` is 0, or has been taken below. -> NULL */
static void *refuse_retain(const lido_slot *slot, uint64_t word) {
  bool dying = (word & LIDO_WORD_STATE) == LIDO_WORD_DYING;
  lido_report_slot(dying ? LIDO_MISUSE_DYING : LIDO_MISUSE_DEAD_OBJECT, slot);
  return NULL;
}

/* `old` + count is no count that may be. */
static LIDO_SLOW void *retain_odd(lido_slot *slot, uint64_t old, size_t count) {
  uint64_t had = lido_word_count(old);
  if (had - 1 >= LIDO_WORD_COUNT) {
    lido_sub_relaxed(&slot->word, count); /* RELAXED: an undo */
    return refuse_retain(slot, old);
  }
  if (had >= LIDO_WORD_PINNED) {
    lido_sub_relaxed(&slot->word, count); /* RELAXED: an undo */
  } else {
    pin(slot);
  }
  return slot->object;
}

static void *retain(void *object, size_t count) {
  lido_slot *slot;
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &slot))) {
    lido_report_no_slot(object);
    return NULL;
  }
  /* RELAXED: the caller has a reference, so the word can't come to rest meanwhile. */
  if (LIDO_UNLIKELY(lido_word_is_at_rest(lido_load_relaxed(&slot->word)))) return retain_first(slot, count);
  uint64_t old = lido_add_relaxed(&slot->word, count);
  if (LIDO_UNLIKELY(lido_word_count(old) - 1 >= LIDO_WORD_PINNED - 1 - count)) return retain_odd(slot, old, count);
  return object;
}

void *lido_retain(void *object) { return object != NULL ? retain(object, 1) : NULL; }

/* `word`, whose count is `had` and not pinned, with `count` more. */
static uint64_t word_with_more(uint64_t word, uint64_t had, size_t count) {
  bool fits = count < LIDO_WORD_PINNED - had;
  return word - had + (fits ? had + count : RESTING_PLACE * LIDO_WORD_PINNED);
}

static void *retain_counted(lido_slot *slot, size_t count) {
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange is what counts */
  uint64_t next;
  do {
    uint64_t had = lido_word_count(word);
    if (had - 1 >= LIDO_WORD_COUNT) return refuse_retain(slot, word);
    if (had >= LIDO_WORD_PINNED) return slot->object;
    next = word_with_more(word, had, count);
  } while (!lido_cas_relaxed(&slot->word, &word, next)); /* RELAXED: as retain */
  if (lido_word_count(next) >= LIDO_WORD_PINNED) note_pinned(slot);
  return slot->object;
}

static void *retain_many(void *object, size_t count) {
  lido_slot *slot;
  if (!lido_slot_find((uintptr_t)object, &slot)) {
    lido_report_no_slot(object);
    return NULL;
  }
  bool at_rest = lido_word_is_at_rest(lido_load_relaxed(&slot->word)); /* RELAXED: as in retain */
  return at_rest ? retain_first(slot, count) : retain_counted(slot, count);
}

void *lido_retain_n(void *object, size_t count) {
  if (object == NULL || count == 0) return object;
  return count <= AT_ONCE ? retain(object, count) : retain_many(object, count);
}

static LIDO_SLOW void *refuse_acquire(lido_weak weak, uint64_t word) {
  return lido_acquire_failed(lido_state_by_word(weak, word));
}

void *lido_weak_acquire_slow(lido_weak weak) {
  if (!lido_slot_exists(weak)) return lido_acquire_failed(weak.bits == 0 ? LIDO_WEAK_NULL : LIDO_WEAK_NEVER_ISSUED);
  lido_slot *slot = lido_slot_named(weak);
  uint64_t word = lido_load_acquire(&slot->word); /* ACQUIRE slot.published: as in get */
  uint64_t count;
  do {
    count = lido_word_count_for(word, weak);
    if (count - 1 >= LIDO_WORD_COUNT) return refuse_acquire(weak, word);
    /* Pinned: it lives for ever, so a reference need not be counted. */
    if (count >= LIDO_WORD_PINNED) return slot->object;
    /* ACQUIRE slot.published: as above. */
  } while (!lido_cas_weak_acquire(&slot->word, &word, word + 1));
  if (count + 1 == LIDO_WORD_PINNED) pin(slot);
  return slot->object;
}

/* ---- One less ---- */

static void end(lido_slot *slot) {
  /* ACQUIRE count.released: what was done under all the other references is over. */
  (void)lido_load_acquire(&slot->word);
  lido_death(slot);
}

static bool is_pinned(uint64_t word) {
  return lido_word_count(word) >= LIDO_WORD_PINNED && lido_word_count(word) <= LIDO_WORD_COUNT;
}

/* A destructor may drop a reference to an object that died before it because the owner ends. */
static bool is_over(const lido_slot *slot, uint64_t word) {
  return (word & LIDO_WORD_STATE) == LIDO_WORD_DYING && lido_slot_owner(slot)->ending;
}

/* `old` is no count from which so many could go and leave one. */
void lido_release_odd(lido_slot *slot, uint64_t old, size_t count) {
  if (lido_word_count(old) == count) {
    end(slot);
    return;
  }
  lido_add_relaxed(&slot->word, count); /* RELAXED: an undo */
  if (!is_pinned(old) && !is_over(slot, old)) lido_report_slot(LIDO_MISUSE_OVER_RELEASE, slot);
}

static bool is_in_life_of(lido_weak weak, uint64_t word) {
  return (word & LIDO_WORD_GENERATION) == (weak.bits & LIDO_WORD_GENERATION);
}

static void release_by_handle(lido_slot *slot, lido_weak weak) {
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange below is what counts */
  do {
    if (is_in_life_of(weak, word) && (is_pinned(word) || is_over(slot, word))) return;
    if (!is_in_life_of(weak, word) || lido_word_count(word) - 1 >= LIDO_WORD_COUNT) {
      lido_report_handle(LIDO_MISUSE_OVER_RELEASE, weak);
      return;
    }
    /* RELEASE count.released: see end. */
  } while (!lido_cas_release(&slot->word, &word, word - 1));
  if (lido_word_count(word) == 1) end(slot);
}

void lido_weak_release_slow(lido_weak weak) {
  if (weak.bits == 0) return;
  if (lido_slot_exists(weak)) {
    release_by_handle(lido_slot_named(weak), weak);
  } else {
    lido_report_handle(LIDO_MISUSE_OVER_RELEASE, weak);
  }
}

static LIDO_SLOW void release_at_rest(lido_slot *slot, size_t count) {
  lido_refs_owner *owner = lido_slot_owner(slot);
  if (count == 1 && owner != NULL) {
    owner->release_alone(owner, slot->object);
  } else {
    lido_report_slot(LIDO_MISUSE_OVER_RELEASE, slot);
  }
}

void lido_release_slow(void *object, size_t count) {
  if (object == NULL || count == 0) return;
  lido_slot *slot;
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &slot))) {
    lido_report_no_slot(object);
    return;
  }
  /* ACQUIRE count.released: as in end, if this is the last reference. */
  uint64_t word = lido_load_acquire(&slot->word);
  if (LIDO_UNLIKELY(lido_word_is_at_rest(word))) {
    release_at_rest(slot, count);
  } else if (lido_word_is_alone(word) && count == 1) {
    lido_death(slot);
  } else {
    /* RELEASE count.released: see end. */
    uint64_t old = lido_sub_release(&slot->word, count);
    if (!lido_word_outlasts(old, count)) lido_release_odd(slot, old, count);
  }
}

static void release_counted(lido_slot *slot, size_t count) {
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange is what counts */
  do {
    if (is_pinned(word)) return;
    if (lido_word_count(word) > LIDO_WORD_COUNT || lido_word_count(word) < count) {
      lido_report_slot(LIDO_MISUSE_OVER_RELEASE, slot);
      return;
    }
    /* RELEASE count.released: see end. */
  } while (!lido_cas_release(&slot->word, &word, word - count));
  if (lido_word_count(word) == count) end(slot);
}

static void release_many(void *object, size_t count) {
  lido_slot *slot;
  if (!lido_slot_find((uintptr_t)object, &slot)) {
    lido_report_no_slot(object);
  } else if (lido_word_is_at_rest(lido_load_relaxed(&slot->word))) { /* RELAXED: as in lido_release */
    release_at_rest(slot, count);
  } else {
    release_counted(slot, count);
  }
}

void lido_release_n(void *object, size_t count) {
  if (object == NULL) return;
  if (count <= AT_ONCE) {
    lido_release_slow(object, count);
  } else {
    release_many(object, count);
  }
}

/* ---- Questions ---- */

static lido_weak_state state_of_life(uint64_t word) {
  switch (word & LIDO_WORD_STATE) {
    case 0:
      return LIDO_WEAK_NEVER_ISSUED;
    case LIDO_WORD_COUNTED:
      return LIDO_WEAK_UNPUBLISHED;
    case LIDO_WORD_PUBLISHED:
      return lido_word_count(word) - 1 < LIDO_WORD_COUNT ? LIDO_WEAK_LIVE : LIDO_WEAK_STALE;
    case LIDO_WORD_KILLED:
      return LIDO_WEAK_KILLED;
    default:
      return LIDO_WEAK_STALE;
  }
}

lido_weak_state lido_state_by_word(lido_weak weak, uint64_t word) {
  uint64_t generation = weak.bits & LIDO_WORD_GENERATION;
  if (weak.bits == 0) return LIDO_WEAK_NULL;
  if (generation == 0) return LIDO_WEAK_NEVER_ISSUED;
  if (generation == (word & LIDO_WORD_GENERATION)) return state_of_life(word);
  return generation < (word & LIDO_WORD_GENERATION) ? LIDO_WEAK_STALE : LIDO_WEAK_NEVER_ISSUED;
}

size_t lido_reference_count(const void *object) {
  lido_slot *slot;
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &slot))) {
    lido_report_no_slot(object);
    return 0;
  }
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: a snapshot */
  return lido_word_is_at_rest(word) ? 1 : (size_t)(word & LIDO_WORD_COUNT);
}

void lido_counts_count(lido_weak_stats *stats) {
  stats->saturated = lido_load_relaxed(&saturated); /* RELAXED: statistic */
}
