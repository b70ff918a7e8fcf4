/* hash_table.c: see hash_table.h. */
#include "lib/caches/hash_table.h"

#include <errno.h>

#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "lido/pool.h"
#include "lido/weak.h"

/* ---- Arrays ---- */

static size_t bytes_of(const lido_table_array *array) { return (array->mask + 1) * sizeof(lido_table_node *); }

static void end_array(void *object, void *context) {
  (void)context;
  lido_table_array *array = object;
  lido_metadata_free(lido_metadata_system(), array->chains, bytes_of(array));
}

LIDO_POOL_DEFINE(table_array, lido_table_array, .align = 16, .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED,
                 .destroy = end_array)

static lido_table_array *make_array(size_t chains) {
  lido_table_node **heads = lido_metadata_alloc(lido_metadata_system(), chains * sizeof *heads);
  if (heads == NULL) return NULL;
  lido_table_array *array = table_array_alloc();
  if (array == NULL) {
    lido_metadata_free(lido_metadata_system(), heads, chains * sizeof *heads);
    return NULL;
  }
  *array = (lido_table_array){.mask = chains - 1, .chains = heads};
  return array;
}

/* ---- Life ---- */

int lido_table_init(lido_table *table) {
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) {
    table->shards[i] = (lido_table_shard){.array = NULL};
    lido_lock_init(&table->shards[i].lock, LIDO_RANK_SHARD);
  }
  return table_array_pool() != NULL ? 0 : errno;
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

static void link_first(const lido_table_array *array, lido_table_node *node) {
  lido_table_node **chain = &array->chains[node->hash & array->mask];
  /* RELEASE table.node: a reader that comes from another chain sees all of this one. */
  lido_store_release(&node->next, *chain);
  /* RELEASE table.node: what the node is was written before. */
  lido_store_release(chain, node);
}

static void replace_array(lido_table_shard *shard, lido_table_array *array) {
  shard->old = shard->array;
  /* RELEASE table.array: its chains were written before. */
  lido_store_release(&shard->array, array);
}

static void move_all(const lido_table_array *from, const lido_table_array *to) {
  for (uint64_t chain = 0; chain <= from->mask; chain++) {
    lido_table_node *next = NULL;
    for (lido_table_node *node = from->chains[chain]; node != NULL; node = next) {
      next = node->next;
      link_first(to, node);
    }
  }
}

static int resize_locked(lido_table_shard *shard, size_t chains) {
  lido_table_array *array = make_array(chains);
  if (array == NULL) return ENOMEM;
  if (shard->array != NULL) move_all(shard->array, array);
  replace_array(shard, array);
  return 0;
}

/* Not twice under one lock: there is one place for what was replaced (T4). */
int lido_table_reserve_locked(lido_table_shard *shard) {
  if (shard->array == NULL) return resize_locked(shard, LIDO_TABLE_FEWEST);
  if (LIDO_UNLIKELY(shard->count > shard->array->mask) && shard->old == NULL) {
    resize_locked(shard, 2 * (shard->array->mask + 1)); /* without memory for it chains grow longer */
  }
  return 0;
}

void lido_table_insert_locked(lido_table_shard *shard, lido_table_node *node) {
  link_first(shard->array, node);
  shard->count++;
}

static void shrink_locked(lido_table_shard *shard) {
  size_t chains = shard->array->mask + 1;
  if (chains == LIDO_TABLE_FEWEST || shard->count >= chains / 8 || shard->old != NULL) return;
  resize_locked(shard, lido_max(chains / 4, LIDO_TABLE_FEWEST)); /* without memory for it, it stays */
}

void lido_table_remove_locked(lido_table_shard *shard, lido_table_node *node) {
  lido_table_node **place = &shard->array->chains[node->hash & shard->array->mask];
  while (*place != node) place = &(*place)->next;
  /* RELEASE table.node: who comes past here sees what follows. */
  lido_store_release(place, node->next);
  shard->count--;
  shrink_locked(shard);
}

void lido_table_each_locked(const lido_table_shard *shard, bool (*visit)(lido_table_node *node, void *arg), void *arg) {
  const lido_table_array *array = shard->array;
  if (array == NULL) return;
  for (uint64_t chain = 0; chain <= array->mask; chain++) {
    for (lido_table_node *node = array->chains[chain]; node != NULL; node = node->next) {
      if (!visit(node, arg)) return;
    }
  }
}

/* Each chain goes on to the next one; who walks one walks longer. */
lido_table_node *lido_table_remove_all_locked(lido_table_shard *shard) {
  const lido_table_array *array = shard->array;
  lido_table_node *all = NULL;
  lido_table_node **end = &all;
  if (array == NULL) return NULL;
  for (uint64_t chain = 0; chain <= array->mask; chain++) {
    /* RELEASE table.node: as in insert. */
    lido_store_release(end, array->chains[chain]);
    while (*end != NULL) end = &(*end)->next;
  }
  shard->count = 0;
  replace_array(shard, NULL);
  return all;
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
  return lido_pool_trim(table_array_pool());
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
  uint64_t mask = shard->array->mask;
  if (!lido_is_power_of_two(mask + 1) || mask + 1 < LIDO_TABLE_FEWEST) return "T2: an odd number of chains";
  for (uint64_t chain = 0; chain <= mask; chain++) {
    for (const lido_table_node *node = shard->array->chains[chain]; node != NULL; node = node->next) {
      if ((node->hash & mask) != chain) return "T1: a node is in another's chain";
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
