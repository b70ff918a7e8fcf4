/* flights.h: threads that ask a cache for one key at once, and a creation that lasts until as many of them wait as the
 * test wants. */
#ifndef LIDO_TESTS_SUPPORT_FLIGHTS_H
#define LIDO_TESTS_SUPPORT_FLIGHTS_H

#include <pthread.h>
#include <sched.h>

#include "tests/support/cached.h"
#include "tests/support/gate.h"

enum { FLIGHTS_MOST = 66 };

typedef struct flight_scene flight_scene;

typedef struct flight_asker {
  flight_scene *scene;
  uint64_t wait_ns;
  int error;
  cached_value *value; /* with a reference */
  pthread_t thread;
} flight_asker;

struct flight_scene {
  cached_world world;
  /* what create does */
  uint64_t wanted;                   /* go on when so many wait, all told */
  void (*meanwhile)(flight_scene *); /* then call this, or NULL */
  int outcome;                       /* and return this */
  uint64_t created;                  /* atomic: calls */
  gate gate;                         /* for whom it is of use */
  flight_asker askers[FLIGHTS_MOST];
  size_t count;
};

#define FLIGHT_KEY "the key", 7

static inline void flights_await_waits(const lido_cache *cache, uint64_t wanted) {
  while (cached_stats(cache).waits < wanted) sched_yield();
}

/* A lido_cache_maker; arg: the scene. */
static inline int flights_create(const void *key, size_t key_bytes, void *arg, void **value) {
  flight_scene *scene = arg;
  (void)key, (void)key_bytes;
  uint64_t number = 1 + __atomic_fetch_add(&scene->created, 1, __ATOMIC_ACQ_REL);
  flights_await_waits(scene->world.cache, scene->wanted);
  if (scene->meanwhile != NULL) scene->meanwhile(scene);
  if (scene->outcome != 0) return scene->outcome;
  *value = cached_make(&scene->world, number);
  return *value != NULL ? 0 : ENOMEM;
}

/* Like it, at once, and not counted. arg: the scene. */
static inline int flights_create_plainly(const void *key, size_t key_bytes, void *arg, void **value) {
  const flight_scene *scene = arg;
  (void)key, (void)key_bytes;
  *value = cached_make(&scene->world, 1000);
  return *value != NULL ? 0 : ENOMEM;
}

static inline void *flights_ask(void *argument) {
  flight_asker *asker = argument;
  void *value = asker;
  asker->error = lido_cache_get_or_create_within(asker->scene->world.cache, FLIGHT_KEY, flights_create, asker->scene,
                                                 asker->wait_ns, &value);
  asker->value = value;
  return NULL;
}

static inline void flights_begin(flight_scene *scene, const lido_cache_options *options) {
  *scene = (flight_scene){.world = cached_begin(options), .gate = GATE_SHUT};
}

/* `count` more threads ask. */
static inline void flights_start(flight_scene *scene, size_t count) {
  for (size_t i = 0; i < count; i++) {
    flight_asker *asker = &scene->askers[scene->count++];
    *asker = (flight_asker){.scene = scene, .wait_ns = UINT64_MAX};
    CHECK_EQ(pthread_create(&asker->thread, NULL, flights_ask, asker), 0);
  }
}

static inline void flights_join(flight_scene *scene) {
  for (size_t i = 0; i < scene->count; i++) CHECK_EQ(pthread_join(scene->askers[i].thread, NULL), 0);
}

/* All got the same object, each with a reference, which are released here. */
static inline void flights_check_value(flight_scene *scene, uint64_t number, size_t other_references) {
  cached_value *value = scene->askers[0].value;
  CHECK_NOT_NULL(value);
  CHECK_EQ(value->number, number);
  CHECK_EQ(lido_reference_count(value), scene->count + other_references);
  for (size_t i = 0; i < scene->count; i++) {
    CHECK_EQ(scene->askers[i].error, 0);
    CHECK_SAME(scene->askers[i].value, value);
    lido_release(scene->askers[i].value);
  }
  scene->count = 0;
}

static inline void flights_check_error(flight_scene *scene, int error) {
  for (size_t i = 0; i < scene->count; i++) {
    CHECK_EQ(scene->askers[i].error, error);
    CHECK_NULL(scene->askers[i].value);
  }
  scene->count = 0;
}

/* Nothing may be live. */
static inline void flights_end(flight_scene *scene) {
  CHECK_EQ(objects_stats(scene->world.pool).live, 0);
  cached_end(&scene->world);
}

#endif
