/* reference.h: the plain reference of the model: which objects are live, and what is in them.
 *
 * A table by address with open addressing, and the addresses once more in an array, so that any of them can
 * be chosen at random. Each object has a stamp, from which the bytes at its two ends follow.
 */
#ifndef LIDO_TESTS_MODEL_REFERENCE_H
#define LIDO_TESTS_MODEL_REFERENCE_H

#include "tests/support/objects.h"

enum {
  REFERENCE_SLOTS = 1 << 14,
  REFERENCE_MOST = 3000,
  REFERENCE_EDGE = 24, /* bytes stamped at each end of an object */
};

typedef struct reference_entry {
  unsigned char *object; /* NULL: empty slot */
  uint64_t stamp;
  uint64_t visit; /* the walk that saw it last */
  size_t rank;    /* its index in `order` */
} reference_entry;

typedef struct reference {
  reference_entry table[REFERENCE_SLOTS];
  unsigned char *order[REFERENCE_MOST];
  size_t count;
} reference;

/* ---- The table ---- */

static inline size_t reference_next(size_t slot) { return (slot + 1) % REFERENCE_SLOTS; }

static inline size_t reference_slot(const reference *r, const void *object) {
  size_t slot = (uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15) >> 50;
  while (r->table[slot].object != NULL && r->table[slot].object != object) slot = reference_next(slot);
  return slot;
}

/* The entry of a live object, or NULL. */
static inline reference_entry *reference_find(reference *r, const void *object) {
  reference_entry *found = &r->table[reference_slot(r, object)];
  return found->object != NULL ? found : NULL;
}

/* pre: the object is not there, and fewer than REFERENCE_MOST are. */
static inline reference_entry *reference_insert(reference *r, unsigned char *object, uint64_t stamp) {
  reference_entry *entry = &r->table[reference_slot(r, object)];
  *entry = (reference_entry){.object = object, .stamp = stamp, .rank = r->count};
  r->order[r->count++] = object;
  return entry;
}

static inline void reference_erase(reference *r, reference_entry *entry) {
  unsigned char *last = r->order[--r->count];
  r->order[entry->rank] = last;
  reference_find(r, last)->rank = entry->rank;
  entry->object = NULL;
  /* What stands behind it may have stood there because of it. */
  size_t slot = reference_next((size_t)(entry - r->table));
  for (; r->table[slot].object != NULL; slot = reference_next(slot)) {
    reference_entry moved = r->table[slot];
    r->table[slot].object = NULL;
    r->table[reference_slot(r, moved.object)] = moved;
  }
}

/* ---- Contents: bytes `skip` to `size` of the object are the program's ---- */

static inline size_t reference_edge(size_t size, size_t skip) {
  return size - skip < REFERENCE_EDGE ? size - skip : REFERENCE_EDGE;
}

static inline void reference_write(const reference_entry *entry, size_t size, size_t skip) {
  size_t edge = reference_edge(size, skip);
  objects_fill(entry->object + skip, edge, entry->stamp);
  objects_fill(entry->object + size - edge, edge, entry->stamp);
}

static inline bool reference_holds(const reference_entry *entry, size_t size, size_t skip) {
  size_t edge = reference_edge(size, skip);
  bool overlap = size - skip < 2 * edge; /* then what was written last stands */
  return (overlap || objects_hold(entry->object + skip, edge, entry->stamp)) &&
         objects_hold(entry->object + size - edge, edge, entry->stamp);
}

#endif
