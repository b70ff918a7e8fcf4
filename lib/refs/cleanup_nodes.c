/* cleanup_nodes.c: see cleanup_nodes.h. */
#include "lib/refs/cleanup_nodes.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/fault.h"
#include "lib/base/lock.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

LIDO_STATIC_ASSERT(sizeof(lido_cleanup_node) == 64, "one cache line");

lido_cleanup_node_table lido_cleanup_nodes;

enum {
  COMMIT_NODES = 1 << 12,
  RANGE_LOG2_MAX = 26,
  RANGE_LOG2_MIN = 16,
  CACHE_NODES = 114, /* so that a cache is one block of 512 bytes */
  MOVED_NODES = CACHE_NODES / 2,
};

/* Free nodes of one thread, which alone changes the counts, that of nodes always so that every number below it is a
 * free node's. */
typedef struct node_cache {
  struct node_cache *next; /* under the lock, like previous */
  struct node_cache *previous;
  uint64_t registered; /* statistics: cleanups; the thread's own */
  uint64_t queued;
  uint64_t ran;
  uint32_t count;
  uint32_t nodes[CACHE_NODES];
} node_cache;

static __thread struct {
  node_cache *cache;
  bool exits; /* it had a cache, and has none any more */
} this_thread __attribute__((tls_model("initial-exec")));

static lido_lock nodes_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

/* All below: under the lock. */
static uint64_t range;      /* nodes that there are addresses for; 0 before the first use */
static uint64_t frontier;   /* the first that was never taken */
static uint32_t first_free; /* linked by next */
static uint64_t free_count;
static uint64_t retired;
static node_cache *first_cache;

/* Statistics: cleanups of threads that are gone, or have no cache. */
static uint64_t registered_elsewhere;
static uint64_t queued_elsewhere;
static uint64_t ran_elsewhere;

static int64_t stopped_on_the_way; /* nodes in this state: a statistic */

/* ---- The range ---- */

static bool reserve_locked(void) {
  int saved_errno = errno;
  unsigned log2 = lido_range_log2(RANGE_LOG2_MAX, RANGE_LOG2_MIN, sizeof(lido_cleanup_node));
  for (; range == 0 && log2 >= RANGE_LOG2_MIN; log2--) {
    size_t bytes = ((size_t)1 << log2) * sizeof(lido_cleanup_node);
    lido_cleanup_nodes.nodes = lido_os_pages_reserve(bytes);
    if (lido_cleanup_nodes.nodes == NULL) continue;
    lido_fault_account(-(int64_t)bytes); /* for ever, so not a leak */
    range = UINT64_C(1) << log2;
    frontier = 1; /* E3 */
  }
  errno = saved_errno;
  return range != 0;
}

static bool commit_locked(void) {
  uint64_t first = lido_cleanup_nodes.limit;
  if (first == range) return false;
  if (lido_os_pages_commit(lido_cleanup_node_at((uint32_t)first), COMMIT_NODES * sizeof(lido_cleanup_node)) != 0) {
    return false;
  }
  /* RELEASE cleanups.limit: who is below it finds the table and the memory. */
  lido_store_release(&lido_cleanup_nodes.limit, first + COMMIT_NODES);
  return true;
}

lido_cleanup_node *lido_cleanup_node_named(lido_cleanup cleanup) {
  uint64_t index = cleanup.bits & UINT32_MAX;
  /* ACQUIRE cleanups.limit: below it, the table and the memory are there. */
  bool is_there = index != 0 && index < lido_load_acquire(&lido_cleanup_nodes.limit);
  return is_there ? &lido_cleanup_nodes.nodes[index] : NULL;
}

/* ---- The free list ---- */

/* A node that was never taken, in its first life; 0: none. */
static uint32_t fresh_locked(void) {
  if (range == 0 && !reserve_locked()) return 0;
  if (frontier >= lido_cleanup_nodes.limit && !commit_locked()) return 0;
  uint32_t index = (uint32_t)frontier++;
  /* RELAXED: nobody has a handle of it. */
  lido_store_relaxed(&lido_cleanup_node_at(index)->word, UINT64_C(1) << LIDO_GENERATION_SHIFT);
  return index;
}

static uint32_t take_locked(void) {
  if (first_free == 0) return fresh_locked();
  uint32_t index = first_free;
  first_free = lido_cleanup_node_at(index)->next;
  free_count--;
  return index;
}

static void give_locked(uint32_t index) {
  lido_cleanup_node_at(index)->next = first_free;
  first_free = index;
  free_count++;
}

static void empty_cache_locked(node_cache *cache, uint32_t down_to) {
  /* RELAXED: only statistics read it besides its thread. */
  for (uint32_t count = cache->count; count > down_to; lido_store_relaxed(&cache->count, count)) {
    give_locked(cache->nodes[--count]);
  }
}

static void fill_cache_locked(node_cache *cache) {
  uint32_t index = 0;
  while (cache->count < MOVED_NODES && (index = take_locked()) != 0) {
    cache->nodes[cache->count] = index;
    lido_store_relaxed(&cache->count, cache->count + 1); /* RELAXED: as above */
  }
}

/* ---- Caches ---- */

static void unlink_cache_locked(node_cache *cache) {
  if (cache->next != NULL) cache->next->previous = cache->previous;
  if (cache->previous != NULL) {
    cache->previous->next = cache->next;
  } else {
    first_cache = cache->next;
  }
}

static void end_cache(node_cache *cache) {
  lido_lock_take(&nodes_lock);
  lido_add_relaxed(&registered_elsewhere, cache->registered); /* RELAXED: statistics, and nobody else adds to them */
  lido_add_relaxed(&queued_elsewhere, cache->queued);
  lido_add_relaxed(&ran_elsewhere, cache->ran);
  empty_cache_locked(cache, 0);
  unlink_cache_locked(cache);
  lido_lock_give(&nodes_lock);
  lido_metadata_free(lido_metadata_system(), cache, sizeof *cache);
}

static void on_thread_exit(void *cache) {
  this_thread.cache = NULL;
  this_thread.exits = true;
  end_cache(cache);
}

/* Other rooms' hooks release objects, and so use nodes. */
static lido_os_exit_hook exit_hook = {.call = on_thread_exit, .turn = 2};

static void link_cache(node_cache *cache) {
  lido_lock_take(&nodes_lock);
  cache->next = first_cache;
  if (first_cache != NULL) first_cache->previous = cache;
  first_cache = cache;
  lido_lock_give(&nodes_lock);
}

/* This thread's, made if need be; NULL: it has to do without. */
static LIDO_SLOW node_cache *cache_of_thread(void) {
  if (this_thread.cache != NULL || this_thread.exits) return this_thread.cache;
  int saved_errno = errno;
  node_cache *cache = lido_metadata_alloc(lido_metadata_system(), sizeof *cache);
  if (cache != NULL && lido_os_thread_exit_arm(&exit_hook, cache) != 0) {
    lido_metadata_free(lido_metadata_system(), cache, sizeof *cache);
    cache = NULL;
  }
  errno = saved_errno;
  if (cache != NULL) link_cache(cache);
  this_thread.cache = cache;
  return cache;
}

/* RELAXED: only statistics read the count besides its thread. The order of the two stores is kept for a fork. */
static inline lido_cleanup_node *pop(node_cache *cache) {
  uint32_t count = cache->count - 1;
  uint32_t index = cache->nodes[count];
  lido_store_relaxed(&cache->count, count);
  return lido_cleanup_node_at(index);
}

static inline void push(node_cache *cache, const lido_cleanup_node *node) {
  cache->nodes[cache->count] = lido_cleanup_node_index(node);
  lido_store_relaxed(&cache->count, cache->count + 1); /* RELAXED: as above */
}

static LIDO_SLOW lido_cleanup_node *take_slowly(void) {
  uint32_t index = 0;
  node_cache *cache = cache_of_thread();
  lido_lock_take(&nodes_lock);
  if (cache == NULL) {
    index = take_locked();
  } else {
    fill_cache_locked(cache);
  }
  lido_lock_give(&nodes_lock);
  if (cache != NULL && cache->count != 0) return pop(cache);
  if (index != 0) return lido_cleanup_node_at(index);
  errno = ENOMEM;
  return NULL;
}

lido_cleanup_node *lido_cleanup_node_take(void) {
  node_cache *cache = this_thread.cache;
  return LIDO_LIKELY(cache != NULL && cache->count != 0) ? pop(cache) : take_slowly();
}

static LIDO_SLOW void give_slowly(lido_cleanup_node *node) {
  node_cache *cache = cache_of_thread();
  lido_lock_take(&nodes_lock);
  if (cache == NULL) {
    give_locked(lido_cleanup_node_index(node));
  } else if (cache->count == CACHE_NODES) {
    empty_cache_locked(cache, CACHE_NODES - MOVED_NODES);
  }
  lido_lock_give(&nodes_lock);
  if (cache != NULL) push(cache, node);
}

static LIDO_SLOW void retire(lido_cleanup_node *node, uint64_t generation, uint64_t ended) {
  lido_lock_take(&nodes_lock);
  retired++;
  lido_lock_give(&nodes_lock);
  /* RELEASE cleanup.over: as below. */
  lido_store_release(&node->word, generation << LIDO_GENERATION_SHIFT | ended | LIDO_NODE_RETIRED);
}

void lido_cleanup_node_give(lido_cleanup_node *node, bool ran) {
  uint64_t word = lido_load_relaxed(&node->word); /* RELAXED: this thread has it in hands; the rest is a statistic */
  uint64_t generation = word >> LIDO_GENERATION_SHIFT;
  uint64_t ended = ran ? LIDO_NODE_LAST_RAN : 0;
  if (lido_cleanup_state_of(word) == LIDO_NODE_STOPPED) lido_sub_relaxed(&stopped_on_the_way, 1);
  if (LIDO_UNLIKELY(generation >= lido_generation_last(false))) {
    retire(node, generation, ended);
    return;
  }
  /* RELEASE cleanup.over: whom stop tells that it has run sees what it did. */
  lido_store_release(&node->word, (generation + 1) << LIDO_GENERATION_SHIFT | ended);
  node_cache *cache = this_thread.cache;
  if (LIDO_LIKELY(cache != NULL && cache->count < CACHE_NODES)) {
    push(cache, node);
  } else {
    give_slowly(node);
  }
}

/* RELAXED: as lido_cleanup_node_step; and a statistic. */
bool lido_cleanup_node_stop(lido_cleanup_node *node, uint64_t word) {
  uint64_t stopped = (word & ~(uint64_t)LIDO_NODE_STATE) | LIDO_NODE_STOPPED;
  if (!lido_cas_relaxed(&node->word, &word, stopped)) return false;
  lido_add_relaxed(&stopped_on_the_way, 1);
  return true;
}

/* RELAXED: statistics */
void lido_cleanup_node_note_registered(void) {
  if (LIDO_LIKELY(this_thread.cache != NULL)) {
    lido_count_owned(&this_thread.cache->registered);
  } else {
    lido_add_relaxed(&registered_elsewhere, 1);
  }
}

/* RELAXED: statistics */
void lido_cleanup_node_note_queued(void) {
  if (LIDO_LIKELY(this_thread.cache != NULL)) {
    lido_count_owned(&this_thread.cache->queued);
  } else {
    lido_add_relaxed(&queued_elsewhere, 1);
  }
}

/* RELAXED: statistics */
void lido_cleanup_node_note_run(void) {
  if (LIDO_LIKELY(this_thread.cache != NULL)) {
    lido_count_owned(&this_thread.cache->ran);
  } else {
    lido_add_relaxed(&ran_elsewhere, 1);
  }
}

void *lido_cleanup_node_argument(lido_cleanup_node *node) {
  if (node->copied) return node->content;
  void *arg = NULL;
  memcpy(&arg, node->content, sizeof arg);
  return arg;
}

/* ---- Numbers, checks, fork ---- */

/* Free nodes in caches; and what their threads did is added to the numbers. */
static uint64_t cached_locked(lido_weak_stats *stats) {
  uint64_t count = 0;
  /* RELAXED: statistics, all of them */
  for (const node_cache *cache = first_cache; cache != NULL; cache = cache->next) {
    count += lido_load_relaxed(&cache->count);
    stats->cleanups_registered += lido_load_relaxed(&cache->registered);
    stats->cleanups_queued += lido_load_relaxed(&cache->queued);
    stats->cleanups_run += lido_load_relaxed(&cache->ran);
  }
  return count;
}

void lido_cleanup_nodes_count(lido_weak_stats *stats) {
  lido_lock_take(&nodes_lock);
  /* RELAXED: statistics. Under the lock, so that a cache that ends is counted once. */
  stats->cleanups_registered = lido_load_relaxed(&registered_elsewhere);
  stats->cleanups_queued = lido_load_relaxed(&queued_elsewhere);
  stats->cleanups_run = lido_load_relaxed(&ran_elsewhere);
  uint64_t idle = free_count + cached_locked(stats) + retired;
  uint64_t taken = range == 0 ? 0 : frontier - 1;
  lido_lock_give(&nodes_lock);
  stats->cleanups = taken - idle - (uint64_t)lido_load_relaxed(&stopped_on_the_way); /* RELAXED: statistic */
}

static const char *check_links(const lido_cleanup_node *node) {
  uint32_t index = lido_cleanup_node_index(node);
  const lido_slot_side *side = lido_slot_side_of(lido_slot_at(node->slot));
  uint32_t before = node->previous != 0 ? lido_cleanup_node_at(node->previous)->next : side->cleanups;
  if (before != index) return "E1: a listed node is not on the list of its object";
  if (node->next != 0 && lido_cleanup_node_at(node->next)->previous != index) return "E1: a list leads only one way";
  return NULL;
}

static const char *check_node(const lido_cleanup_node *node, uint64_t *idle) {
  uint64_t word = lido_load_relaxed(&node->word); /* RELAXED: nobody uses handles meanwhile */
  unsigned state = lido_cleanup_state_of(word);
  if (word >> LIDO_GENERATION_SHIFT == 0) return "E2: a node without a generation";
  *idle += state == LIDO_NODE_FREE || state == LIDO_NODE_RETIRED;
  return state == LIDO_NODE_LISTED ? check_links(node) : NULL;
}

const char *lido_cleanup_nodes_check(void) {
  const char *broken = NULL;
  uint64_t idle = 0;
  uint64_t chained = 0;
  lido_weak_stats numbers = {0};
  lido_lock_take(&nodes_lock);
  if (frontier > 1 && frontier > lido_cleanup_nodes.limit) broken = "E3: a node without memory";
  for (uint32_t index = 1; broken == NULL && index < frontier; index++) {
    broken = check_node(lido_cleanup_node_at(index), &idle);
  }
  for (uint32_t i = first_free; i != 0 && chained <= free_count; i = lido_cleanup_node_at(i)->next) chained++;
  if (broken == NULL && chained != free_count) broken = "E1: the free list is miscounted";
  if (broken == NULL && idle != free_count + cached_locked(&numbers) + retired) broken = "E1: a free node is nowhere";
  lido_lock_give(&nodes_lock);
  return broken;
}

void lido_cleanup_nodes_lock_for_fork(void) { lido_lock_take_for_fork(&nodes_lock); }
void lido_cleanup_nodes_unlock_after_fork(void) { lido_lock_give_after_fork(&nodes_lock); }

void lido_cleanup_nodes_in_child(void) {
  node_cache *next = NULL;
  for (node_cache *cache = first_cache; cache != NULL; cache = next) {
    next = cache->next;
    if (cache != this_thread.cache) end_cache(cache);
  }
}
