/* managed_pools.c: find or create, for pools, classes of arenas and cleanup queues.
 *
 * A new one is made without a lock, since construct is the program's, and then entered; who finds that another thread
 * has entered one of that name meanwhile ends its own, which nobody has seen.
 */
#include <errno.h>
#include <string.h>

#include "arenas/arena_shelves.h"
#include "lib/control/manager_core.h"
#include "lib/refs/cleanup_queue.h"
#include "pools/pool_core.h"

void *lido_kind_enter(lido_manager *manager, lido_kind kind, const char *name, void *made,
                      size_t (*end)(void *object)) {
  void *present = NULL;
  int error = lido_members_add(manager, kind, name, made, false, &present);
  if (error == 0) return made;
  end(made);
  return error == EEXIST ? present : lido_kind_fail(error);
}

bool lido_kind_is_charged(const lido_member *member) {
  if (member->kind == LIDO_KIND_POOL) return lido_core_of(member->object)->options.budget != NULL;
  if (member->kind == LIDO_KIND_ARENA_CLASS) return lido_arena_class_core_of(member->object)->options.budget != NULL;
  return true;
}

/* ---- Pools ---- */

void lido_kind_come_pool_locked(lido_manager *manager, lido_pool *pool) {
  lido_core_use_locks(lido_core_of(pool));
  lido_policy_apply_locked(manager, pool);
}

size_t lido_kind_end_pool(void *object) { return lido_pool_destroy(object); }

static bool pool_fits(const lido_pool *pool, const lido_pool_options *wanted) {
  const lido_pool_core *core = lido_core_of(pool);
  const lido_pool_options *o = &core->options;
  size_t align = wanted->align != 0 ? wanted->align : LIDO_ALIGN_DEFAULT;
  return core->geometry.object_size == wanted->object_size && core->geometry.align == align &&
         o->flags == wanted->flags && o->construct == wanted->construct && o->destroy == wanted->destroy &&
         o->context == wanted->context && core->backing == wanted->backing;
}

static lido_pool *pool_or_error(lido_pool *pool, const lido_pool_options *wanted) {
  return pool_fits(pool, wanted) ? pool : lido_kind_fail(EEXIST);
}

lido_pool *lido_manager_pool(lido_manager *manager, const lido_pool_options *options) {
  if (options == NULL || !lido_kind_is_name(options->name)) return lido_kind_fail(EINVAL);
  lido_pool_options wanted = *options;
  if (wanted.backing == NULL) wanted.backing = manager->backing;
  if (wanted.budget == NULL) wanted.budget = manager->budget;
  lido_pool *pool = lido_members_object(manager, LIDO_KIND_POOL, wanted.name);
  if (pool != NULL) return pool_or_error(pool, &wanted);
  pool = lido_pool_create(&wanted);
  if (pool == NULL) return NULL;
  pool = lido_kind_enter(manager, LIDO_KIND_POOL, wanted.name, pool, lido_kind_end_pool);
  return pool != NULL ? pool_or_error(pool, &wanted) : NULL;
}

lido_pool *lido_manager_pool_find(lido_manager *manager, const char *name) {
  return lido_members_object(manager, LIDO_KIND_POOL, name);
}

int lido_manager_pool_end(lido_manager *manager, lido_pool *pool) {
  int error = lido_members_remove(manager, LIDO_KIND_POOL, pool, false);
  if (error == 0) lido_pool_destroy(pool);
  return error;
}

int lido_manager_pool_watch(lido_manager *manager, lido_pool *pool) {
  return lido_members_add(manager, LIDO_KIND_POOL, lido_pool_name(pool), pool, true, NULL);
}

int lido_manager_pool_unwatch(lido_manager *manager, lido_pool *pool) {
  return lido_members_remove(manager, LIDO_KIND_POOL, pool, true);
}

/* ---- Classes of arenas ---- */

size_t lido_kind_end_arena_class(void *object) {
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(object, &stats);
  return lido_arena_class_destroy(object) == 0 ? 0 : stats.live;
}

static bool class_fits(const lido_arena_class *cls, const lido_arena_options *wanted) {
  const lido_arena_options *o = &lido_arena_class_core_of(cls)->options;
  return o->chunk_bytes == wanted->chunk_bytes && o->chunk_bytes_max == wanted->chunk_bytes_max &&
         o->max_bytes == wanted->max_bytes && o->retain == wanted->retain &&
         o->reserve_bytes == wanted->reserve_bytes && o->flags == wanted->flags && o->backing == wanted->backing;
}

static lido_arena_class *class_or_error(lido_arena_class *cls, const lido_arena_options *wanted) {
  return class_fits(cls, wanted) ? cls : lido_kind_fail(EEXIST);
}

lido_arena_class *lido_manager_arena_class(lido_manager *manager, const lido_arena_options *options) {
  if (options == NULL || !lido_kind_is_name(options->name)) return lido_kind_fail(EINVAL);
  lido_arena_options wanted = *options;
  if (wanted.backing == NULL) wanted.backing = manager->backing;
  if (wanted.budget == NULL) wanted.budget = manager->budget;
  lido_arena_class *cls = lido_members_object(manager, LIDO_KIND_ARENA_CLASS, wanted.name);
  if (cls != NULL) return class_or_error(cls, &wanted);
  cls = lido_arena_class_create(&wanted);
  if (cls == NULL) return NULL;
  cls = lido_kind_enter(manager, LIDO_KIND_ARENA_CLASS, wanted.name, cls, lido_kind_end_arena_class);
  return cls != NULL ? class_or_error(cls, &wanted) : NULL;
}

lido_arena_class *lido_manager_arena_class_find(lido_manager *manager, const char *name) {
  return lido_members_object(manager, LIDO_KIND_ARENA_CLASS, name);
}

/* Looked at first, so that a class with arenas out stays in its place; who ends a class knows that nobody acquires
 * meanwhile. */
int lido_manager_arena_class_end(lido_manager *manager, lido_arena_class *cls) {
  lido_lock_take(&manager->lock);
  bool known = lido_members_has_locked(manager, LIDO_KIND_ARENA_CLASS, cls);
  lido_lock_give(&manager->lock);
  if (!known) return ENOENT;
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(cls, &stats);
  if (stats.live != 0) return EBUSY;
  int error = lido_members_remove(manager, LIDO_KIND_ARENA_CLASS, cls, false);
  return error != 0 ? error : lido_arena_class_destroy(cls);
}

/* ---- Cleanup queues ---- */

size_t lido_kind_end_cleanup_queue(void *object) {
  lido_cleanup_queue_destroy(object); /* what it runs is not live, but pending */
  return 0;
}

static bool queue_fits(const lido_cleanup_queue *queue, const lido_cleanup_queue_options *wanted) {
  const lido_cleanup_queue_options *o = &queue->options;
  return o->notify == wanted->notify && o->on_high_water == wanted->on_high_water && o->context == wanted->context;
}

static lido_cleanup_queue *queue_or_error(lido_cleanup_queue *queue, const lido_cleanup_queue_options *wanted) {
  return queue_fits(queue, wanted) ? queue : lido_kind_fail(EEXIST);
}

lido_cleanup_queue *lido_manager_cleanup_queue(lido_manager *manager, const lido_cleanup_queue_options *options) {
  if (options == NULL || !lido_kind_is_name(options->name)) return lido_kind_fail(EINVAL);
  lido_cleanup_queue *queue = lido_members_object(manager, LIDO_KIND_CLEANUP_QUEUE, options->name);
  if (queue != NULL) return queue_or_error(queue, options);
  queue = lido_cleanup_queue_create(options);
  if (queue == NULL) return NULL;
  queue = lido_kind_enter(manager, LIDO_KIND_CLEANUP_QUEUE, options->name, queue, lido_kind_end_cleanup_queue);
  return queue != NULL ? queue_or_error(queue, options) : NULL;
}

lido_cleanup_queue *lido_manager_cleanup_queue_find(lido_manager *manager, const char *name) {
  return lido_members_object(manager, LIDO_KIND_CLEANUP_QUEUE, name);
}

int lido_manager_cleanup_queue_end(lido_manager *manager, lido_cleanup_queue *queue) {
  int error = lido_members_remove(manager, LIDO_KIND_CLEANUP_QUEUE, queue, false);
  if (error == 0) lido_cleanup_queue_destroy(queue);
  return error;
}
