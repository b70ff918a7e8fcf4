/* 22_cleanup.c: what must happen when an object is gone: its file is closed, and its name leaves a table, unless
 * somebody has taken the file over. */
#include <lido/lido.h>
#include <stdio.h>
#include <unistd.h>

struct source {
  int descriptor;
};

static void close_descriptor(void *copy) {
  int descriptor = *(const int *)copy; /* the source itself is gone by now */
  printf("closed: %s\n", close(descriptor) == 0 ? "yes" : "no");
}

static void say(void *text) { puts(text); }

static struct source *open_source(lido_pool *sources, lido_cleanup *closing) {
  struct source *source = lido_pool_alloc(sources);
  if (source == NULL) return NULL;
  source->descriptor = dup(0);
  *closing = lido_cleanup_add_copy(source, close_descriptor, &source->descriptor, sizeof source->descriptor);
  if (closing->bits != 0) return source;
  close(source->descriptor);
  lido_release(source);
  return NULL;
}

int main(void) {
  lido_pool *sources = lido_pool_create(
      &(lido_pool_options){.name = "source", .object_size = sizeof(struct source), .flags = LIDO_POOL_HANDLES});
  lido_cleanup closing;
  struct source *source = sources != NULL ? open_source(sources, &closing) : NULL;
  if (source == NULL) return 1;
  if (lido_cleanup_add(source, say, "forgotten by name").bits == 0) return 1;
  lido_release(source); /* newest first: forgotten, then closed */

  source = open_source(sources, &closing);
  if (source == NULL) return 1;
  int taken = source->descriptor;
  if (lido_cleanup_stop(closing) != LIDO_CLEANUP_STOPPED) return 1; /* from here on the file is ours */
  lido_release(source);
  printf("still open: %s\n", close(taken) == 0 ? "yes" : "no");
  return lido_pool_destroy(sources) == 0 ? 0 : 1;
}
