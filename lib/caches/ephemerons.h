/* ephemerons.h: maps from objects to what is attached to them.
 *
 * Idea: a table (hash_table.h) of attachments by the bits of the key's handle, and a cleanup on each key that takes its
 * attachment out. A map is an object with a handle, so that a cleanup that comes late finds it gone.
 * Invariants
 *   A1  an attachment that is `listed` is in the table; no two have the same key.
 *   A2  its key has a cleanup that has not run, and knows the map and the key by their handles.
 *   A3  a map with `objects` holds one reference to each value, and knows it by its handle too: when the value's pool
 *       has ended both are gone.
 * Races
 *   death of a key / set: who sets holds a reference to the key.
 *   set / set, detach / set: by the shard's lock; what was before ends once, in the thread that took it out.
 *   end of the map / death of a key: the cleanup acquires the map, or finds it dead. One that took its attachment out
 *   before the table was emptied counted itself in `deaths`
 *     before, and the end waits for it: when destroy returns nobody calls `end` any more.
 *   acquire / replace: the value's handle decides; the map's reference goes after the value has left the table.
 * Lock: SHARD. None while the program is called.
 * Failure: ENOMEM, nothing changed.
 * Not done: collecting cycles. Counts can't tell a cycle from a value that is in use; trial deletion could, but would
 * need to know every reference that every object holds, and to stop all threads. What is offered is to find them while
 * the program is being tested.
 */
#ifndef LIDO_LIB_CACHES_EPHEMERONS_H
#define LIDO_LIB_CACHES_EPHEMERONS_H

#include "lib/base/list.h"
#include "lib/caches/caches_fork.h"
#include "lib/caches/hash_table.h"
#include "lib/caches/sized_pools.h"
#include "lido/cleanup.h"
#include "lido/ephemeron.h"

typedef struct lido_attachment {
  lido_table_node node;
  lido_weak key;    /* fixed */
  void *value;      /* atomic */
  uint64_t as_weak; /* atomic: its handle, in a map with `objects` */
  lido_cleanup cleanup;
  bool listed; /* under the shard's lock */
} lido_attachment;

struct lido_ephemerons {
  lido_table table;
  lido_ephemerons_options options;
  lido_weak self;
  lido_caches_member member;
  lido_link maps; /* in the list of all (ephemeron_cycles.c) */
  lido_sized_pools attachments;
  lido_ephemerons_stats rare; /* counters; atomic */
  uint64_t deaths;            /* atomic: of keys, that are being heard of now */
  char name[64];
};

/* Inside a guard (then NULL may be wrong), or with the shard's lock. */
lido_attachment *lido_attachment_find(lido_ephemerons *map, lido_weak key);

/* The key's handle if it has one, without making one. */
lido_weak lido_attachment_key_of(const void *key);

/* ---- Cycles (ephemeron_cycles.c) ---- */

void lido_cycles_list(lido_ephemerons *map);
void lido_cycles_unlist(lido_ephemerons *map);

/* Would `value`, attached to `key` in this map, keep it alive? `quiet`: no other thread changes attachments
 * meanwhile. */
bool lido_cycles_find(const lido_ephemerons *map, const void *key, const void *value, bool quiet);

#endif
