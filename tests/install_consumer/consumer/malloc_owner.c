/* malloc_owner.c: mimalloc is looked up at run time, for linking it would decide what is to be found out. */
#define _GNU_SOURCE
#include "malloc_owner.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mimalloc_is_loaded(void) { return dlsym(RTLD_DEFAULT, "mi_is_in_heap_region") != NULL; }

int block_is_mimallocs(const void *block) {
  bool (*is_in_heap_region)(const void *);
  *(void **)&is_in_heap_region = dlsym(RTLD_DEFAULT, "mi_is_in_heap_region");
  return is_in_heap_region != NULL && is_in_heap_region(block);
}

static int taken_over(const char *function, void *block) {
  int is = block_is_mimallocs(block);
  if (is) fprintf(stderr, "%s is served by mimalloc\n", function);
  free(block);
  return is;
}

/* That the question can be answered with yes at all. */
static int cannot_tell(void) {
  void *(*mi_malloc)(size_t);
  void (*mi_free)(void *);
  *(void **)&mi_malloc = dlsym(RTLD_DEFAULT, "mi_malloc");
  *(void **)&mi_free = dlsym(RTLD_DEFAULT, "mi_free");
  void *block = mi_malloc(64);
  int can_tell = block_is_mimallocs(block);
  mi_free(block);
  if (!can_tell) fprintf(stderr, "mimalloc does not know its own block\n");
  return !can_tell;
}

int count_taken_over(void) {
  if (!mimalloc_is_loaded()) return 0;
  void *posix = NULL;
  if (posix_memalign(&posix, 64, 64) != 0) return 1;
  return cannot_tell() + taken_over("malloc", malloc(64)) + taken_over("calloc", calloc(4, 16)) +
         taken_over("realloc", realloc(NULL, 64)) + taken_over("aligned_alloc", aligned_alloc(64, 64)) +
         taken_over("strdup", strdup("lido")) + taken_over("posix_memalign", posix);
}
