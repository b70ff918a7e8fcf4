/* snapshot.c: what a manager has, as plain numbers, in memory that is used again.
 *
 * One block holds the snapshot's arrays and names. It is as large as the largest manager that was taken; when it turns
 * out too small, under the manager's lock, the lock is given back, a larger one is made, and the look begins anew.
 */
#include "lido/snapshot.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bits.h"
#include "lib/control/manager_core.h"
#include "lib/mem/metadata.h"
#include "pools/pool_core.h"

typedef struct held_snapshot {
  lido_snapshot face; /* must be first */
  char manager_name[LIDO_MANAGER_NAME_MAX];
  char *block;
  size_t block_bytes;
  size_t used; /* of the block, while it is filled */
} held_snapshot;

static held_snapshot *held_of(lido_snapshot *snapshot) {
  return (held_snapshot *)(void *)snapshot; /* face is the first member */
}

/* ---- Life ---- */

lido_snapshot *lido_snapshot_create(void) {
  held_snapshot *held = lido_metadata_alloc(lido_metadata_system(), sizeof *held);
  if (held == NULL) return NULL;
  held->face.manager = held->manager_name;
  return &held->face;
}

void lido_snapshot_destroy(lido_snapshot *snapshot) {
  if (snapshot == NULL) return;
  held_snapshot *held = held_of(snapshot);
  lido_metadata_free(lido_metadata_system(), held->block, held->block_bytes);
  lido_metadata_free(lido_metadata_system(), held, sizeof *held);
}

/* ---- The block ---- */

static const size_t item_bytes[LIDO_KINDS] = {
    [LIDO_KIND_CACHE] = sizeof(lido_cache_snapshot),
    [LIDO_KIND_CLEANUP_QUEUE] = sizeof(lido_cleanup_queue_snapshot),
    [LIDO_KIND_POOL] = sizeof(lido_pool_snapshot),
    [LIDO_KIND_ARENA_CLASS] = sizeof(lido_arena_class_snapshot),
};

static size_t needed_locked(const lido_manager *manager) {
  size_t bytes = 0;
  for (unsigned kind = 0; kind < LIDO_KINDS; kind++) {
    const lido_member_list *list = &manager->members[kind];
    bytes += list->count * item_bytes[kind];
    for (size_t i = 0; i < list->count; i++) bytes += list->items[i]->bytes - sizeof(lido_member);
  }
  return bytes;
}

/* A block that is not the snapshot's yet. */
typedef struct spare_block {
  char *block;
  size_t bytes;
} spare_block;

static void spare_free(const spare_block *spare) {
  lido_metadata_free(lido_metadata_system(), spare->block, spare->bytes);
}

/* For so many bytes and some more. 0, or ENOMEM. */
static int spare_make(spare_block *spare, size_t bytes) {
  spare_free(spare);
  spare->bytes = bytes + bytes / 4;
  spare->block = lido_metadata_take(lido_metadata_system(), spare->bytes);
  return spare->block != NULL ? 0 : ENOMEM;
}

/* The snapshot's block and the spare one change places, if there is one. */
static void swap_in(held_snapshot *held, spare_block *spare) {
  if (spare->block == NULL) return;
  spare_block old = {held->block, held->block_bytes};
  held->block = spare->block;
  held->block_bytes = spare->bytes;
  *spare = old;
}

static void *cut(held_snapshot *held, size_t bytes) {
  char *piece = held->block + held->used;
  held->used += bytes;
  return piece;
}

/* NULL for NULL. */
static const char *copy_name(held_snapshot *held, const lido_member *member) {
  if (held == NULL) return NULL;
  size_t bytes = member->bytes - sizeof *member;
  return memcpy(cut(held, bytes), member->name, bytes);
}

/* ---- Each kind ---- */

/* A pool's allocs are what it got back and what is live, and live ones are counted while threads move objects: so
 * allocs may be seen too high, and then lower. But who asks for a rate takes a counter that falls for one that began
 * anew. */
static void keep_from_falling(lido_member *member, lido_pool_stats *stats) {
  lido_pool_alloc_paths paths;
  lido_pool_alloc_paths_get(stats, &paths);
  member->most_said = lido_max(paths.thread_cache, member->most_said);
  paths.thread_cache = member->most_said;
  stats->allocs = 0;
#define ADD(name, text) stats->allocs += paths.name;
  LIDO_POOL_ALLOC_PATHS(ADD)
#undef ADD
}

void lido_member_pool_stats_locked(lido_member *member, lido_pool_stats *out) {
  lido_pool_stats_get(member->object, out);
  keep_from_falling(member, out);
}

/* Likewise what is put together of counts of several threads. */
static void read_class(lido_member *member, lido_arena_class_stats *out) {
  lido_arena_class_stats_get(member->object, out);
  out->acquires = member->most_said = lido_max(out->acquires, member->most_said);
}

static void fill_pool(lido_pool_snapshot *out, lido_member *member) {
  const lido_pool_core *core = lido_core_of(member->object);
  out->object_size = core->geometry.object_size;
  out->align = core->geometry.align;
  out->max_objects = core->options.max_objects;
  out->watched = member->watched;
  lido_member_pool_stats_locked(member, &out->stats);
}

static void add_pool(lido_manager_stats *sum, const lido_pool_stats *stats) {
  sum->bytes_live += stats->bytes_live;
  sum->bytes_cached += stats->bytes_cached;
  sum->bytes_reserved += stats->bytes_reserved;
  sum->allocs += stats->allocs;
  sum->frees += stats->frees;
  sum->misses += stats->misses;
  sum->slabs_made += stats->slabs_made;
}

static void add_class(lido_manager_stats *sum, const lido_arena_class_stats *stats) {
  sum->bytes_idle += stats->idle_bytes;
  sum->acquires += stats->acquires;
}

static void add_cache(lido_manager_stats *sum, const lido_cache_stats *stats) {
  sum->cache_hits += stats->hits;
  sum->cache_misses += stats->misses;
}

static void add_totals_locked(const lido_manager *manager, lido_manager_stats *sum) {
  const lido_totals *totals = &manager->totals;
#define PASSES(constant, name, text) sum->passes_##name = totals->passes[constant];
  LIDO_RECLAIM_REASONS(PASSES)
#undef PASSES
  sum->freed_bytes = totals->freed_bytes;
  sum->purged_bytes = totals->purged_bytes;
  sum->cleanups_run = totals->cleanups_run;
  sum->evicted = totals->evicted;
  sum->ticks = totals->ticks;
  sum->policy_changes = totals->policy_changes;
}

/* ---- All of a kind: into the snapshot, or, where that is NULL, only into the sums ---- */

static void read_pools_locked(held_snapshot *held, const lido_member_list *list, lido_manager_stats *sum) {
  for (size_t i = 0; i < list->count; i++) {
    lido_pool_snapshot unkept;
    lido_pool_snapshot *out = held != NULL ? &held->face.pools[i] : &unkept;
    fill_pool(out, list->items[i]);
    out->name = copy_name(held, list->items[i]);
    add_pool(sum, &out->stats);
  }
}

static void read_classes_locked(held_snapshot *held, const lido_member_list *list, lido_manager_stats *sum) {
  for (size_t i = 0; i < list->count; i++) {
    lido_arena_class_snapshot unkept;
    lido_arena_class_snapshot *out = held != NULL ? &held->face.arena_classes[i] : &unkept;
    read_class(list->items[i], &out->stats);
    out->name = copy_name(held, list->items[i]);
    add_class(sum, &out->stats);
  }
}

static void read_caches_locked(held_snapshot *held, const lido_member_list *list, lido_manager_stats *sum) {
  for (size_t i = 0; i < list->count; i++) {
    lido_cache_snapshot unkept;
    lido_cache_snapshot *out = held != NULL ? &held->face.caches[i] : &unkept;
    lido_managed_cache_stats(list->items[i]->object, &out->stats);
    out->name = copy_name(held, list->items[i]);
    add_cache(sum, &out->stats);
  }
}

static void read_queues_locked(held_snapshot *held, const lido_member_list *list, lido_manager_stats *sum) {
  for (size_t i = 0; i < list->count; i++) {
    lido_cleanup_queue_snapshot unkept;
    lido_cleanup_queue_snapshot *out = held != NULL ? &held->face.cleanup_queues[i] : &unkept;
    out->pending = lido_cleanup_queue_pending(list->items[i]->object);
    out->name = copy_name(held, list->items[i]);
    sum->cleanups_pending += out->pending;
  }
}

static void read_all_locked(held_snapshot *held, lido_manager *manager, lido_manager_stats *sum) {
  *sum = (lido_manager_stats){0};
  read_pools_locked(held, &manager->members[LIDO_KIND_POOL], sum);
  read_classes_locked(held, &manager->members[LIDO_KIND_ARENA_CLASS], sum);
  read_caches_locked(held, &manager->members[LIDO_KIND_CACHE], sum);
  read_queues_locked(held, &manager->members[LIDO_KIND_CLEANUP_QUEUE], sum);
  add_totals_locked(manager, sum);
}

void lido_manager_stats_locked(lido_manager *manager, lido_manager_stats *out) { read_all_locked(NULL, manager, out); }

/* ---- A snapshot ---- */

static void cut_arrays_locked(held_snapshot *held, const lido_manager *manager) {
  lido_snapshot *s = &held->face;
  s->pool_count = manager->members[LIDO_KIND_POOL].count;
  s->arena_class_count = manager->members[LIDO_KIND_ARENA_CLASS].count;
  s->cache_count = manager->members[LIDO_KIND_CACHE].count;
  s->cleanup_queue_count = manager->members[LIDO_KIND_CLEANUP_QUEUE].count;
  held->used = 0;
  s->pools = cut(held, s->pool_count * sizeof *s->pools);
  s->arena_classes = cut(held, s->arena_class_count * sizeof *s->arena_classes);
  s->caches = cut(held, s->cache_count * sizeof *s->caches);
  s->cleanup_queues = cut(held, s->cleanup_queue_count * sizeof *s->cleanup_queues);
}

static void fill_locked(held_snapshot *held, lido_manager *manager) {
  lido_snapshot *s = &held->face;
  cut_arrays_locked(held, manager);
  read_all_locked(held, manager, &s->stats);
  s->passes = manager->totals.durations;
  s->policy = manager->policy;
  s->chosen = manager->chosen;
  s->pressure = manager->adaptive.pressure;
  memcpy(s->scores, manager->adaptive.scores, sizeof s->scores);
}

static void fill_the_rest(held_snapshot *held, const lido_manager *manager) {
  lido_snapshot *s = &held->face;
  memcpy(held->manager_name, manager->name, sizeof held->manager_name);
  lido_budget_stats_get(manager->budget, &s->budget);
  lido_weak_stats_get(&s->weak);
  lido_guard_stats_get(&s->guard);
}

/* With the lock held on success, and then a block that is large enough in place. */
static int lock_with_room(held_snapshot *held, lido_manager *manager, spare_block *spare) {
  lido_lock_take(&manager->lock);
  for (size_t needed; (needed = needed_locked(manager)) > lido_max(held->block_bytes, spare->bytes);) {
    lido_lock_give(&manager->lock);
    if (spare_make(spare, needed) != 0) return ENOMEM;
    lido_lock_take(&manager->lock);
  }
  swap_in(held, spare);
  return 0;
}

int lido_snapshot_take(lido_snapshot *snapshot, lido_manager *manager) {
  held_snapshot *held = held_of(snapshot);
  int saved_errno = errno;
  uint64_t now = lido_manager_now(manager);
  spare_block spare = {0};
  if (lock_with_room(held, manager, &spare) != 0) return ENOMEM;
  fill_locked(held, manager);
  lido_lock_give(&manager->lock);
  spare_free(&spare);
  fill_the_rest(held, manager);
  snapshot->now_ns = now;
  snapshot->wall_ns = lido_os_wall_ns();
  errno = saved_errno;
  return 0;
}
