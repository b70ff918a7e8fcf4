/* hash_table.c: see hash_table.h. */
#include "lib/caches/hash_table.h"

#include <errno.h>

#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "lido/pool.h"
#include "lido/weak.h"
#include "pools/pool_core.h"

/* ---- Arrays ---- */

static size_t number_of(lido_table_chains chains) { return (size_t)1 << (64 - (chains.word & 63)); }

static lido_table_node **first_of(lido_table_chains chains) { return lido_table_place(chains, 0); }

static size_t bytes_of(lido_table_chains chains) { return number_of(chains) * sizeof(lido_table_node *); }

static void end_array(void *object, void *context) {
  (void)context;
  const lido_table_array *array = object;
  lido_metadata_free(lido_metadata_system(), first_of(array->chains), bytes_of(array->chains));
}

LIDO_POOL_DEFINE(lido_table_array, lido_table_array, .align = 8, .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED,
                 .destroy = end_array)

static lido_table_array *make_array(size_t number) {
  lido_table_node **first = lido_metadata_alloc(lido_metadata_system(), number * sizeof *first);
  if (first == NULL) return NULL;
  lido_table_array *array = lido_table_array_alloc();
  if (array == NULL) {
    lido_metadata_free(lido_metadata_system(), first, number * sizeof *first);
    return NULL;
  }
  array->chains.word = (uintptr_t)first | (64 - lido_log2(number));
  return array;
}

/* ---- Life ---- */

int lido_table_init(lido_table *table) {
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    table->shards[i] = (lido_table_shard){.count = 0};
    lido_lock_init(&table->shards[i].lock, LIDO_RANK_SHARD);
  }
  lido_pool *arrays = lido_table_array_pool();
  if (arrays == NULL) return errno;
  lido_store_relaxed(&lido_core_of(arrays)->refs.quiet, true); /* RELAXED: always the same */
  return 0;
}

lido_table_shard *lido_table_take(lido_table *table, uint64_t hash) {
  lido_table_shard *shard = lido_table_shard_of(table, hash);
  lido_lock_take(&shard->lock);
  return shard;
}

/* Its end may be the end of other things too, and these may be the program's: not under the lock. */
void lido_table_give(lido_table_shard *shard) {
  lido_table_array *old = shard->old;
  shard->old = NULL;
  lido_lock_give(&shard->lock);
  lido_release(old);
}

/* ---- Chains ---- */

static void link_first(lido_table_chains chains, lido_table_node *node) {
  lido_table_node **place = lido_table_place(chains, node->hash);
  /* RELEASE table.node: a reader that comes from another chain sees all of this one. */
  lido_store_release(&node->next, *place);
  /* RELEASE table.node: what the node is was written before. */
  lido_store_release(place, node);
}

static void replace_array(lido_table_shard *shard, lido_table_array *array) {
  shard->old = shard->array;
  shard->array = array;
  /* RELEASE table.array: its chains were written before. */
  lido_store_release(&shard->chains.word, array != NULL ? array->chains.word : 0);
}

static void move_all(lido_table_chains from, lido_table_chains to) {
  for (size_t i = 0; i < number_of(from); i++) {
    lido_table_node *next = NULL;
    for (lido_table_node *node = first_of(from)[i]; node != NULL; node = next) {
      next = node->next;
      link_first(to, node);
    }
  }
}

/* 0, or ENOMEM; errno is as before, since most can do without. */
static int resize_locked(lido_table_shard *shard, size_t number) {
  int saved_errno = errno;
  lido_table_array *array = make_array(number);
  errno = saved_errno;
  if (array == NULL) return ENOMEM;
  if (shard->array != NULL) move_all(shard->chains, array->chains);
  replace_array(shard, array);
  return 0;
}

/* Not twice under one lock: there is one place for what was replaced (T4). */
int lido_table_reserve_locked(lido_table_shard *shard) {
  if (shard->array == NULL) return resize_locked(shard, LIDO_TABLE_FEWEST);
  size_t number = number_of(shard->chains);
  if (LIDO_UNLIKELY(4 * (shard->count + 1) > number) && shard->old == NULL) {
    resize_locked(shard, 2 * number); /* without memory for it chains grow longer */
  }
  return 0;
}

void lido_table_insert_locked(lido_table_shard *shard, lido_table_node *node) {
  link_first(shard->chains, node);
  shard->count++;
}

static void shrink_locked(lido_table_shard *shard) {
  size_t number = number_of(shard->chains);
  if (number == LIDO_TABLE_FEWEST || shard->count >= number / 32 || shard->old != NULL) return;
  resize_locked(shard, lido_max(number / 4, LIDO_TABLE_FEWEST)); /* without memory for it, it stays */
}

void lido_table_remove_locked(lido_table_shard *shard, lido_table_node *node) {
  lido_table_node **place = lido_table_place(shard->chains, node->hash);
  while (*place != node) place = &(*place)->next;
  /* RELEASE table.node: who comes past here sees what follows. */
  lido_store_release(place, node->next);
  shard->count--;
  shrink_locked(shard);
}

void lido_table_each_locked(const lido_table_shard *shard, bool (*visit)(lido_table_node *node, void *arg), void *arg) {
  if (shard->array == NULL) return;
  for (size_t i = 0; i < number_of(shard->chains); i++) {
    for (lido_table_node *node = first_of(shard->chains)[i]; node != NULL; node = node->next) {
      if (!visit(node, arg)) return;
    }
  }
}

/* Each chain goes on to the next one; who walks one walks longer. */
lido_table_node *lido_table_remove_all_locked(lido_table_shard *shard) {
  lido_table_node *all = NULL;
  lido_table_node **end = &all;
  if (shard->array == NULL) return NULL;
  for (size_t i = 0; i < number_of(shard->chains); i++) {
    /* RELEASE table.node: as in insert. */
    lido_store_release(end, first_of(shard->chains)[i]);
    while (*end != NULL) end = &(*end)->next;
  }
  lido_table_forget_all_locked(shard);
  return all;
}

void lido_table_forget_all_locked(lido_table_shard *shard) {
  shard->count = 0;
  replace_array(shard, NULL);
}

static void drop_arrays(lido_table *table) {
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    lido_table_shard *shard = &table->shards[i];
    lido_lock_take(&shard->lock);
    if (shard->count == 0) replace_array(shard, NULL);
    lido_table_give(shard);
  }
}

size_t lido_table_trim(lido_table *table) {
  drop_arrays(table);
  lido_guard_collect();
  return lido_pool_trim(lido_table_array_pool());
}

void lido_table_end(lido_table *table) {
  drop_arrays(table);
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) lido_lock_end(&table->shards[i].lock);
}

size_t lido_table_count(lido_table *table) {
  size_t count = 0;
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    lido_lock_take(&table->shards[i].lock);
    count += table->shards[i].count;
    lido_lock_give(&table->shards[i].lock);
  }
  return count;
}

/* ---- Check, fork ---- */

static const char *check_shard(const lido_table_shard *shard) {
  size_t count = 0;
  if (shard->old != NULL) return "T4: an old array was not released";
  if (shard->array == NULL) return shard->count == 0 ? NULL : "T1: nodes without an array";
  size_t number = number_of(shard->chains);
  if (number < LIDO_TABLE_FEWEST || shard->array->chains.word != shard->chains.word) return "T2: odd chains";
  for (size_t i = 0; i < number; i++) {
    for (const lido_table_node *node = first_of(shard->chains)[i]; node != NULL; node = node->next) {
      if (lido_table_place_in(shard->chains, node->hash) != i) return "T1: a node is in another's chain";
      if (++count > shard->count) return "T1: more nodes than are counted";
    }
  }
  return count == shard->count ? NULL : "T1: fewer nodes than are counted";
}

const char *lido_table_check(lido_table *table) {
  const char *broken = NULL;
  for (size_t i = 0; i < LIDO_TABLE_SHARDS && broken == NULL; i++) {
    lido_lock_take(&table->shards[i].lock);
    broken = check_shard(&table->shards[i]);
    lido_lock_give(&table->shards[i].lock);
  }
  return broken;
}

void lido_table_lock_for_fork(lido_table *table) {
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) lido_lock_take_for_fork(&table->shards[i].lock);
}

void lido_table_unlock_after_fork(lido_table *table) {
  for (size_t i = LIDO_TABLE_SHARDS; i-- > 0;) lido_lock_give_after_fork(&table->shards[i].lock);
}
