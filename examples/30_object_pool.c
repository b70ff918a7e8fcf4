/* 30_object_pool.c: buffers that grow. They are used again, but one that has grown beyond a bound is not kept, and what
 * nobody has used for two trims goes. */
#include <lido/object_pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_EACH = 64 * 1024 };

struct buffer {
  size_t length;
  size_t capacity;
  char *bytes;
};

static void *buffer_new(void *context) {
  (void)context;
  return calloc(1, sizeof(struct buffer));
}

static void buffer_clear(void *object, void *context) {
  (void)context;
  ((struct buffer *)object)->length = 0; /* its memory stays, that is the point */
}

static void buffer_free(void *object, void *context) {
  (void)context;
  free(((struct buffer *)object)->bytes);
  free(object);
}

static size_t buffer_size(const void *object, void *context) {
  (void)context;
  return ((const struct buffer *)object)->capacity;
}

LIDO_OBJECT_POOL_DEFINE(buffer, struct buffer, .create = buffer_new, .reset = buffer_clear, .destroy = buffer_free,
                        .size = buffer_size, .keep_bytes_each = KEEP_EACH, .keep_objects = 100)

static int append(struct buffer *buffer, const char *text) {
  size_t length = strlen(text);
  if (buffer->length + length > buffer->capacity) {
    size_t capacity = 2 * (buffer->capacity + length);
    char *grown = realloc(buffer->bytes, capacity);
    if (grown == NULL) return 0;
    buffer->bytes = grown;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->length, text, length);
  buffer->length += length;
  return 1;
}

/* A page of so many lines, in a buffer that is somebody's no longer when it has been sent. */
static int answer(int lines) {
  struct buffer *page = buffer_get();
  if (page == NULL) return 0;
  for (int i = 0; i < lines; i++) {
    if (!append(page, "one line of a page that is made for one request\n")) return 0;
  }
  buffer_put(page);
  return 1;
}

int main(void) {
  for (int i = 0; i < 1000; i++) {
    if (!answer(i == 500 ? 100000 : i % 50)) return 1; /* one of them is huge */
  }
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(buffer_objects(), &stats);
  printf("%llu gets, %.1f %% reused; %llu too large to be kept\n", (unsigned long long)stats.gets,
         100 * lido_object_pool_reuse_rate(&stats), (unsigned long long)stats.destroyed_large);
  if (stats.created != 2 || stats.destroyed_large != 1) return 1;

  lido_object_pool_trim(buffer_objects()); /* from a timer, say */
  size_t gone = lido_object_pool_trim(buffer_objects());
  printf("%zu unused buffer destroyed by the second trim\n", gone);
  return gone == 1 && lido_object_pool_destroy(buffer_objects()) == 0 ? 0 : 1;
}
