/* object_pool.c: the life of an object pool, and its trims. See object_core.h for what it is. */
#include "lido/object_pool.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "pools/object_threads.h"
#include "pools/registry.h"

enum { KEEP_OBJECTS = 4096 };

/* ---- Creation ---- */

static bool options_are_valid(const lido_object_pool_options *o) {
  if (o == NULL || o->create == NULL) return false;
  return o->size != NULL || (o->keep_bytes_each == 0 && o->keep_bytes == 0);
}

static lido_object_pool_options with_defaults(const lido_object_pool_options *options) {
  lido_object_pool_options o = *options;
  if (o.keep_objects == 0) o.keep_objects = KEEP_OBJECTS;
  if (o.keep_bytes_each == 0) o.keep_bytes_each = SIZE_MAX;
  if (o.keep_bytes == 0 || o.keep_bytes > LIDO_OBJECT_MOST_BYTES) o.keep_bytes = SIZE_MAX;
  o.keep_bytes_each = lido_min(o.keep_bytes_each, o.keep_bytes);
  return o;
}

static char *copy_name(const char *name, size_t bytes) {
  char *copy = lido_metadata_alloc(lido_metadata_system(), bytes);
  return copy != NULL ? memcpy(copy, name, bytes) : NULL;
}

/* With LIDO_CHECKS=full every put looks for the object in the store. */
static uint8_t put_calls(const lido_object_pool_options *o) {
  bool calls = o->reset != NULL || o->size != NULL || LIDO_CHECKS == LIDO_CHECKS_FULL;
  return (uint8_t)((calls ? LIDO_PUT_CALLS : 0) | (o->keep_bytes != 0 ? LIDO_PUT_SIZED : 0) |
                   (LIDO_CHECKS == LIDO_CHECKS_FULL ? LIDO_PUT_CHECKS : 0));
}

static void free_core(lido_object_core *core) {
  lido_metadata_free(lido_metadata_system(), core->name, core->name_bytes);
  lido_metadata_free(lido_metadata_system(), core, sizeof *core);
}

static lido_object_core *make_core(const lido_object_pool_options *options) {
  lido_object_core *core = lido_metadata_alloc(lido_metadata_system(), sizeof *core);
  if (core == NULL) return NULL;
  const char *name = options->name != NULL ? options->name : "objects";
  core->options = with_defaults(options);
  core->put_calls = put_calls(options);
  core->name_bytes = strlen(name) + 1;
  core->name = copy_name(name, core->name_bytes);
  lido_list_init(&core->stores);
  lido_lock_init(&core->lock, LIDO_RANK_SHELVES);
  if (core->name == NULL || lido_object_pools_add(core) != 0) {
    free_core(core);
    return NULL;
  }
  return core;
}

lido_object_pool *lido_object_pool_create(const lido_object_pool_options *options) {
  if (!options_are_valid(options)) {
    errno = EINVAL;
    return NULL;
  }
  int saved_errno = errno;
  lido_object_core *core = lido_fork_hooks_install() == 0 ? make_core(options) : NULL;
  errno = core != NULL ? saved_errno : ENOMEM;
  return core != NULL ? &core->face : NULL;
}

const char *lido_object_pool_name(const lido_object_pool *pool) { return lido_object_core_of(pool)->name; }

/* ---- Ends of objects ---- */

void lido_object_destroy(lido_object_core *core, void *object, lido_object_reason reason) {
  lido_add_relaxed(&core->destroyed[reason], 1); /* RELAXED: statistic */
  if (core->options.destroy != NULL) core->options.destroy(object, core->options.context);
}

/* Not at once, so that those that come next need no memory. */
static void free_later(lido_object_core *core, lido_object_magazine *magazine) {
  lido_lock_take(&core->lock);
  lido_object_magazine_put(&core->spares, magazine);
  lido_lock_give(&core->lock);
}

size_t lido_object_shelf_destroy(lido_object_core *core, lido_object_shelf *shelf, lido_object_reason reason) {
  size_t destroyed = 0;
  for (lido_object_magazine *m = lido_object_shelf_pop(shelf); m != NULL; m = lido_object_shelf_pop(shelf)) {
    for (size_t i = 0; i < m->count; i++) lido_object_destroy(core, m->items[i].object, reason);
    destroyed += m->count;
    free_later(core, m);
  }
  return destroyed;
}

/* ---- Trim ---- */

size_t lido_object_pool_trim(lido_object_pool *pool) {
  lido_object_core *core = lido_object_core_of(pool);
  int saved_errno = errno;
  lido_lock_take(&core->lock);
  lido_object_shelf doomed = core->victims;
  core->victims = core->fresh;
  core->fresh = (lido_object_shelf){0};
  lido_object_stores_take_locked(core, &core->victims);
  core->trims++;
  lido_lock_give(&core->lock);
  size_t destroyed = lido_object_shelf_destroy(core, &doomed, LIDO_OBJECT_TRIMMED);
  errno = saved_errno;
  return destroyed;
}

/* ---- The end ---- */

/* What was put and never given out counts against those that are out. */
static size_t count_out(const lido_object_core *core) {
  uint64_t destroyed = 0;
  uint64_t created = lido_load_relaxed(&core->created); /* RELAXED: nobody else is here */
  for (int i = 0; i < LIDO_OBJECT_REASONS; i++) destroyed += lido_load_relaxed(&core->destroyed[i]);
  return created > destroyed ? (size_t)(created - destroyed) : 0;
}

size_t lido_object_pool_destroy(lido_object_pool *pool) {
  if (pool == NULL) return 0;
  lido_object_core *core = lido_object_core_of(pool);
  int saved_errno = errno;
  lido_object_core_empty(core);
  size_t out = count_out(core);
  /* RELAXED: nobody else is here. */
  if (core->typed != NULL) lido_store_relaxed(&core->typed->pool, NULL);
  lido_object_pools_remove(core);
  lido_object_spares_end(&core->spares);
  lido_lock_end(&core->lock);
  free_core(core);
  errno = saved_errno;
  return out;
}
