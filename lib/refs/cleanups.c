/* cleanups.c: see cleanups.h. */
#include "lib/refs/cleanups.h"

#include <errno.h>
#include <string.h>

#include "lib/base/lock.h"
#include "lib/refs/cleanup_queue.h"
#include "lib/refs/counts.h"
#include "lib/refs/refs_misuse.h"

/* ---- Locks ---- */

typedef struct stripe {
  _Alignas(64) lido_lock lock;
} stripe;

enum { STRIPES = 16 };
#define STRIPE \
  { LIDO_LOCK_INITIAL(LIDO_RANK_LEAF) }
#define STRIPES_4 STRIPE, STRIPE, STRIPE, STRIPE
static stripe stripes[STRIPES] = {STRIPES_4, STRIPES_4, STRIPES_4, STRIPES_4};

static lido_lock *lock_of(uint32_t slot) { return &stripes[slot % STRIPES].lock; }

/* ---- Adding ---- */

/* Where a cleanup is added. */
typedef struct place {
  const lido_refs_owner *owner;
  lido_slot *slot;
} place;

/* What is added. */
typedef struct content {
  lido_cleanup_function fn;
  const void *data;
  size_t bytes;
  bool copied;
} content;

static const lido_cleanup none = {0};

static lido_cleanup refused(int error) {
  errno = error;
  return none;
}

/* false: no object's address; that was reported. */
static bool find(const void *object, place *at) {
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &at->slot))) {
    lido_report_no_slot(object);
    return false;
  }
  at->owner = lido_span_entry((uintptr_t)object)->owner;
  return true;
}

/* From now on the slot is known at the object's end. 0, or why nothing can be added. */
static int begin(lido_slot *slot) {
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the caller has a reference */
  if (LIDO_UNLIKELY(lido_word_is_at_rest(word))) return lido_count_begin(slot, LIDO_WORD_COUNTED, 1) ? 0 : EINVAL;
  uint64_t state = word & LIDO_WORD_STATE;
  return LIDO_UNLIKELY(state == LIDO_WORD_DYING || state == LIDO_WORD_RETIRED) ? ESTALE : 0;
}

static void fill(lido_cleanup_node *node, const content *what, lido_cleanup_queue *queue) {
  if (queue != NULL && lido_cleanup_queue_is_over(queue)) queue = NULL;
  if (queue != NULL) lido_cleanup_queue_hold(queue);
  node->queue = queue;
  node->fn = what->fn;
  node->copied = what->copied;
  if (what->bytes != 0) memcpy(node->content, what->data, what->bytes);
}

/* pre: `newest` is what the list is, and stays so; not closed. */
static void link_before(lido_cleanup_node *node, lido_slot *slot, uint32_t newest) {
  uint32_t index = lido_cleanup_node_index(node);
  uint64_t word = lido_load_relaxed(&node->word); /* RELAXED: this thread has it in hands */
  node->next = newest;
  node->previous = 0;
  if (newest != 0) lido_cleanup_node_at(newest)->previous = index;
  /* RELEASE cleanup.slot: who reads this slot finds the word of this life or a later one. */
  lido_store_release(&node->slot, lido_slot_index(slot));
  /* RELEASE cleanup.listed: who finds it listed finds its slot. */
  lido_store_release(&node->word, word | LIDO_NODE_LISTED);
  /* RELAXED: under the lock, or alone; read so, or by the dying thread, which comes later. */
  lido_store_relaxed(&lido_slot_side_of(slot)->cleanups, index);
}

static bool link_locked(lido_cleanup_node *node, lido_slot *slot) {
  uint32_t newest = lido_load_relaxed(&lido_slot_side_of(slot)->cleanups); /* RELAXED: under the lock */
  if (LIDO_UNLIKELY(newest == LIDO_CLEANUPS_CLOSED)) return false;
  link_before(node, slot, newest);
  return true;
}

/* F5. RELAXED: nobody else changes either. */
static bool is_empty_and_ours(const lido_slot *slot) {
  return lido_word_is_alone(lido_load_relaxed(&slot->word)) &&
         lido_load_relaxed(&lido_slot_side_of(slot)->cleanups) == 0;
}

/* false: the list is closed. */
static bool link_node(lido_cleanup_node *node, lido_slot *slot) {
  if (is_empty_and_ours(slot)) {
    link_before(node, slot, 0);
    return true;
  }
  lido_lock *lock = lock_of(lido_slot_index(slot));
  lido_lock_take(lock);
  bool linked = link_locked(node, slot);
  lido_lock_give(lock);
  return linked;
}

/* A node that is on no list any more, or never was. */
static void end_node(lido_cleanup_node *node) {
  lido_cleanup_queue *queue = node->queue;
  lido_cleanup_node_give(node, false);
  lido_cleanup_queue_drop(queue);
}

static lido_cleanup add(const place *at, lido_cleanup_queue *queue, const content *what) {
  int error = begin(at->slot);
  if (LIDO_UNLIKELY(error != 0)) return refused(error);
  lido_cleanup_node *node = lido_cleanup_node_take();
  if (LIDO_UNLIKELY(node == NULL)) return none;
  /* RELAXED: this thread has it in hands. */
  uint64_t generation = lido_load_relaxed(&node->word) & LIDO_WORD_GENERATION;
  fill(node, what, queue);
  if (LIDO_UNLIKELY(!link_node(node, at->slot))) {
    end_node(node);
    return refused(ESTALE);
  }
  lido_cleanup_node_note_registered();
  return (lido_cleanup){generation | lido_cleanup_node_index(node)};
}

/* Would the argument be gone with the object? */
static bool is_inside(const place *at, const void *arg) {
  return (uintptr_t)arg - (uintptr_t)at->slot->object < at->owner->object_bytes;
}

/* `queue` NULL: the owner's, or with `only` none. */
static inline lido_cleanup add_pointer(lido_cleanup_queue *queue, bool only, void *object, lido_cleanup_function fn,
                                       void *arg) {
  place at;
  if (object == NULL || fn == NULL || !find(object, &at) || is_inside(&at, arg)) return refused(EINVAL);
  return add(&at, only ? queue : at.owner->queue, &(content){fn, &arg, sizeof arg, false});
}

static inline lido_cleanup add_copy(lido_cleanup_queue *queue, bool only, void *object, lido_cleanup_function fn,
                                    const void *data, size_t bytes) {
  place at;
  if (object == NULL || fn == NULL || bytes > LIDO_CLEANUP_COPY_MAX || !find(object, &at)) return refused(EINVAL);
  return add(&at, only ? queue : at.owner->queue, &(content){fn, data, bytes, true});
}

lido_cleanup lido_cleanup_add(void *object, lido_cleanup_function fn, void *arg) {
  return add_pointer(NULL, false, object, fn, arg);
}

lido_cleanup lido_cleanup_add_copy(void *object, lido_cleanup_function fn, const void *data, size_t bytes) {
  return add_copy(NULL, false, object, fn, data, bytes);
}

lido_cleanup lido_cleanup_add_to(lido_cleanup_queue *queue, void *object, lido_cleanup_function fn, void *arg) {
  return add_pointer(queue, true, object, fn, arg);
}

lido_cleanup lido_cleanup_add_copy_to(lido_cleanup_queue *queue, void *object, lido_cleanup_function fn,
                                      const void *data, size_t bytes) {
  return add_copy(queue, true, object, fn, data, bytes);
}

/* ---- Stopping ---- */

static uint64_t stopped; /* statistic */

static void unlink_locked(const lido_cleanup_node *node, lido_slot_side *side) {
  if (node->next != 0) lido_cleanup_node_at(node->next)->previous = node->previous;
  if (node->previous != 0) {
    lido_cleanup_node_at(node->previous)->next = node->next;
  } else {
    lido_store_relaxed(&side->cleanups, node->next); /* RELAXED: a death that finds nothing needs nothing else */
  }
}

/* With `word` it was listed. false: it is not as the word says any more. */
static bool stop_listed(lido_cleanup_node *node, uint64_t word) {
  /* ACQUIRE cleanup.slot: if it is a later life's, the word below is, too. */
  uint32_t slot = lido_load_acquire(&node->slot);
  lido_slot_side *side = lido_slot_side_of(lido_slot_at(slot));
  lido_lock_take(lock_of(slot));
  /* ACQUIRE cleanups.opened: F4. */
  bool open = lido_load_acquire(&side->cleanups) != LIDO_CLEANUPS_CLOSED;
  bool marked = lido_cleanup_node_stop(node, word);
  if (marked && open) unlink_locked(node, side);
  lido_lock_give(lock_of(slot));
  if (marked && open) end_node(node);
  return marked;
}

static bool stop_waiting(lido_cleanup_node *node, uint64_t word) {
  bool listed = lido_cleanup_state_of(word) == LIDO_NODE_LISTED;
  if (!(listed ? stop_listed(node, word) : lido_cleanup_node_stop(node, word))) return false;
  lido_add_relaxed(&stopped, 1); /* RELAXED: statistic */
  return true;
}

/* What a word says to a handle of `generation`, if there is nothing to stop. */
static lido_cleanup_outcome outcome_of(uint64_t word, uint64_t generation) {
  uint64_t now = word >> LIDO_GENERATION_SHIFT;
  unsigned state = lido_cleanup_state_of(word);
  if (now == generation && state == LIDO_NODE_RUNNING) return LIDO_CLEANUP_RUNNING;
  bool is_last = state == LIDO_NODE_RETIRED ? now == generation : now == generation + 1;
  return is_last && (word & LIDO_NODE_LAST_RAN) != 0 ? LIDO_CLEANUP_RAN : LIDO_CLEANUP_NOT_FOUND;
}

lido_cleanup_outcome lido_cleanup_stop(lido_cleanup cleanup) {
  uint64_t generation = cleanup.bits >> LIDO_GENERATION_SHIFT;
  lido_cleanup_node *node = lido_cleanup_node_named(cleanup);
  if (node == NULL || generation == 0) return LIDO_CLEANUP_NOT_FOUND;
  for (;;) {
    /* ACQUIRE cleanup.over, cleanup.listed: if it has run, what it did; if it is listed, its slot. */
    uint64_t word = lido_load_acquire(&node->word);
    unsigned state = lido_cleanup_state_of(word);
    bool waits = state == LIDO_NODE_LISTED || state == LIDO_NODE_QUEUED;
    if (!waits || word >> LIDO_GENERATION_SHIFT != generation) return outcome_of(word, generation);
    if (stop_waiting(node, word)) return LIDO_CLEANUP_STOPPED;
  }
}

/* ---- The end of an object ---- */

uint32_t lido_cleanups_close(lido_slot *slot) {
  uint32_t index = lido_slot_index(slot);
  lido_slot_side *side = lido_slot_side_of(slot);
  if (lido_load_relaxed(&side->cleanups) == 0) return 0; /* RELAXED: cleanups.h says why */
  lido_lock_take(lock_of(index));
  uint32_t newest = lido_load_relaxed(&side->cleanups); /* RELAXED: under the lock */
  lido_store_relaxed(&side->cleanups, LIDO_CLEANUPS_CLOSED);
  lido_lock_give(lock_of(index));
  return newest;
}

/* To its queue; or here, if that has ended. */
static void run_elsewhere(lido_cleanup_node *node) {
  if (!lido_cleanup_node_step(node, LIDO_NODE_LISTED, LIDO_NODE_QUEUED)) {
    end_node(node);
  } else if (lido_cleanup_queue_push(node)) {
    lido_cleanup_node_note_queued();
  } else {
    lido_cleanup_run(node, LIDO_NODE_QUEUED);
  }
}

void lido_cleanups_run(uint32_t newest) {
  int saved_errno = errno;
  for (uint32_t index = newest, next = 0; index != 0; index = next) {
    lido_cleanup_node *node = lido_cleanup_node_at(index);
    next = node->next;
    if (node->queue == NULL) {
      lido_cleanup_run(node, LIDO_NODE_LISTED);
    } else {
      run_elsewhere(node);
    }
  }
  errno = saved_errno;
}

void lido_cleanups_open(lido_slot *slot) {
  lido_slot_side *side = lido_slot_side_of(slot);
  if (lido_load_relaxed(&side->cleanups) == 0) return; /* RELAXED: it was never closed */
  /* RELEASE cleanups.opened: F3. */
  lido_store_release(&side->cleanups, 0);
}

void lido_cleanups_assist(void) { lido_cleanup_queues_assist(); }

/* ---- Numbers, checks, fork ---- */

void lido_cleanups_count(lido_weak_stats *stats) {
  lido_cleanup_nodes_count(stats);
  stats->cleanups_stopped = lido_load_relaxed(&stopped); /* RELAXED: statistic */
}

const char *lido_cleanups_check(void) {
  const char *broken = lido_cleanup_nodes_check();
  return broken != NULL ? broken : lido_cleanup_queues_check();
}

void lido_cleanups_lock_for_fork(void) {
  for (size_t i = 0; i < STRIPES; i++) lido_lock_take_for_fork(&stripes[i].lock);
  lido_cleanup_queues_lock_for_fork();
  lido_cleanup_nodes_lock_for_fork();
}

void lido_cleanups_unlock_after_fork(void) {
  lido_cleanup_nodes_unlock_after_fork();
  lido_cleanup_queues_unlock_after_fork();
  for (size_t i = 0; i < STRIPES; i++) lido_lock_give_after_fork(&stripes[i].lock);
}

void lido_cleanups_in_child(void) {
  lido_cleanup_nodes_in_child();
  lido_cleanup_queues_in_child();
}
