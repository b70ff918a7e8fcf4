/* micro_loops.h: the loops, written once and compiled for each subject.
 *
 * No include guard: a program includes it once per subject, after
 *     #define SUBJECT name                 functions become name_pair, name_batch, …
 *     #define SUBJECT_BEGIN                declarations at the start of each loop, or nothing
 *     #define SUBJECT_ALLOC()              a new object of 64 bytes
 *     #define SUBJECT_FREE(object)
 * and then uses SUBJECT_TABLE(name) to get them all.
 *
 * Every object that a loop allocates is written once (8 bytes) and then shown to the compiler as
 * escaped, or it would delete whole malloc/free pairs.
 */
#include "micro.h"

#define LOOP_NAME_2(subject, loop) subject##_##loop
#define LOOP_NAME_1(subject, loop) LOOP_NAME_2(subject, loop)
#define LOOP(loop) LOOP_NAME_1(SUBJECT, loop)

/* `count` times: alloc, write, free. */
static __attribute__((noinline)) void LOOP(pair)(size_t count) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) {
    void *object = SUBJECT_ALLOC();
    micro_touch(object, i);
    SUBJECT_FREE(object);
  }
}

/* `count` objects: MICRO_BATCH at a time are allocated and written, then freed in the same order. */
static __attribute__((noinline)) void LOOP(batch)(size_t count) {
  SUBJECT_BEGIN
  void *objects[MICRO_BATCH];
  for (size_t done = 0; done < count; done += MICRO_BATCH) {
    for (size_t i = 0; i < MICRO_BATCH; i++) {
      objects[i] = SUBJECT_ALLOC();
      micro_touch(objects[i], i);
    }
    for (size_t i = 0; i < MICRO_BATCH; i++) SUBJECT_FREE(objects[i]);
  }
}

/* `count` times: free one of `live` objects picked at random, put a new one in its place. */
static __attribute__((noinline)) void LOOP(random)(void **objects, size_t live, size_t count, uint64_t seed) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) {
    size_t at = bench_random(&seed) % live;
    SUBJECT_FREE(objects[at]);
    void *object = SUBJECT_ALLOC();
    micro_touch(object, i);
    objects[at] = object;
  }
}

/* `count` times: free the next of `live` objects, put a new one in its place. */
static __attribute__((noinline)) void LOOP(walk)(void **objects, size_t live, size_t count) {
  SUBJECT_BEGIN
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    SUBJECT_FREE(objects[at]);
    void *object = SUBJECT_ALLOC();
    micro_touch(object, i);
    objects[at] = object;
    if (++at == live) at = 0;
  }
}

static __attribute__((noinline)) void LOOP(produce)(micro_ring *ring, size_t count) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) {
    void *object = SUBJECT_ALLOC();
    micro_touch(object, i);
    micro_ring_push(ring, object);
  }
}

static __attribute__((noinline)) void LOOP(consume)(micro_ring *ring, size_t count) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) SUBJECT_FREE(micro_ring_pop(ring));
}

static __attribute__((noinline)) void LOOP(fill)(void **objects, size_t count) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) {
    void *object = SUBJECT_ALLOC();
    if (object == NULL) bench_die("no memory for object %zu of %zu", i, count);
    micro_touch(object, i);
    objects[i] = object;
  }
}

static __attribute__((noinline)) void LOOP(drain)(void **objects, size_t count) {
  SUBJECT_BEGIN
  for (size_t i = 0; i < count; i++) SUBJECT_FREE(objects[i]);
}

#undef LOOP
#undef LOOP_NAME_1
#undef LOOP_NAME_2
#undef SUBJECT
#undef SUBJECT_BEGIN
#undef SUBJECT_ALLOC
#undef SUBJECT_FREE
