/* cleanup_queue.c: see cleanup_queue.h. */
#include "lib/refs/cleanup_queue.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/lock.h"
#include "lib/mem/metadata.h"
#include "lib/refs/refs_fork.h"

#define ENDED UINT32_MAX

enum { ASSISTED = 8 }; /* cleanups that one thread runs after a death: more than most deaths add */

static lido_lock queues_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

/* Under the lock. */
static lido_cleanup_queue *first_queue;

/* This thread's. */
static __thread struct {
  lido_queue_visit *visit;     /* the innermost */
  lido_cleanup_queue *crowded; /* has too much, and is to be assisted; a reference */
  bool armed;
  bool exits;
} this_thread __attribute__((tls_model("initial-exec")));

/* ---- Birth and end ---- */

static void link_queue(lido_cleanup_queue *queue) {
  lido_lock_take(&queues_lock);
  queue->next = first_queue;
  if (first_queue != NULL) first_queue->previous = queue;
  first_queue = queue;
  lido_lock_give(&queues_lock);
}

static void unlink_queue(lido_cleanup_queue *queue) {
  lido_lock_take(&queues_lock);
  if (queue->next != NULL) queue->next->previous = queue->previous;
  if (queue->previous != NULL) {
    queue->previous->next = queue->next;
  } else {
    first_queue = queue->next;
  }
  lido_lock_give(&queues_lock);
}

static size_t bytes_of(const char *name) { return sizeof(lido_cleanup_queue) + strlen(name) + 1; }

static lido_cleanup_queue *make_queue(const lido_cleanup_queue_options *options) {
  const char *name = options->name != NULL ? options->name : "cleanups";
  lido_cleanup_queue *queue = lido_metadata_alloc(lido_metadata_system(), bytes_of(name));
  if (queue == NULL) return NULL;
  queue->event = options->wants_eventfd ? lido_os_event_open() : -1;
  if (options->wants_eventfd && queue->event < 0) {
    lido_metadata_free(lido_metadata_system(), queue, bytes_of(name));
    return NULL;
  }
  queue->options = *options;
  memcpy(queue->name, name, strlen(name) + 1);
  queue->options.name = queue->name;
  queue->references = 1;
  lido_lock_init(&queue->lock, LIDO_RANK_LEAF);
  lido_os_condition_init(&queue->changed);
  return queue;
}

lido_cleanup_queue *lido_cleanup_queue_create(const lido_cleanup_queue_options *options) {
  static const lido_cleanup_queue_options defaults = {.name = NULL};
  int error = lido_refs_fork_join();
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_cleanup_queue *queue = make_queue(options != NULL ? options : &defaults);
  if (queue != NULL) link_queue(queue);
  return queue;
}

static void free_queue(lido_cleanup_queue *queue) {
  unlink_queue(queue);
  lido_os_condition_end(&queue->changed);
  lido_lock_end(&queue->lock);
  lido_metadata_free(lido_metadata_system(), queue, bytes_of(queue->name));
}

/* RELAXED: there is a reference already. */
void lido_cleanup_queue_hold(lido_cleanup_queue *queue) {
  if (queue != NULL) lido_add_relaxed(&queue->references, 1);
}

void lido_cleanup_queue_drop(lido_cleanup_queue *queue) {
  /* RELEASE queue.dropped: what is done with the queue comes before it is freed. */
  if (queue == NULL || lido_sub_release(&queue->references, 1) != 1) return;
  (void)lido_load_acquire(&queue->references); /* ACQUIRE queue.dropped: by whomever */
  free_queue(queue);
}

/* RELAXED: a push that comes later finds out for certain. */
bool lido_cleanup_queue_is_over(const lido_cleanup_queue *queue) { return lido_load_relaxed(&queue->newest) == ENDED; }

/* ---- Visits ---- */

static void enter_locked(lido_cleanup_queue *queue, lido_queue_visit *visit) {
  lido_cleanup_queue_hold(queue);
  queue->visits++;
  *visit = (lido_queue_visit){.queue = queue, .outer = this_thread.visit};
  this_thread.visit = visit;
}

void lido_cleanup_queue_enter(lido_cleanup_queue *queue, lido_queue_visit *visit) {
  lido_lock_take(&queue->lock);
  enter_locked(queue, visit);
  lido_lock_give(&queue->lock);
}

void lido_cleanup_queue_leave(lido_queue_visit *visit) {
  lido_cleanup_queue *queue = visit->queue;
  LIDO_ASSERT(this_thread.visit == visit);
  this_thread.visit = visit->outer;
  lido_lock_take(&queue->lock);
  queue->visits--;
  if (queue->ended) lido_os_condition_wake_all(&queue->changed);
  lido_lock_give(&queue->lock);
  lido_cleanup_queue_drop(queue);
}

static size_t own_visits(const lido_cleanup_queue *queue) {
  size_t count = 0;
  for (const lido_queue_visit *visit = this_thread.visit; visit != NULL; visit = visit->outer) {
    count += visit->queue == queue;
  }
  return count;
}

/* ---- Taking ---- */

/* The nodes from `newest` on, turned round. */
static uint32_t turned_round(uint32_t newest) {
  uint32_t oldest = 0;
  for (uint32_t index = newest, next = 0; index != 0; index = next) {
    lido_cleanup_node *node = lido_cleanup_node_at(index);
    next = node->next;
    node->next = oldest;
    oldest = index;
  }
  return oldest;
}

static bool has_some_locked(const lido_cleanup_queue *queue) {
  /* RELAXED: only whether there is something; or the end, written under the lock. */
  uint32_t newest = lido_load_relaxed(&queue->newest);
  return queue->oldest != 0 || (newest != 0 && newest != ENDED);
}

static void lower_locked(lido_cleanup_queue *queue) {
  if (queue->raised && !has_some_locked(queue)) {
    lido_os_event_lower(queue->event);
    queue->raised = false;
  }
}

/* RELAXED: a hint, made by whoever comes first. */
static void note_taken_locked(lido_cleanup_queue *queue) {
  uint64_t left = lido_sub_relaxed(&queue->pending, 1) - 1;
  if (left * 2 < queue->options.high_water && lido_load_relaxed(&queue->crowded) != 0) {
    lido_store_relaxed(&queue->crowded, 0);
  }
}

lido_cleanup_node *lido_cleanup_queue_take_locked(lido_cleanup_queue *queue, size_t *looks) {
  if (queue->oldest == 0 && *looks > 0 && has_some_locked(queue)) {
    --*looks;
    /* ACQUIRE queue.pushed: all nodes of the stack are as they were pushed. */
    queue->oldest = turned_round(lido_exchange_acquire(&queue->newest, 0));
  }
  if (queue->oldest == 0) return NULL;
  lido_cleanup_node *node = lido_cleanup_node_at(queue->oldest);
  queue->oldest = node->next;
  note_taken_locked(queue);
  lower_locked(queue);
  return node;
}

static lido_cleanup_node *take(lido_cleanup_queue *queue, size_t *looks) {
  lido_lock_take(&queue->lock);
  lido_cleanup_node *node = lido_cleanup_queue_take_locked(queue, looks);
  lido_lock_give(&queue->lock);
  return node;
}

bool lido_cleanup_run(lido_cleanup_node *node, unsigned from) {
  lido_cleanup_queue *queue = node->queue;
  bool runs = lido_cleanup_node_step(node, from, LIDO_NODE_RUNNING);
  if (runs) {
    lido_cleanup_node_note_run();
    node->fn(lido_cleanup_node_argument(node));
  }
  lido_cleanup_node_give(node, runs);
  if (queue != NULL) lido_cleanup_queue_drop(queue);
  return runs;
}

/* Until `max` ran or the time has come. With max 0 all that there are: the list, what is on the stack when that has
 * been run, and no more; whatever comes after that look finds the stack empty and is announced. */
static size_t run_some(lido_cleanup_queue *queue, size_t max, uint64_t deadline_ns) {
  size_t ran = 0;
  size_t looks = max != 0 ? SIZE_MAX : 1;
  while (max == 0 || ran < max) {
    if (deadline_ns != 0 && lido_os_now_ns() >= deadline_ns) break;
    lido_cleanup_node *node = take(queue, &looks);
    if (node == NULL) break;
    ran += lido_cleanup_run(node, LIDO_NODE_QUEUED);
  }
  return ran;
}

size_t lido_cleanup_queue_drain(lido_cleanup_queue *queue, size_t max, uint64_t budget_ns) {
  int saved_errno = errno;
  lido_queue_visit visit;
  uint64_t deadline_ns = budget_ns != 0 ? lido_os_now_ns() + budget_ns : 0;
  if (deadline_ns < budget_ns) deadline_ns = 0; /* never */
  if (lido_cleanup_queue_pending(queue) == 0) return 0;
  lido_cleanup_queue_enter(queue, &visit);
  size_t ran = run_some(queue, max, deadline_ns);
  lido_cleanup_queue_leave(&visit);
  errno = saved_errno;
  return ran;
}

/* ---- Assistance ---- */

static void on_thread_exit(void *unused) {
  (void)unused;
  this_thread.exits = true;
  lido_cleanup_queue_drop(this_thread.crowded);
  this_thread.crowded = NULL;
}

static lido_os_exit_hook exit_hook = {.call = on_thread_exit, .turn = 2};

/* Will it be told when it exits? */
static bool is_armed(void) {
  int saved_errno = errno;
  if (!this_thread.armed && !this_thread.exits)
    this_thread.armed = lido_os_thread_exit_arm(&exit_hook, &exit_hook) == 0;
  errno = saved_errno;
  return this_thread.armed && !this_thread.exits;
}

/* A thread that is inside a queue already is none to help. */
static void ask_for_assistance(lido_cleanup_queue *queue) {
  if (this_thread.crowded != NULL || this_thread.visit != NULL || !is_armed()) return;
  lido_cleanup_queue_hold(queue);
  this_thread.crowded = queue;
}

static LIDO_SLOW void assist(lido_cleanup_queue *queue) {
  this_thread.crowded = NULL;
  lido_cleanup_queue_drain(queue, ASSISTED, 0);
  lido_cleanup_queue_drop(queue);
}

void lido_cleanup_queues_assist(void) {
  if (LIDO_UNLIKELY(this_thread.crowded != NULL) && this_thread.visit == NULL) assist(this_thread.crowded);
}

/* ---- Pushing ---- */

enum { CAME_FIRST = 1, CROWDS = 2 };

static void raise_locked(lido_cleanup_queue *queue) {
  if (!has_some_locked(queue)) return; /* it was taken since: J3 */
  if (queue->event >= 0 && !queue->raised) {
    lido_os_event_raise(queue->event);
    queue->raised = true;
  }
  lido_os_condition_wake_all(&queue->changed);
}

/* Raise, wake, and call those who want to know. */
static LIDO_SLOW void announce(lido_cleanup_queue *queue, unsigned what) {
  const lido_cleanup_queue_options *options = &queue->options;
  bool notifies = what & CAME_FIRST && options->notify != NULL;
  bool warns = what & CROWDS && options->on_high_water != NULL;
  lido_queue_visit visit;
  lido_lock_take(&queue->lock);
  if (what & CAME_FIRST) raise_locked(queue);
  bool visits = (notifies || warns) && !queue->ended;
  if (visits) enter_locked(queue, &visit);
  lido_lock_give(&queue->lock);
  if (!visits) return;
  if (notifies) options->notify(options->context);
  if (warns) options->on_high_water(lido_cleanup_queue_pending(queue), options->context);
  lido_cleanup_queue_leave(&visit);
}

/* RELAXED: one of those who pass the mark together comes first. */
static bool is_first_to_crowd(lido_cleanup_queue *queue, uint64_t pending) {
  uint32_t crowded = 0;
  if (queue->options.high_water == 0 || pending < queue->options.high_water) return false;
  return lido_load_relaxed(&queue->crowded) == 0 && lido_cas_relaxed(&queue->crowded, &crowded, 1);
}

/* Onto the stack. -> what lay on top, or ENDED: it is not there. */
static uint32_t push_onto_stack(lido_cleanup_queue *queue, lido_cleanup_node *node) {
  uint32_t newest = lido_load_relaxed(&queue->newest); /* RELAXED: the exchange is what counts */
  do {
    if (newest == ENDED) return ENDED;
    node->next = newest;
    /* RELEASE queue.pushed: the node, and what its object's user did. */
  } while (!lido_cas_release(&queue->newest, &newest, lido_cleanup_node_index(node)));
  return newest;
}

bool lido_cleanup_queue_push(lido_cleanup_node *node) {
  lido_cleanup_queue *queue = node->queue;
  lido_cleanup_queue_hold(queue); /* the node's reference may be gone as soon as it is on the stack */
  uint64_t pending = lido_add_relaxed(&queue->pending, 1) + 1; /* RELAXED: J2 */
  uint32_t below = push_onto_stack(queue, node);
  if (below == ENDED) {
    lido_sub_relaxed(&queue->pending, 1);
  } else {
    unsigned what = (below == 0 ? CAME_FIRST : 0) | (is_first_to_crowd(queue, pending) ? CROWDS : 0);
    if (what != 0) announce(queue, what);
    if (queue->options.assist_beyond != 0 && pending > queue->options.assist_beyond) ask_for_assistance(queue);
  }
  lido_cleanup_queue_drop(queue);
  return below != ENDED;
}

/* ---- The end ---- */

/* Everything that is on it, oldest first; and from now on nothing more. */
static uint32_t end_locked(lido_cleanup_queue *queue) {
  /* ACQUIRE queue.pushed: as in taking. */
  uint32_t younger = turned_round(lido_exchange_acquire(&queue->newest, ENDED));
  uint32_t *end = &queue->oldest;
  while (*end != 0) end = &lido_cleanup_node_at(*end)->next;
  *end = younger;
  uint32_t all = queue->oldest;
  for (uint32_t index = all; index != 0; index = lido_cleanup_node_at(index)->next) note_taken_locked(queue);
  queue->oldest = 0;
  queue->ended = true;
  if (queue->event >= 0) lido_os_event_close(queue->event);
  queue->event = -1;
  queue->raised = false;
  return all;
}

/* The last state of the queue, but for nodes of living objects. -> what was on it. The worker ends after the queue,
 * when none can be started any more: else the wait for visits would be for a worker whom nobody tells to end. */
static uint32_t end_queue(lido_cleanup_queue *queue) {
  lido_lock_take(&queue->lock);
  uint32_t all = end_locked(queue);
  lido_lock_give(&queue->lock);
  lido_cleanup_worker_end(queue);
  lido_lock_take(&queue->lock);
  while (queue->visits > own_visits(queue)) lido_os_condition_wait(&queue->changed, &queue->lock, UINT64_MAX);
  lido_lock_give(&queue->lock);
  return all;
}

/* What becomes of one that was pending. -> whether it counts. */
typedef bool (*last_word)(lido_cleanup_node *node, void *arg);

static size_t end_with(lido_cleanup_queue *queue, last_word say, void *arg) {
  size_t count = 0;
  int saved_errno = errno;
  if (queue == NULL) return 0;
  for (uint32_t index = end_queue(queue), next = 0; index != 0; index = next) {
    lido_cleanup_node *node = lido_cleanup_node_at(index);
    next = node->next;
    count += say(node, arg);
  }
  lido_cleanup_queue_drop(queue);
  errno = saved_errno;
  return count;
}

static bool run_now(lido_cleanup_node *node, void *unused) {
  (void)unused;
  return lido_cleanup_run(node, LIDO_NODE_QUEUED);
}

size_t lido_cleanup_queue_destroy(lido_cleanup_queue *queue) { return end_with(queue, run_now, NULL); }

typedef struct taker {
  void (*take)(lido_cleanup_function fn, void *arg, void *context);
  void *context;
} taker;

static bool hand_back(lido_cleanup_node *node, void *arg) {
  const taker *to = arg;
  lido_cleanup_queue *queue = node->queue;
  bool is_handed = lido_cleanup_node_step(node, LIDO_NODE_QUEUED, LIDO_NODE_RUNNING);
  if (is_handed) to->take(node->fn, lido_cleanup_node_argument(node), to->context);
  lido_cleanup_node_give(node, false);
  lido_cleanup_queue_drop(queue);
  return is_handed;
}

size_t lido_cleanup_queue_destroy_with(lido_cleanup_queue *queue,
                                       void (*take_back)(lido_cleanup_function fn, void *arg, void *context),
                                       void *context) {
  return end_with(queue, hand_back, &(taker){.take = take_back, .context = context});
}

/* ---- Questions ---- */

size_t lido_cleanup_queue_pending(const lido_cleanup_queue *queue) {
  return (size_t)lido_load_relaxed(&queue->pending); /* RELAXED: a snapshot */
}

const char *lido_cleanup_queue_name(const lido_cleanup_queue *queue) { return queue->name; }

int lido_cleanup_queue_eventfd(const lido_cleanup_queue *queue) { return queue->event; }

/* ---- Numbers, checks, fork ---- */

/* From `index` on. -> how many, or UINT64_MAX: one does not belong there. */
static uint64_t count_chain(const lido_cleanup_queue *queue, uint32_t index) {
  uint64_t count = 0;
  for (; index != 0 && index != ENDED; index = lido_cleanup_node_at(index)->next) {
    const lido_cleanup_node *node = lido_cleanup_node_at(index);
    unsigned state =
        lido_cleanup_state_of(lido_load_relaxed(&node->word)); /* RELAXED: nobody runs or stops meanwhile */
    if (node->queue != queue || (state != LIDO_NODE_QUEUED && state != LIDO_NODE_STOPPED)) return UINT64_MAX;
    count++;
  }
  return count;
}

static const char *check_queue(const lido_cleanup_queue *queue) {
  uint32_t newest = lido_load_relaxed(&queue->newest); /* RELAXED: nobody uses the queue meanwhile */
  uint64_t younger = count_chain(queue, newest);
  uint64_t older = count_chain(queue, queue->oldest);
  if (younger == UINT64_MAX || older == UINT64_MAX) return "J1: a node on a queue that is not its own";
  if (younger + older != lido_load_relaxed(&queue->pending)) return "J2: pending is miscounted";
  if (queue->event >= 0 && queue->raised != (younger + older != 0)) return "J3: the event does not say what is pending";
  if (queue->ended != (newest == ENDED) || (queue->ended && queue->oldest != 0)) return "J4: an ended queue goes on";
  return NULL;
}

const char *lido_cleanup_queues_check(void) {
  const char *broken = NULL;
  lido_lock_take(&queues_lock);
  for (const lido_cleanup_queue *queue = first_queue; queue != NULL && broken == NULL; queue = queue->next) {
    broken = check_queue(queue);
  }
  lido_lock_give(&queues_lock);
  return broken;
}

void lido_cleanup_queues_lock_for_fork(void) {
  lido_lock_take_for_fork(&queues_lock);
  for (lido_cleanup_queue *queue = first_queue; queue != NULL; queue = queue->next) {
    lido_lock_take_for_fork(&queue->lock);
  }
}

void lido_cleanup_queues_unlock_after_fork(void) {
  for (lido_cleanup_queue *queue = first_queue; queue != NULL; queue = queue->next) {
    lido_lock_give_after_fork(&queue->lock);
  }
  lido_lock_give_after_fork(&queues_lock);
}

/* Other threads' visits are over, their pushes were made or not, the event is this process's own.
 * RELAXED: one thread. */
static void live_on_in_child(lido_cleanup_queue *queue) {
  uint64_t pending = count_chain(queue, lido_load_relaxed(&queue->newest)) + count_chain(queue, queue->oldest);
  queue->visits = own_visits(queue);
  queue->worker = LIDO_WORKER_NONE;
  lido_os_condition_init(&queue->changed);
  lido_store_relaxed(&queue->pending, pending);
  if (queue->event >= 0 && !lido_os_event_renew(queue->event)) queue->event = -1;
  queue->raised = queue->event >= 0 && pending != 0;
  if (queue->raised) lido_os_event_raise(queue->event);
}

void lido_cleanup_queues_in_child(void) {
  for (lido_cleanup_queue *queue = first_queue; queue != NULL; queue = queue->next) live_on_in_child(queue);
}
