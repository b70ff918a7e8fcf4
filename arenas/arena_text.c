/* arena_text.c: copies and formatted text. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "lib/base/bits.h"

void *lido_arena_memdup(lido_arena *arena, const void *data, size_t bytes) {
  void *copy = lido_arena_alloc(arena, bytes);
  if (copy != NULL && bytes != 0) memcpy(copy, data, bytes);
  return copy;
}

static char *copy_text(lido_arena *arena, const char *text, size_t length) {
  char *copy = length < SIZE_MAX ? lido_arena_alloc(arena, length + 1) : NULL;
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

char *lido_arena_strdup(lido_arena *arena, const char *text) {
  return text == NULL ? NULL : copy_text(arena, text, strlen(text));
}

char *lido_arena_strndup(lido_arena *arena, const char *text, size_t most) {
  return text == NULL ? NULL : copy_text(arena, text, strnlen(text, most));
}

char *lido_arena_printf(lido_arena *arena, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = lido_arena_vprintf(arena, format, arguments);
  va_end(arguments);
  return text;
}

/* The window is no piece yet, so where someone watches, it must not be written to. */
static size_t window_bytes(const lido_arena *arena) {
#if defined(LIDO_ASAN) || defined(LIDO_MSAN) || LIDO_CHECKS == LIDO_CHECKS_FULL
  (void)arena;
  return 0;
#else
  return lido_min((size_t)(arena->end - arena->at), INT_MAX); /* more some vsnprintf refuse */
#endif
}

/* The second pass, which may still fail. */
static char *print_into(lido_arena *arena, char *text, size_t bytes, const char *format, va_list arguments) {
  int saved_errno = errno;
  if (vsnprintf(text, bytes, format, arguments) < 0) {
    lido_arena_free(arena, text, bytes);
    return NULL;
  }
  errno = saved_errno;
  return text;
}

char *lido_arena_vprintf(lido_arena *arena, const char *format, va_list arguments) {
  va_list first;
  va_copy(first, arguments);
  size_t room = window_bytes(arena);
  int saved_errno = errno;
  int length = vsnprintf(room != 0 ? arena->at : NULL, room, format, first);
  va_end(first);
  if (length < 0) return NULL;
  errno = saved_errno; /* %m prints it */
  char *text = lido_arena_alloc(arena, (size_t)length + 1);
  if (text == NULL || (size_t)length < room) return text; /* what fits was written where the piece now is */
  return print_into(arena, text, (size_t)length + 1, format, arguments);
}
