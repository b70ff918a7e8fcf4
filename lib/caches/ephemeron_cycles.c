/* ephemeron_cycles.c: whether an attachment would keep its own key alive.
 *
 * Idea: from the value follow everything that is known to be held: what is attached to it, in all maps with objects,
 * and what the maps' functions say that values hold. If that comes to the key, the key would be held by itself. A walk
 * in breadth, with a list of what was seen; the list is at once the work to do.
 * Invariants
 *   Y1  every map between create and destroy is in the list.
 * Threads: any. Lock: the room's (caches_fork.h), for one step along the list at a time: a map that is being looked at
 * is held by a reference.
 * Failure: without memory, or beyond MOST objects, what was not reached is taken for harmless.
 */
#include <errno.h>

#include "lib/caches/ephemerons.h"
#include "lib/caches/key_hash.h"
#include "lib/mem/metadata.h"

enum { MOST = 10000, SEEN_PLACES = 1 << 15 };

static lido_link maps = LIDO_LIST_INITIAL(maps); /* under the room's lock */

static lido_ephemerons *map_at(lido_link *link) { return LIDO_LIST_ITEM(link, lido_ephemerons, maps); }

void lido_cycles_list(lido_ephemerons *map) {
  lido_caches_lock();
  lido_list_append(&maps, &map->maps);
  lido_caches_unlock();
}

void lido_cycles_unlist(lido_ephemerons *map) {
  lido_caches_lock();
  lido_list_remove(&map->maps);
  lido_caches_unlock();
}

/* ---- A walk ---- */

typedef struct walk {
  const void *key;
  bool quiet; /* no other thread changes attachments: values that are no objects may be asked */
  bool found;
  size_t count;
  const void *order[MOST];
  void *held[MOST]; /* values that were reached, with one reference each, so that what they hold is alive */
  size_t holds;
  const void *seen[SEEN_PLACES]; /* by hash, then the next free */
} walk;

static void note(const void *object, void *arg) {
  walk *w = arg;
  if (object == w->key) w->found = true;
  if (object == NULL || w->found || w->count == MOST) return;
  size_t place = lido_hash_mix((uintptr_t)object) % SEEN_PLACES;
  while (w->seen[place] != NULL && w->seen[place] != object) place = (place + 1) % SEEN_PLACES;
  if (w->seen[place] == object) return;
  w->seen[place] = object;
  w->order[w->count++] = object;
}

/* The map after `map` (NULL: the first), with a reference, which takes the place of that to `map`. */
static lido_ephemerons *next_map(lido_ephemerons *map) {
  lido_ephemerons *next = NULL;
  lido_caches_lock();
  bool is_listed = map == NULL || !lido_list_is_empty(&map->maps);
  lido_link *link = map == NULL ? maps.next : map->maps.next;
  while (is_listed && link != &maps && next == NULL) {
    next = lido_weak_acquire(map_at(link)->self);
    link = link->next;
  }
  lido_caches_unlock();
  lido_release(map);
  return next;
}

/* What is attached to the object there; an object is held until the walk is over. */
static const void *attached(walk *w, lido_ephemerons *map, const void *object) {
  if (!map->options.objects) return w->quiet ? lido_ephemerons_get(map, object) : NULL;
  if (w->holds == MOST) return NULL;
  void *value = lido_ephemerons_acquire(map, object);
  if (value != NULL) w->held[w->holds++] = value;
  return value;
}

static void note_value(walk *w, const lido_ephemerons *map, const void *value) {
  const lido_ephemerons_options *options = &map->options;
  if (options->objects) note(value, w);
  if (options->references != NULL) options->references(value, note, w, options->context);
}

static void note_all_attached(walk *w, const void *object) {
  for (lido_ephemerons *map = next_map(NULL); map != NULL; map = next_map(map)) {
    const void *value = attached(w, map, object);
    if (value != NULL) note_value(w, map, value);
  }
}

static bool walk_from(walk *w, const lido_ephemerons *map, const void *value) {
  note_value(w, map, value);
  for (size_t i = 0; i < w->count && !w->found; i++) note_all_attached(w, w->order[i]);
  while (w->holds != 0) lido_release(w->held[--w->holds]);
  return w->found;
}

bool lido_cycles_find(const lido_ephemerons *map, const void *key, const void *value, bool quiet) {
  int saved_errno = errno;
  walk *w = lido_metadata_alloc(lido_metadata_system(), sizeof *w);
  bool found = false;
  if (w != NULL) {
    w->key = key;
    w->quiet = quiet;
    found = walk_from(w, map, value);
    lido_metadata_free(lido_metadata_system(), w, sizeof *w);
  }
  errno = saved_errno;
  return found;
}

bool lido_ephemerons_find_cycle(lido_ephemerons *map, const void *key, const void *value) {
  return lido_cycles_find(map, key, value, true);
}
