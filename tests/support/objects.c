/* objects.c: see objects.h. */
#include "tests/support/objects.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/fault.h"

/* ---- Contents ---- */

/* Eight bytes of the pattern. A word at a time, since most of what an instrumented test does is to fill and compare. */
static uint64_t word_at(uint64_t stamp, size_t index) {
  uint64_t mixed = (stamp + index / sizeof(uint64_t) + 1) * UINT64_C(0x9e3779b97f4a7c15);
  return mixed ^ mixed >> 32;
}

void objects_fill(void *object, size_t bytes, uint64_t stamp) {
  unsigned char *at = object;
  size_t i = 0;
  for (; bytes - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
    uint64_t word = word_at(stamp, i);
    memcpy(at + i, &word, sizeof word);
  }
  uint64_t last = word_at(stamp, i);
  memcpy(at + i, &last, bytes - i);
}

bool objects_hold(const void *object, size_t bytes, uint64_t stamp) {
  const unsigned char *at = object;
  size_t i = 0;
  for (; bytes - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, at + i, sizeof word);
    if (word != word_at(stamp, i)) return false;
  }
  uint64_t last = word_at(stamp, i);
  return memcmp(at + i, &last, bytes - i) == 0;
}

bool objects_are_all(const void *object, size_t bytes, unsigned char byte) {
  const unsigned char *at = object;
  for (size_t i = 0; i < bytes; i++) {
    if (at[i] != byte) return false;
  }
  return true;
}

/* ---- Lists ---- */

static _Noreturn void give_up(const char *what) {
  fprintf(stderr, "tests: %s\n", what);
  abort();
}

void object_list_push(object_list *list, void *object) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
    list->items = realloc(list->items, list->capacity * sizeof *list->items);
    if (list->items == NULL) give_up("no memory for a list");
  }
  list->items[list->count++] = object;
}

void *object_list_pop(object_list *list) { return list->items[--list->count]; }

void object_list_end(object_list *list) {
  free(list->items);
  *list = (object_list){0};
}

void objects_take_slabs(lido_pool *pool, object_list *list, size_t slabs) {
  lido_pool_stats stats = objects_stats(pool);
  while (stats.slabs < slabs || stats.live + stats.retired < stats.objects) {
    void *object = lido_pool_alloc(pool);
    if (object == NULL) give_up("no object");
    object_list_push(list, object);
    stats = objects_stats(pool);
  }
}

void objects_free_all(lido_pool *pool, object_list *list) {
  while (list->count != 0) lido_pool_free(pool, object_list_pop(list));
}

static int by_address(const void *left, const void *right) {
  uintptr_t a = (uintptr_t) * (void *const *)left;
  uintptr_t b = (uintptr_t) * (void *const *)right;
  return (a > b) - (a < b);
}

void object_list_sort(object_list *list) {
  if (list->count != 0) qsort(list->items, list->count, sizeof *list->items, by_address);
}

bool objects_are_distinct(object_list *list) {
  object_list_sort(list);
  for (size_t i = 1; i < list->count; i++) {
    if (list->items[i] == list->items[i - 1]) return false;
  }
  return true;
}

size_t objects_stride(size_t size, size_t align) {
  size_t unit = align > 8 ? align : 8;
  return (size + unit - 1) / unit * unit;
}

/* ---- Threads ---- */

void objects_in_thread(void *(*body)(void *argument), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, argument) != 0) give_up("no thread");
  if (pthread_join(thread, NULL) != 0) give_up("no join");
}

/* ---- Bytes held ---- */

int64_t objects_bytes_held(void) {
  lido_thread_flush();
  return lido_fault_bytes();
}

/* ---- Misuse ---- */

static void note_misuse(const lido_misuse *misuse, void *context) {
  misuse_log *log = context;
  log->count++;
  log->last = *misuse;
  snprintf(log->pool, sizeof log->pool, "%s", misuse->pool);
  snprintf(log->other_pool, sizeof log->other_pool, "%s", misuse->other_pool == NULL ? "" : misuse->other_pool);
}

void misuse_log_start(misuse_log *log) {
  *log = (misuse_log){0};
  lido_misuse_handler_set(note_misuse, log);
}

void misuse_log_stop(void) { lido_misuse_handler_set(NULL, NULL); }
