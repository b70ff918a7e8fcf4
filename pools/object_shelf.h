/* object_shelf.h: a list of magazines of a program's own objects, each object with its size.
 *
 * Idea: what lies behind the threads' stores (object_store.h). A store gives and takes a whole magazine at a time; who
 * has no store puts and takes single objects. A pool has two shelves: fresh, and victims, which the next trim destroys.
 * Invariants
 *   F1  `objects` and `bytes` are the sums over the shelf's magazines; none of these is empty or more than full.
 * Threads: whoever holds the pool's lock, or has the shelf for itself.
 * Failure: no memory for a magazine: add says so, and the object is still the caller's.
 * Why not magazine.h's: those belong to a lido_pool, and keep no sizes.
 */
#ifndef LIDO_POOLS_OBJECT_SHELF_H
#define LIDO_POOLS_OBJECT_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lido_kept {
  void *object;
  size_t bytes; /* 0 in a pool without size */
} lido_kept;

enum { LIDO_OBJECT_MAGAZINE = 30 }; /* of 496 bytes */

typedef struct lido_object_magazine {
  struct lido_object_magazine *next;
  size_t count;
  lido_kept items[LIDO_OBJECT_MAGAZINE]; /* the newest last */
} lido_object_magazine;

typedef struct lido_object_shelf {
  lido_object_magazine *first; /* the newest first */
  size_t objects;
  size_t bytes;
} lido_object_shelf;

/* Empty magazines. */
typedef struct lido_object_spares {
  lido_object_magazine *first;
  size_t count;
} lido_object_spares;

/* At least `count` spare magazines. false: ENOMEM; those that there are stay. */
bool lido_object_spares_reserve(lido_object_spares *spares, size_t count);
void lido_object_spares_end(lido_object_spares *spares);

/* An empty magazine: a spare one, or a new one. NULL: ENOMEM. */
lido_object_magazine *lido_object_magazine_get(lido_object_spares *spares);

/* It becomes a spare one, or goes if there are enough. NULL is ignored. */
void lido_object_magazine_put(lido_object_spares *spares, lido_object_magazine *magazine);

/* An object more, into the first magazine, a spare one or a new one. false: no memory. */
bool lido_object_shelf_add(lido_object_shelf *shelf, lido_kept kept, lido_object_spares *spares);

/* The newest object. false: there is none. */
bool lido_object_shelf_take(lido_object_shelf *shelf, lido_kept *kept, lido_object_spares *spares);

/* A magazine that is not empty. */
void lido_object_shelf_push(lido_object_shelf *shelf, lido_object_magazine *magazine);

/* The newest magazine, whole, or NULL. */
lido_object_magazine *lido_object_shelf_pop(lido_object_shelf *shelf);

size_t lido_object_magazine_bytes(const lido_object_magazine *magazine);

/* NULL, or the invariant that does not hold. */
const char *lido_object_shelf_check(const lido_object_shelf *shelf);

#endif
