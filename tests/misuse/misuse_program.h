/* misuse_program.h: what the programs of this folder share. Each one prints the line that it expects, misuses
 * a pool or an arena, and should not come back; run_misuse.py compares the line with what came on standard error.
 *
 * The lines are written out by hand, not by lido_misuse_format(): they are what users see and search for. An
 * object's number is its place in its slab; a fresh pool hands out a slab's objects from 0 upwards.
 */
#ifndef LIDO_TESTS_MISUSE_MISUSE_PROGRAM_H
#define LIDO_TESTS_MISUSE_MISUSE_PROGRAM_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lido/lido.h"

/* The program could not even come to its misuse. */
static inline _Noreturn void give_up(const char *what) {
  fprintf(stderr, "cannot misuse: %s\n", what);
  exit(3);
}

#define NEED(condition)                    \
  do {                                     \
    if (!(condition)) give_up(#condition); \
  } while (0)

/* With LIDO_TEST_HEAP_MEAN each object is a sample of the heap profile; the misuse is found all the same. */
__attribute__((constructor)) static void sample_if_wanted(void) {
  const char *text = getenv("LIDO_TEST_HEAP_MEAN");
  if (text == NULL) return;
  lido_heap_profile_options options = {.mean_bytes = strtoull(text, NULL, 0), .cost_permille = 1000};
  NEED(lido_heap_profile_start(&options) == 0);
}

/* The line, without its newline, that the misuse must print. */
__attribute__((format(printf, 1, 2))) static inline void expect(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  fflush(stdout);
}

static inline lido_pool *pool_with(const lido_pool_options *options) {
  lido_pool *pool = lido_pool_create(options);
  NEED(pool != NULL);
  return pool;
}

static inline lido_pool *pool_with_flags(const char *name, size_t object_size, unsigned flags) {
  return pool_with(&(lido_pool_options){.name = name, .object_size = object_size, .flags = flags});
}

static inline lido_pool *pool_named(const char *name, size_t object_size) {
  return pool_with_flags(name, object_size, 0);
}

/* Of 64 bytes. */
static inline lido_pool *pool_with_handles(const char *name) { return pool_with_flags(name, 64, LIDO_POOL_HANDLES); }

/* A pool of objects of 256 bytes on `backing`. */
static inline lido_pool *pool_on(lido_backing *backing, const char *name) {
  return pool_with(&(lido_pool_options){.name = name, .object_size = 256, .backing = backing});
}

static inline void *object_of(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  NEED(object != NULL);
  return object;
}

/* The objects 0 to count - 1 of a fresh pool. */
static inline void objects_of(lido_pool *pool, void **objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    objects[i] = object_of(pool);
    NEED(objects[i] > objects[0] || i == 0);
  }
}

/* A thread that runs `body(argument)` and ends. */
static inline void in_thread(void *(*body)(void *argument), void *argument) {
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, body, argument) == 0);
  NEED(pthread_join(thread, NULL) == 0);
}

/* A pool and something of it, for a thread. */
typedef struct pool_and_object {
  lido_pool *pool;
  void *object;
} pool_and_object;

static inline void *free_it(void *argument) {
  pool_and_object *both = argument;
  lido_pool_free(both->pool, both->object);
  return NULL;
}

/* ---- Arenas ---- */

static inline lido_arena *arena_named(const char *name) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = name});
  NEED(arena != NULL);
  return arena;
}

static inline void arena_piece(lido_arena *arena) { NEED(lido_arena_alloc(arena, 100) != NULL); }

/* One that waits for the next acquire. */
static inline lido_arena *arena_released(const char *name) {
  lido_arena_class *cls = lido_arena_class_create(&(lido_arena_options){.name = name});
  NEED(cls != NULL);
  lido_arena *arena = lido_arena_acquire(cls);
  NEED(arena != NULL);
  lido_arena_release(arena);
  return arena;
}

#endif
