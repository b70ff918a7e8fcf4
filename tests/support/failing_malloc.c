/* failing_malloc.c: see failing_malloc.h. */
#include "tests/support/failing_malloc.h"

#include <errno.h>
#include <stdlib.h>

/* glibc's own. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void __libc_free(void *block);

static _Thread_local bool on;
static _Thread_local bool again;
static _Thread_local bool refused;
static _Thread_local size_t left;
static _Thread_local long live;

void failing_malloc_begin(size_t good, bool for_ever) {
  left = good;
  again = for_ever;
  refused = false;
  on = true;
}

bool failing_malloc_end(void) {
  on = false;
  return refused;
}

long failing_malloc_live(void) { return live; }

static bool refuse(void) {
  if (!on || (refused && !again)) return false;
  if (!refused && left-- != 0) return false;
  refused = true;
  errno = ENOMEM;
  return true;
}

static void *counted(void *block) {
  live += block != NULL;
  return block;
}

void *malloc(size_t bytes) { return refuse() ? NULL : counted(__libc_malloc(bytes)); }

void *calloc(size_t count, size_t bytes) { return refuse() ? NULL : counted(__libc_calloc(count, bytes)); }

void *realloc(void *block, size_t bytes) {
  if (refuse()) return NULL;
  return block == NULL ? counted(__libc_malloc(bytes)) : __libc_realloc(block, bytes);
}

void free(void *block) {
  live -= block != NULL;
  __libc_free(block);
}
