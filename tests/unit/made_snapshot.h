/* made_snapshot.h: a snapshot that is filled by hand, and its text. */
#ifndef LIDO_TESTS_UNIT_MADE_SNAPSHOT_H
#define LIDO_TESTS_UNIT_MADE_SNAPSHOT_H

#include <stdlib.h>

#include "lido/lido.h"
#include "tests/support/testing.h"

enum { MADE_MEMBERS = 200 };

typedef struct made_snapshot {
  lido_snapshot snapshot;
  lido_pool_snapshot pools[MADE_MEMBERS];
  lido_arena_class_snapshot arena_classes[2];
  lido_cache_snapshot caches[2];
  lido_cleanup_queue_snapshot queues[2];
} made_snapshot;

/* With so many pools called `name`, and nothing else. */
static inline lido_snapshot *made_with_pools(made_snapshot *made, const char *name, size_t count) {
  *made = (made_snapshot){.snapshot = {.manager = "m"}};
  for (size_t i = 0; i < count; i++) made->pools[i] = (lido_pool_snapshot){.name = name, .object_size = 24};
  made->snapshot.pools = made->pools;
  made->snapshot.pool_count = count;
  return &made->snapshot;
}

/* With one of each, all numbers 0. */
static inline lido_snapshot *made_with_all(made_snapshot *made) {
  made_with_pools(made, "conns", 1);
  made->arena_classes[0].name = "requests";
  made->snapshot.arena_classes = made->arena_classes;
  made->snapshot.arena_class_count = 1;
  made->caches[0].name = "fonts";
  made->snapshot.caches = made->caches;
  made->snapshot.cache_count = 1;
  made->queues[0].name = "late";
  made->snapshot.cleanup_queues = made->queues;
  made->snapshot.cleanup_queue_count = 1;
  return &made->snapshot;
}

/* The whole text; free() it. */
static inline char *made_text(const lido_snapshot *snapshot, lido_metrics_format format) {
  size_t bytes = lido_metrics_write_buffer(snapshot, format, NULL, 0);
  char *text = malloc(bytes + 1);
  CHECK_NOT_NULL(text);
  CHECK_EQ(lido_metrics_write_buffer(snapshot, format, text, bytes + 1), bytes);
  CHECK_EQ(strlen(text), bytes);
  return text;
}

static inline bool made_text_has(const lido_snapshot *snapshot, lido_metrics_format format, const char *part) {
  char *text = made_text(snapshot, format);
  bool has = strstr(text, part) != NULL;
  free(text);
  return has;
}

#define CHECK_HAS(snapshot, format, part)                                                         \
  do {                                                                                            \
    if (!made_text_has(snapshot, format, part)) TESTING_FAIL("the text does not have\n%s", part); \
  } while (0)

#define CHECK_HAS_NOT(snapshot, format, part)                                          \
  do {                                                                                 \
    if (made_text_has(snapshot, format, part)) TESTING_FAIL("the text has\n%s", part); \
  } while (0)

#endif
