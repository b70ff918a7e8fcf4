/* grace_period.c: see grace_period.h. */
#include "lib/refs/grace_period.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/lock.h"
#include "lib/base/misuse_report.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"
#include "lib/refs/death.h"

/* A record with what only slow paths need. Metadata starts on a cache line, so the face has one with these. */
typedef struct reader {
  lido_guard_record face; /* must be first */
  struct reader *next;
  struct reader *previous;
  uint64_t thread;
  uint64_t seen_epoch; /* in which it was first found to hold up deaths */
  uint64_t seen_ns;
} reader;

/* Slots, linked beside them. */
typedef struct slot_list {
  uint32_t first;
  uint32_t last;
  size_t count;
} slot_list;

lido_guard_state lido_guards = {.epoch = 1, .worth = LIDO_GUARD_BATCH};
__thread lido_guard_record *lido_this_guard __attribute__((tls_model("initial-exec")));

static __thread uint32_t crowd_depth __attribute__((tls_model("initial-exec"))); /* of a thread without a record */
static __thread bool is_exiting __attribute__((tls_model("initial-exec")));

static lido_lock guard_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

/* All below: under the lock, but for `crowd`, which is atomic. */
static reader *readers;
static slot_list fresh;
static slot_list aging;
static uint64_t crowd;
static uint64_t free_numbers = UINT64_MAX; /* a bit for each, from 1 on */
static uint64_t taken_ever;
static uint64_t all_in_hands; /* atomic */
static uint64_t finished;     /* statistic, atomic */
static uint64_t held_up;      /* statistic */

/* ---- Lists ---- */

static void push(slot_list *list, lido_slot *slot) {
  uint32_t index = lido_slot_index(slot);
  lido_slot_side_of(slot)->next_dying = 0;
  if (list->count++ == 0) {
    list->first = index;
  } else {
    lido_slot_side_of(lido_slot_at(list->last))->next_dying = index;
  }
  list->last = index;
}

static lido_slot *pop(slot_list *list) {
  lido_slot *slot = lido_slot_at(list->first);
  list->first = lido_slot_side_of(slot)->next_dying;
  list->count--;
  return slot;
}

static void append(slot_list *list, slot_list *more) {
  while (more->count != 0) push(list, pop(more));
}

static void note_deferred_locked(void) {
  lido_store_relaxed(&lido_guards.deferred, fresh.count + aging.count); /* RELAXED: a hint to leave, and a statistic */
}

/* ---- Records ---- */

static uint32_t take_number_locked(void) {
  if (free_numbers == 0) return 0;
  uint32_t bit = lido_bit_lowest(free_numbers);
  free_numbers &= free_numbers - 1;
  return bit + 1;
}

static void give_number_locked(uint32_t number) {
  if (number != 0) free_numbers |= UINT64_C(1) << (number - 1);
}

static void unlink_locked(reader *r) {
  give_number_locked(r->face.number);
  if (r->next != NULL) r->next->previous = r->previous;
  *(r->previous != NULL ? &r->previous->next : &readers) = r->next;
}

static void on_thread_exit(void *value) {
  lido_lock_take(&guard_lock);
  unlink_locked(value);
  lido_lock_give(&guard_lock);
  lido_metadata_free(lido_metadata_system(), value, sizeof(reader));
  lido_this_guard = NULL;
  is_exiting = true;
}

/* Last of all hooks: clean-ups that others run may read. */
static lido_os_exit_hook exit_hook = {.call = on_thread_exit, .turn = 2};

static reader *make_record(void) {
  if (is_exiting) return NULL;
  reader *r = lido_metadata_alloc(lido_metadata_system(), sizeof *r);
  if (r == NULL) return NULL;
  if (lido_os_thread_exit_arm(&exit_hook, r) != 0) {
    lido_metadata_free(lido_metadata_system(), r, sizeof *r);
    return NULL;
  }
  r->thread = lido_os_thread_number();
  lido_lock_take(&guard_lock);
  r->face.number = take_number_locked();
  r->next = readers;
  if (readers != NULL) readers->previous = r;
  readers = r;
  lido_lock_give(&guard_lock);
  return r;
}

/* ---- Enter and leave ---- */

static void enter_crowd(void) {
  if (crowd_depth++ != 0) return;
  lido_add_relaxed(&crowd, 1); /* RELAXED: the fence orders it before what is read */
  lido_fence_full();
}

void lido_guard_enter_first(void) {
  int saved_errno = errno;
  if (crowd_depth == 0) {
    reader *r = make_record();
    if (r != NULL) lido_this_guard = &r->face;
  }
  errno = saved_errno;
  if (lido_this_guard != NULL) {
    lido_guard_enter();
  } else {
    enter_crowd();
  }
}

void lido_guard_leave_odd(void) {
  if (crowd_depth == 0) {
    lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_NOT_INSIDE, .pool = "guards", .object = LIDO_NO_OBJECT});
    return;
  }
  if (--crowd_depth == 0) lido_sub_release(&crowd, 1); /* RELEASE guard.left: as in leave */
}

void lido_guard_leave_full(void) {
  int saved_errno = errno;
  if (lido_this_guard != NULL) lido_store_relaxed(&lido_this_guard->is_asked, false); /* RELAXED: a hint */
  lido_guard_collect();
  errno = saved_errno;
}

/* ---- The look at the readers ---- */

static bool is_inside(const reader *r, uint64_t *epoch) {
  /* ACQUIRE guard.left: who has left has done with what it read. */
  *epoch = lido_load_acquire(&r->face.epoch);
  return *epoch != 0;
}

static void note_hold_up_locked(reader *r, uint64_t epoch) {
  held_up++;
  lido_store_relaxed(&r->face.is_asked, true); /* RELAXED: a hint */
  if (r->seen_epoch == epoch) return;
  r->seen_epoch = epoch;
  r->seen_ns = lido_os_now_ns();
}

typedef enum look { LOOK_HELD_UP, LOOK_ALL_PRESENT, LOOK_NOBODY } look;

/* G2. */
static void order_readers(void) {
  if (lido_guards.fences) {
    lido_fence_full();
  } else {
    lido_os_barrier();
  }
}

static look look_locked(void) {
  look found = LOOK_NOBODY;
  order_readers();
  /* ACQUIRE guard.left: as in is_inside. */
  if (lido_load_acquire(&crowd) != 0) {
    held_up++;
    return LOOK_HELD_UP;
  }
  for (reader *r = readers; r != NULL; r = r->next) {
    uint64_t epoch;
    if (!is_inside(r, &epoch)) continue;
    if (epoch != lido_guards.epoch) {
      note_hold_up_locked(r, epoch);
      return LOOK_HELD_UP;
    }
    found = LOOK_ALL_PRESENT;
  }
  return found;
}

/* Who held them up is asked to look when it leaves; others, when there are a good many more. */
static void note_worth_locked(bool was_held_up) {
  size_t waiting = was_held_up ? fresh.count + aging.count : 0;
  lido_store_relaxed(&lido_guards.worth, waiting + LIDO_GUARD_BATCH); /* RELAXED: a hint */
}

static void collect_locked(slot_list *ready) {
  look found = look_locked();
  note_worth_locked(found == LOOK_HELD_UP);
  if (found == LOOK_HELD_UP) return;
  append(ready, &aging);
  if (found == LOOK_NOBODY) append(ready, &fresh);
  aging = fresh;
  fresh = (slot_list){0};
  /* RELAXED: a reader that sees an older one holds up more. */
  lido_store_relaxed(&lido_guards.epoch, lido_guards.epoch + 1);
}

/* G5. RELAXED: under the lock; who waits for 0 takes it too, before. */
static void take_in_hands_locked(const slot_list *taken) {
  uint32_t at = taken->first;
  for (size_t i = 0; i < taken->count; i++) {
    lido_slot *slot = lido_slot_at(at);
    lido_add_relaxed(&lido_slot_owner(slot)->in_hands, 1); /* RELAXED: as above */
    at = lido_slot_side_of(slot)->next_dying;
  }
  lido_add_relaxed(&all_in_hands, taken->count); /* RELAXED: as above */
  taken_ever += taken->count;
  note_deferred_locked();
}

/* All of them are on the thread's list before the program is called for the first, so that the end of another's owner
 * finds them; and those for which it is not called are over by then. */
static size_t finish(slot_list *taken) {
  size_t count = taken->count;
  while (taken->count != 0) {
    lido_slot *slot = pop(taken);
    if (!lido_death_quietly(slot)) lido_death_note(slot);
  }
  if (count != 0) lido_deaths_run();
  return count;
}

void lido_guard_finished(lido_refs_owner *owner) {
  lido_add_relaxed(&finished, 1); /* RELAXED: statistic */
  /* RELEASE guard.finished: whoever waits for it finds it over. The owner may be gone after the second. */
  lido_sub_release(&all_in_hands, 1);
  lido_sub_release(&owner->in_hands, 1);
}

size_t lido_guard_collect(void) {
  slot_list ready = {0};
  lido_lock_take(&guard_lock);
  if (fresh.count + aging.count != 0) collect_locked(&ready);
  take_in_hands_locked(&ready);
  lido_lock_give(&guard_lock);
  return finish(&ready);
}

static uint64_t taken_or_waiting(void) {
  lido_lock_take(&guard_lock);
  uint64_t count = taken_ever + fresh.count + aging.count;
  lido_lock_give(&guard_lock);
  return count;
}

static bool have_been_taken(uint64_t count) {
  lido_lock_take(&guard_lock);
  bool taken = taken_ever >= count; /* they are taken in the order in which they came */
  lido_lock_give(&guard_lock);
  return taken;
}

int lido_guard_synchronize(void) {
  bool inside = crowd_depth != 0 || (lido_this_guard != NULL && lido_this_guard->depth != 0);
  if (inside || lido_deaths_are_busy()) return EDEADLK;
  int saved_errno = errno;
  uint64_t count = taken_or_waiting();
  for (lido_guard_collect(); !have_been_taken(count); lido_guard_collect()) lido_os_yield();
  /* ACQUIRE guard.finished: what they did is done. */
  while (lido_load_acquire(&all_in_hands) != 0) lido_os_yield();
  errno = saved_errno;
  return 0;
}

/* ---- Deaths ---- */

void lido_guard_defer(lido_slot *slot) {
  lido_lock_take(&guard_lock);
  push(&fresh, slot);
  note_deferred_locked();
  bool enough = fresh.count + aging.count >= lido_guards.worth;
  lido_lock_give(&guard_lock);
  if (enough) lido_guard_leave_full();
}

static void take_of_owner_locked(slot_list *list, const lido_refs_owner *owner, slot_list *taken) {
  slot_list others = {0};
  while (list->count != 0) {
    lido_slot *slot = pop(list);
    push(lido_slot_owner(slot) == owner ? taken : &others, slot);
  }
  *list = others;
}

static void take_of_owner(const lido_refs_owner *owner, slot_list *taken) {
  lido_lock_take(&guard_lock);
  take_of_owner_locked(&aging, owner, taken);
  take_of_owner_locked(&fresh, owner, taken);
  take_in_hands_locked(taken);
  lido_lock_give(&guard_lock);
}

void lido_guard_finish_owner(lido_refs_owner *owner) {
  bool over = false;
  while (!over) {
    slot_list taken = {0};
    take_of_owner(owner, &taken);
    over = taken.count == 0;
    while (taken.count != 0) lido_death_note(pop(&taken));
    lido_deaths_finish_of(owner);
    /* ACQUIRE guard.finished: what they did is done. */
    while (lido_load_acquire(&owner->in_hands) != 0) {
      over = false;
      lido_os_yield();
    }
  }
}

/* ---- Beginning, numbers, fork ---- */

static bool system_orders_readers(void) {
#if defined(LIDO_TSAN) || defined(__SANITIZE_THREAD__)
  return false; /* the sanitizer would not know */
#else
  return lido_os_barrier_prepare();
#endif
}

void lido_guard_prepare(void) {
  static bool prepared;
  lido_lock_take(&guard_lock);
  if (!prepared)
    lido_store_relaxed(&lido_guards.fences,
                       !system_orders_readers()); /* RELAXED: before the first guard that matters */
  prepared = true;
  lido_lock_give(&guard_lock);
}

static const reader *oldest_locked(void) {
  const reader *oldest = NULL;
  for (const reader *r = readers; r != NULL; r = r->next) {
    uint64_t epoch;
    bool holds_up = is_inside(r, &epoch) && epoch == r->seen_epoch;
    if (holds_up && (oldest == NULL || r->seen_ns < oldest->seen_ns)) oldest = r;
  }
  return oldest;
}

void lido_guard_stats_get(lido_guard_stats *out) {
  *out = (lido_guard_stats){0};
  lido_lock_take(&guard_lock);
  for (const reader *r = readers; r != NULL; r = r->next) {
    uint64_t epoch;
    out->readers += is_inside(r, &epoch);
  }
  out->readers += lido_load_relaxed(&crowd); /* RELAXED: statistic */
  out->deferred = fresh.count + aging.count;
  out->finished = lido_load_relaxed(&finished); /* RELAXED: statistic */
  out->held_up = held_up;
  const reader *oldest = oldest_locked();
  if (oldest != NULL) {
    out->oldest_ns = lido_os_now_ns() - oldest->seen_ns;
    out->oldest_thread = oldest->thread;
  }
  lido_lock_give(&guard_lock);
}

static size_t length(const slot_list *list) {
  size_t count = 0;
  for (uint32_t at = list->first; count < list->count; count++) {
    const lido_slot *slot = lido_slot_at(at);
    uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: nobody else is here */
    if ((word & LIDO_WORD_STATE) != LIDO_WORD_DYING) return SIZE_MAX;
    at = lido_slot_side_of(slot)->next_dying;
  }
  return count;
}

static const char *check_numbers_locked(void) {
  uint64_t used = 0;
  for (const reader *r = readers; r != NULL; r = r->next) {
    uint64_t bit = r->face.number == 0 ? 0 : UINT64_C(1) << (r->face.number - 1);
    if (((used | free_numbers) & bit) != 0) return "G6: a number that is free, or of two threads";
    used |= bit;
  }
  return (used | free_numbers) == UINT64_MAX ? NULL : "G6: a number of nobody";
}

const char *lido_guard_check(void) {
  const char *broken = NULL;
  lido_lock_take(&guard_lock);
  if (length(&fresh) != fresh.count || length(&aging) != aging.count) broken = "G1: a slot that waits is not dying";
  if (lido_guards.deferred != fresh.count + aging.count) broken = "G3: deferred deaths miscounted";
  if (broken == NULL) broken = check_numbers_locked();
  lido_lock_give(&guard_lock);
  return broken;
}

void lido_guard_lock_for_fork(void) { lido_lock_take_for_fork(&guard_lock); }
void lido_guard_unlock_after_fork(void) { lido_lock_give_after_fork(&guard_lock); }

static reader *take_others_locked(void) {
  reader *others = NULL;
  reader *next = NULL;
  for (reader *r = readers; r != NULL; r = next) {
    next = r->next;
    if (&r->face == lido_this_guard) continue;
    unlink_locked(r);
    r->next = others;
    others = r;
  }
  return others;
}

/* The other threads are gone, and read no more. */
void lido_guard_in_child(void) {
  lido_lock_take(&guard_lock);
  reader *others = take_others_locked();
  crowd = crowd_depth != 0;
  lido_store_relaxed(&all_in_hands, lido_deaths_in_hands(NULL));  /* RELAXED: there is one thread */
  if (readers != NULL) readers->thread = lido_os_thread_number(); /* this thread's is the only one left */
  lido_lock_give(&guard_lock);
  while (others != NULL) {
    reader *gone = others;
    others = gone->next;
    lido_metadata_free(lido_metadata_system(), gone, sizeof *gone);
  }
}

void lido_guard_owner_in_child(lido_refs_owner *owner) {
  lido_store_relaxed(&owner->in_hands, lido_deaths_in_hands(owner)); /* RELAXED: there is one thread */
}
