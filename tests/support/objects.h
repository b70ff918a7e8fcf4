/* objects.h: what many tests do with objects: fill and verify them, take many, look at what a pool reports. */
#ifndef LIDO_TESTS_SUPPORT_OBJECTS_H
#define LIDO_TESTS_SUPPORT_OBJECTS_H

#include "lido/lido.h"
#include "tests/support/testing.h"

/* Every byte of the object follows from `stamp`. */
void objects_fill(void *object, size_t bytes, uint64_t stamp);
/* -> whether every byte is as objects_fill() left it. */
bool objects_hold(const void *object, size_t bytes, uint64_t stamp);

/* Is every byte the same? */
bool objects_are_all(const void *object, size_t bytes, unsigned char byte);

/* Statistics by value. */
static inline lido_pool_stats objects_stats(const lido_pool *pool) {
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  return stats;
}

/* A list of pointers; the tests of large counts keep their objects in one. */
typedef struct object_list {
  void **items;
  size_t count;
  size_t capacity;
} object_list;

void object_list_push(object_list *list, void *object);
/* pre: count > 0. */
void *object_list_pop(object_list *list);
void object_list_end(object_list *list);

/* Alloc until the pool has at least `slabs` slabs and all their objects are in the list. Ends the process if an
 * alloc fails. */
void objects_take_slabs(lido_pool *pool, object_list *list, size_t slabs);

/* Free all objects of the list; it is empty then. */
void objects_free_all(lido_pool *pool, object_list *list);

/* Does the list hold every address only once? Sorts it. */
bool objects_are_distinct(object_list *list);

/* Sorted by address. */
void object_list_sort(object_list *list);

/* Bytes from one object to the next: the size rounded up to the alignment and to 8. */
size_t objects_stride(size_t size, size_t align);

/* ---- Threads ---- */

/* Run `body(argument)` in a new thread and wait for its end. */
void objects_in_thread(void *(*body)(void *argument), void *argument);

/* ---- Bytes held ---- */

/* What Lido holds when this thread's caches are flushed. The same number before and after says that nothing leaked,
 * once a first round has made what stays for ever. */
int64_t objects_bytes_held(void);

/* ---- Misuse ---- */

/* What a returning handler saw. */
typedef struct misuse_log {
  size_t count;
  lido_misuse last;
  char pool[64];
  char other_pool[64];
} misuse_log;

/* Install a handler that notes each misuse and returns. */
void misuse_log_start(misuse_log *log);
/* Back to the default handler. */
void misuse_log_stop(void);

#endif
