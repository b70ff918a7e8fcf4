/* slots.c: see slots.h. */
#include "lib/refs/slots.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/fault.h"
#include "lib/base/lock.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

LIDO_STATIC_ASSERT(sizeof(lido_slot) == 16, "as promised: 16 bytes an object");

lido_slot_table lido_slots;
lido_slot_side *lido_slot_sides;

enum {
  RUN_MIN = 4,
  RUN_KINDS = 19, /* powers of two from RUN_MIN to LIDO_SLOT_RUN_MAX */
  COMMIT_SLOTS = 1 << 14,
  COMMIT_SLOTS_HUGE = 1 << 17, /* 2 MiB: once there are so many, they come by huge pages */
  HUGE_PAGE = 2 << 20,
  RANGE_LOG2_MAX = 32,
  RANGE_LOG2_MIN = 16,
  LIMIT_SHARE = 16, /* of what the process may have, one part for each range */
};

/* Runs of one size that were given back. The room is for all that were ever made, so that giving back needs none. */
typedef struct run_list {
  uint32_t *firsts; /* [room] */
  size_t room;
  size_t count;
  size_t made;
} run_list;

static lido_lock slots_lock = LIDO_LOCK_INITIAL(LIDO_RANK_SLOTS);

/* All below: under the lock. */
static uint64_t range;    /* slots that there are addresses for; 0 before the first use */
static uint64_t frontier; /* the first that is in no run */
static uint64_t in_use;
static run_list free_runs[2][RUN_KINDS]; /* wide, narrow */

/* ---- The range ---- */

unsigned lido_range_log2(unsigned most, unsigned least, size_t bytes) {
  size_t share = lido_os_address_limit() / LIMIT_SHARE;
  unsigned log2 = most;
  while (log2 > least && bytes << log2 > share) log2--;
  return log2;
}

static bool reserve_both(uint64_t slots) {
  size_t slot_bytes = slots * sizeof(lido_slot) + HUGE_PAGE; /* from a huge page's start on */
  size_t side_bytes = slots * sizeof(lido_slot_side);
  void *slot_pages = lido_os_pages_reserve(slot_bytes);
  if (slot_pages == NULL) return false;
  lido_slot_sides = lido_os_pages_reserve(side_bytes);
  if (lido_slot_sides == NULL) {
    lido_os_pages_unmap(slot_pages, slot_bytes);
    return false;
  }
  lido_fault_account(-(int64_t)(slot_bytes + side_bytes)); /* for ever, so not a leak */
  lido_slots.slots = (lido_slot *)lido_round_up((uintptr_t)slot_pages, HUGE_PAGE);
  range = slots;
  frontier = RUN_MIN; /* H2: slot 0 is nobody's */
  return true;
}

static bool reserve_locked(void) {
  int saved_errno = errno;
  unsigned log2 = lido_range_log2(RANGE_LOG2_MAX, RANGE_LOG2_MIN, sizeof(lido_slot) + sizeof(lido_slot_side));
  for (; range == 0 && log2 >= RANGE_LOG2_MIN; log2--) reserve_both(UINT64_C(1) << log2);
  if (range == 0) return false;
  errno = saved_errno;
  return true;
}

/* Memory for all slots below `end`. The limit is one run's tail ahead of what is handed out. */
static int commit_locked(uint64_t end) {
  while (lido_slots.limit < end) {
    uint64_t first = lido_slots.limit;
    size_t count = first < COMMIT_SLOTS_HUGE ? COMMIT_SLOTS : COMMIT_SLOTS_HUGE;
    lido_slot *slots = &lido_slots.slots[first];
    int error = lido_os_pages_commit(slots, count * sizeof *slots);
    if (error == 0) error = lido_os_pages_commit(&lido_slot_sides[first], count * sizeof *lido_slot_sides);
    if (error != 0) return error;
    if (count == COMMIT_SLOTS_HUGE) lido_os_pages_want_huge(slots, count * sizeof *slots);
    /* RELEASE slots.limit: a reader that is below it finds the table and the memory. */
    lido_store_release(&lido_slots.limit, first + count);
  }
  return 0;
}

/* ---- Runs ---- */

static size_t run_kind(size_t count) {
  return lido_log2(lido_power_of_two_above(lido_max(count, RUN_MIN))) - lido_log2(RUN_MIN);
}

static size_t run_slots(size_t kind) { return (size_t)RUN_MIN << kind; }

static bool make_room_locked(run_list *list) {
  if (list->made < list->room) return true;
  size_t room = lido_max(list->room * 2, 16);
  uint32_t *grown = lido_metadata_alloc(lido_metadata_system(), room * sizeof *grown);
  if (grown == NULL) return false;
  if (list->count != 0) memcpy(grown, list->firsts, list->count * sizeof *grown);
  lido_metadata_free(lido_metadata_system(), list->firsts, list->room * sizeof *grown);
  list->firsts = grown;
  list->room = room;
  return true;
}

static void number_slots(uint32_t first, size_t count) {
  for (size_t i = 0; i < count; i++) {
    /* RELAXED: nobody has a handle of it. */
    lido_store_relaxed(&lido_slot_at(first + (uint32_t)i)->word,
                       UINT64_C(1) << LIDO_GENERATION_SHIFT | LIDO_WORD_GUARD);
  }
}

static uint32_t new_run_locked(size_t kind, bool narrow) {
  size_t slots = run_slots(kind);
  uint64_t end = frontier + slots;
  bool fits = end <= range && (!narrow || end <= UINT64_C(1) << LIDO_NARROW_SLOT_BITS);
  if (!fits || !make_room_locked(&free_runs[narrow][kind]) || commit_locked(end) != 0) return 0;
  uint32_t first = (uint32_t)frontier;
  frontier = end;
  free_runs[narrow][kind].made++;
  number_slots(first, slots);
  return first;
}

uint32_t lido_slots_take(size_t count, bool narrow) {
  LIDO_ASSERT(count >= 1 && count <= LIDO_SLOT_RUN_MAX);
  size_t kind = run_kind(count);
  uint32_t first = 0;
  lido_lock_take(&slots_lock);
  run_list *list = &free_runs[narrow][kind];
  if (list->count > 0) {
    first = list->firsts[--list->count];
  } else if (range != 0 || reserve_locked()) {
    first = new_run_locked(kind, narrow);
  }
  if (first != 0) in_use += count;
  lido_lock_give(&slots_lock);
  if (first == 0) errno = ENOMEM;
  return first;
}

void lido_slots_give(uint32_t first, size_t count, bool narrow, bool used_up) {
  lido_lock_take(&slots_lock);
  run_list *list = &free_runs[narrow][run_kind(count)];
  if (used_up) {
    list->made--;
  } else {
    list->firsts[list->count++] = first;
  }
  in_use -= count;
  lido_lock_give(&slots_lock);
}

/* ---- Numbers and checks ---- */

void lido_slots_count(lido_weak_stats *stats) {
  lido_lock_take(&slots_lock);
  stats->slots = frontier;
  stats->slots_in_use = in_use;
  lido_lock_give(&slots_lock);
}

static const char *check_run(uint32_t first, size_t slots) {
  for (size_t i = 0; i < slots; i++) {
    const lido_slot *slot = lido_slot_at(first + (uint32_t)i);
    uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: nobody uses handles meanwhile */
    if ((word & ~LIDO_WORD_GENERATION) != LIDO_WORD_GUARD || word >> LIDO_GENERATION_SHIFT == 0) {
      return "H4: a slot of nobody is not at rest";
    }
    if (slot->object != NULL || lido_slot_side_of(slot)->cleanups != 0) return "H4: a slot of nobody has an object";
  }
  return NULL;
}

const char *lido_slots_check(void) {
  const char *broken = NULL;
  lido_lock_take(&slots_lock);
  if (frontier > RUN_MIN && frontier > lido_slots.limit) broken = "H2: a slot without memory";
  for (size_t narrow = 0; narrow < 2; narrow++) {
    for (size_t kind = 0; kind < RUN_KINDS; kind++) {
      const run_list *list = &free_runs[narrow][kind];
      if (list->count > list->made || list->made > list->room) broken = "H3: runs miscounted";
      for (size_t i = 0; broken == NULL && i < list->count; i++) broken = check_run(list->firsts[i], run_slots(kind));
    }
  }
  lido_lock_give(&slots_lock);
  return broken;
}

void lido_slots_lock_for_fork(void) { lido_lock_take_for_fork(&slots_lock); }
void lido_slots_unlock_after_fork(void) { lido_lock_give_after_fork(&slots_lock); }
