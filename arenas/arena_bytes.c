/* arena_bytes.c: bytes that grow: see lido_bytes in lido/arena.h.
 *
 * Room doubles, so that n bytes cost O(n) also where they have to move. There is always room for a zero behind
 * the last byte.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "arenas/arena_core.h"
#include "lib/base/bits.h"

enum { LEAST = 64 };

lido_bytes lido_bytes_begin(lido_arena *arena, size_t expected) {
  lido_bytes bytes = {.arena = arena};
  if (expected != 0) lido_bytes_grow(&bytes, expected);
  return bytes;
}

/* Without room no add gets past lido_bytes_grow(). */
static bool fail(lido_bytes *bytes, int error) {
  bytes->failed = true;
  bytes->error = error;
  bytes->room = bytes->count;
  errno = error;
  return false;
}

static bool grow_to(lido_bytes *bytes, size_t room) {
  char *data = lido_arena_realloc(bytes->arena, bytes->data, bytes->room, room);
  if (data == NULL) return false;
  bytes->data = data;
  bytes->room = room;
  return true;
}

/* More room than is needed: if there is not so much, nothing failed yet, and nobody is asked to free some for it. */
static bool grow_amply_to(lido_bytes *bytes, size_t room) {
  lido_arena_core *core = lido_arena_core_of(bytes->arena);
  lido_arena_memory_of_failures before = lido_arena_remember(core);
  core->at_ease = true;
  bool grown = grow_to(bytes, room);
  core->at_ease = false;
  if (!grown) lido_arena_take_back(core, before);
  return grown;
}

bool lido_bytes_grow(lido_bytes *bytes, size_t count) {
  if (bytes->failed) return fail(bytes, bytes->error);
  if (count >= PTRDIFF_MAX - bytes->count) {
    lido_arena_fail(lido_arena_core_of(bytes->arena));
    return fail(bytes, ENOMEM);
  }
  size_t least = bytes->count + count + 1;
  if (least <= bytes->room) return true;
  size_t room = lido_arena_rounded(lido_max(lido_max(2 * bytes->room, least), LEAST));
  bool grown = (least < room && grow_amply_to(bytes, room)) || grow_to(bytes, least);
  if (!grown) return fail(bytes, ENOMEM);
  bytes->data[bytes->count] = 0;
  return true;
}

char *lido_bytes_room(lido_bytes *bytes, size_t count) {
  return lido_bytes_grow(bytes, count) ? bytes->data + bytes->count : NULL;
}

/* A text that did not fit: again, with room for it. -> its length, or less than 0: errno. */
static int print_again(lido_bytes *bytes, int length, const char *format, va_list arguments) {
  if (!lido_bytes_grow(bytes, (size_t)length)) return -1;
  int again = vsnprintf(bytes->data + bytes->count, (size_t)length + 1, format, arguments);
  return again < length ? again : length;
}

bool lido_bytes_vprintf(lido_bytes *bytes, const char *format, va_list arguments) {
  if (bytes->failed) return fail(bytes, bytes->error);
  va_list first;
  va_copy(first, arguments);
  size_t room = lido_min(bytes->room - bytes->count, INT_MAX); /* more some vsnprintf refuse */
  int saved_errno = errno;
  int length = vsnprintf(room != 0 ? bytes->data + bytes->count : NULL, room, format, first);
  va_end(first);
  if (length >= 0) errno = saved_errno; /* %m prints it */
  if (length >= 0 && (size_t)length >= room) length = print_again(bytes, length, format, arguments);
  if (length >= 0) bytes->count += (size_t)length;
  if (bytes->data != NULL) bytes->data[bytes->count] = 0;
  if (length < 0) return fail(bytes, errno);
  errno = saved_errno;
  return true;
}

bool lido_bytes_printf(lido_bytes *bytes, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  bool added = lido_bytes_vprintf(bytes, format, arguments);
  va_end(arguments);
  return added;
}

char *lido_bytes_end(lido_bytes *bytes) {
  if (bytes->data == NULL && !bytes->failed) lido_bytes_grow(bytes, 0);
  if (bytes->failed) {
    errno = bytes->error;
    return NULL;
  }
  lido_arena_shrink(bytes->arena, bytes->data, bytes->room, bytes->count + 1);
  bytes->room = bytes->count + 1;
  return bytes->data;
}
