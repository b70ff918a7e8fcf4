/* cache_walk.c: a visit of every value. The design is in cache_core.h.
 *
 * A shard at a time: what it has is noted under its lock, with references, and visited without it.
 */
#include <errno.h>

#include "lib/caches/cache_core.h"
#include "lib/mem/metadata.h"

typedef struct sight {
  lido_cache_entry *entry;
  void *value;
} sight;

typedef struct walk {
  lido_cache *cache;
  uint64_t now;
  bool (*visit)(const void *key, size_t key_bytes, void *value, void *arg);
  void *arg;
  sight *sights;
  size_t count;
  size_t visited;
  bool goes_on;
} walk;

static bool note_sight(lido_table_node *node, void *arg) {
  walk *w = arg;
  lido_cache_entry *entry = lido_cache_entry_of(node);
  void *value = lido_weak_acquire(lido_cache_value_of(entry));
  if (value == NULL) return true;
  w->sights[w->count++] = (sight){.entry = lido_retain(entry), .value = value};
  return true;
}

static bool is_in_time(const walk *w, const sight *s) {
  return !w->cache->ages || !lido_cache_is_over(w->cache, s->entry, w->now);
}

static void visit_one(walk *w, const sight *s) {
  if (w->goes_on && is_in_time(w, s)) {
    w->visited++;
    w->goes_on = w->visit(s->entry->key, s->entry->key_bytes, s->value, w->arg);
  }
  lido_release(s->value);
  lido_release(s->entry);
}

/* Room for all that a shard has; the lock is held if there is. */
static int take_with_room(lido_table_shard *shard, walk *w, size_t *room) {
  lido_lock_take(&shard->lock);
  *room = shard->count;
  while (*room != 0) {
    lido_table_give(shard);
    w->sights = lido_metadata_take(lido_metadata_system(), *room * sizeof(sight));
    if (w->sights == NULL) return ENOMEM;
    lido_lock_take(&shard->lock);
    if (shard->count <= *room) return 0;
    size_t more = shard->count;
    lido_metadata_free(lido_metadata_system(), w->sights, *room * sizeof(sight));
    *room = more;
  }
  return 0;
}

static int visit_shard(walk *w, lido_table_shard *shard) {
  size_t room = 0;
  w->count = 0;
  w->sights = NULL;
  int error = take_with_room(shard, w, &room);
  if (error != 0) return error;
  if (room != 0) lido_table_each_locked(shard, note_sight, w);
  lido_table_give(shard);
  for (size_t i = 0; i < w->count; i++) visit_one(w, &w->sights[i]);
  if (room != 0) lido_metadata_free(lido_metadata_system(), w->sights, room * sizeof(sight));
  return 0;
}

int lido_cache_for_each(lido_cache *cache, bool (*visit)(const void *key, size_t key_bytes, void *value, void *arg),
                        void *arg, size_t *visited) {
  int saved_errno = errno;
  int error = 0;
  walk w = {.cache = cache, .now = lido_cache_now(cache), .visit = visit, .arg = arg, .goes_on = true};
  lido_retain(cache); /* it may be destroyed in a callback */
  for (size_t i = 0; i < LIDO_TABLE_SHARDS && error == 0 && w.goes_on; i++) {
    error = visit_shard(&w, &cache->table.shards[i]);
  }
  lido_release(cache);
  if (visited != NULL) *visited = w.visited;
  errno = saved_errno;
  return error;
}
