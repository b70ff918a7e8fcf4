/* object_shelf.c: see object_shelf.h. */
#include "pools/object_shelf.h"

#include "lib/mem/metadata.h"

/* ---- Magazines ---- */

enum { SPARES_MOST = 8 };

static lido_object_magazine *new_magazine(void) {
  lido_object_magazine *magazine = lido_metadata_take(lido_metadata_system(), sizeof *magazine);
  if (magazine != NULL) magazine->count = 0;
  return magazine;
}

size_t lido_object_magazine_bytes(const lido_object_magazine *magazine) {
  size_t bytes = 0;
  for (size_t i = 0; i < magazine->count; i++) bytes += magazine->items[i].bytes;
  return bytes;
}

bool lido_object_spares_reserve(lido_object_spares *spares, size_t count) {
  while (spares->count < count) {
    lido_object_magazine *made = new_magazine();
    if (made == NULL) return false;
    made->next = spares->first;
    spares->first = made;
    spares->count++;
  }
  return true;
}

lido_object_magazine *lido_object_magazine_get(lido_object_spares *spares) {
  lido_object_magazine *spare = spares->first;
  if (spare == NULL) return new_magazine();
  spares->first = spare->next;
  spares->count--;
  return spare;
}

static void free_magazine(lido_object_magazine *magazine) {
  lido_metadata_free(lido_metadata_system(), magazine, sizeof *magazine);
}

void lido_object_magazine_put(lido_object_spares *spares, lido_object_magazine *magazine) {
  if (magazine == NULL || spares->count >= SPARES_MOST) {
    free_magazine(magazine);
    return;
  }
  magazine->count = 0;
  magazine->next = spares->first;
  spares->first = magazine;
  spares->count++;
}

void lido_object_spares_end(lido_object_spares *spares) {
  while (spares->count != 0) free_magazine(lido_object_magazine_get(spares));
}

/* ---- Shelves ---- */

void lido_object_shelf_push(lido_object_shelf *shelf, lido_object_magazine *magazine) {
  magazine->next = shelf->first;
  shelf->first = magazine;
  shelf->objects += magazine->count;
  shelf->bytes += lido_object_magazine_bytes(magazine);
}

lido_object_magazine *lido_object_shelf_pop(lido_object_shelf *shelf) {
  lido_object_magazine *magazine = shelf->first;
  if (magazine == NULL) return NULL;
  shelf->first = magazine->next;
  shelf->objects -= magazine->count;
  shelf->bytes -= lido_object_magazine_bytes(magazine);
  return magazine;
}

bool lido_object_shelf_add(lido_object_shelf *shelf, lido_kept kept, lido_object_spares *spares) {
  lido_object_magazine *magazine = shelf->first;
  if (magazine == NULL || magazine->count == LIDO_OBJECT_MAGAZINE) {
    magazine = lido_object_magazine_get(spares);
    if (magazine == NULL) return false;
    magazine->next = shelf->first;
    shelf->first = magazine;
  }
  magazine->items[magazine->count++] = kept;
  shelf->objects++;
  shelf->bytes += kept.bytes;
  return true;
}

bool lido_object_shelf_take(lido_object_shelf *shelf, lido_kept *kept, lido_object_spares *spares) {
  lido_object_magazine *magazine = shelf->first;
  if (magazine == NULL) return false;
  *kept = magazine->items[--magazine->count];
  shelf->objects--;
  shelf->bytes -= kept->bytes;
  if (magazine->count == 0) {
    shelf->first = magazine->next;
    lido_object_magazine_put(spares, magazine);
  }
  return true;
}

const char *lido_object_shelf_check(const lido_object_shelf *shelf) {
  size_t objects = 0;
  size_t bytes = 0;
  for (const lido_object_magazine *m = shelf->first; m != NULL; m = m->next) {
    if (m->count == 0 || m->count > LIDO_OBJECT_MAGAZINE) return "F1: a magazine that is empty or more than full";
    objects += m->count;
    bytes += lido_object_magazine_bytes(m);
  }
  return objects != shelf->objects || bytes != shelf->bytes ? "F1: objects or bytes of a shelf miscounted" : NULL;
}
