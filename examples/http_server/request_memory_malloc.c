/* request_memory_malloc.c: see request_memory.h. A request is a list of malloc's blocks, freed one by one at its end.
 *
 * Each block has a header that links it. The list goes both ways, because realloc may move a block out of its middle.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/http_server/request_memory.h"

struct block {
  struct block *previous; /* NULL: the first */
  struct block *next;
};

_Static_assert(sizeof(struct block) % _Alignof(max_align_t) == 0, "what follows a header must be aligned for anything");

struct request_memory {
  struct block *first;
  size_t bytes; /* asked for, without headers */
};

static struct {
  size_t max_bytes; /* of one request */
  uint64_t live;
  uint64_t calls;
} requests;

bool request_memory_setup(size_t max_bytes) {
  requests.max_bytes = max_bytes == 0 ? SIZE_MAX : max_bytes;
  return true;
}

bool request_memory_teardown(void) { return requests.live == 0; }

/* ---- Blocks ---- */

static void *resize(void *block, size_t bytes) {
  requests.calls++;
  return realloc(block, bytes);
}

static void give(void *block) {
  requests.calls++;
  free(block);
}

static void link_first(request_memory *memory, struct block *block) {
  *block = (struct block){.next = memory->first};
  if (memory->first != NULL) memory->first->previous = block;
  memory->first = block;
}

static void relink(request_memory *memory, struct block *moved) {
  if (moved->next != NULL) moved->next->previous = moved;
  if (moved->previous != NULL) {
    moved->previous->next = moved;
  } else {
    memory->first = moved;
  }
}

/* Grow a piece of old_bytes, or make a new one if it is NULL. */
static void *grow(request_memory *memory, void *piece, size_t old_bytes, size_t new_bytes) {
  if (new_bytes - old_bytes > requests.max_bytes - memory->bytes) return NULL;
  struct block *old = piece == NULL ? NULL : (struct block *)piece - 1;
  struct block *block = resize(old, sizeof *block + new_bytes);
  if (block == NULL) return NULL;
  memory->bytes += new_bytes - old_bytes;
  if (piece == NULL) {
    link_first(memory, block);
  } else {
    relink(memory, block);
  }
  return block + 1;
}

/* ---- Requests ---- */

request_memory *request_memory_begin(void) {
  request_memory *memory = resize(NULL, sizeof *memory);
  if (memory == NULL) return NULL;
  *memory = (request_memory){0};
  requests.live++;
  return memory;
}

void request_memory_end(request_memory *memory) {
  struct block *next;
  for (struct block *block = memory->first; block != NULL; block = next) {
    next = block->next;
    give(block);
  }
  give(memory);
  requests.live--;
}

void *request_alloc(request_memory *memory, size_t bytes) { return grow(memory, NULL, 0, bytes); }

char *request_printf(request_memory *memory, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int count = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  size_t bytes = (size_t)count + 1;
  char *text = count < 0 ? NULL : request_alloc(memory, bytes);
  if (text == NULL) return NULL;
  va_start(arguments, format);
  vsnprintf(text, bytes, format, arguments);
  va_end(arguments);
  return text;
}

/* ---- Bytes that grow ---- */

enum { FIRST_ROOM = 256 };

request_bytes request_bytes_begin(request_memory *memory) { return (request_bytes){.memory = memory}; }

/* With no room left, every later add comes by the slow way and is refused there. */
static bool fail(request_bytes *bytes) {
  bytes->failed = true;
  bytes->room = bytes->count;
  return false;
}

static __attribute__((noinline)) bool make_room_slow(request_bytes *bytes, size_t count) {
  if (bytes->failed) return false;
  size_t room = bytes->room == 0 ? FIRST_ROOM : bytes->room * 2;
  if (room <= bytes->count + count) room = bytes->count + count + 1;
  char *data = grow(bytes->memory, bytes->data, bytes->room, room);
  if (data == NULL) return fail(bytes);
  bytes->data = data;
  bytes->room = room;
  return true;
}

/* Room for `count` more bytes and the zero after them. */
static bool make_room(request_bytes *bytes, size_t count) {
  return count < bytes->room - bytes->count || make_room_slow(bytes, count);
}

bool request_bytes_add(request_bytes *bytes, const void *data, size_t count) {
  if (!make_room(bytes, count)) return false;
  memcpy(bytes->data + bytes->count, data, count);
  bytes->count += count;
  bytes->data[bytes->count] = '\0';
  return true;
}

bool request_bytes_printf(request_bytes *bytes, const char *format, ...) {
  if (!make_room(bytes, 0)) return false;
  va_list arguments;
  va_start(arguments, format);
  size_t left = bytes->room - bytes->count;
  int count = vsnprintf(bytes->data + bytes->count, left, format, arguments);
  va_end(arguments);
  if (count < 0 || !make_room(bytes, (size_t)count)) return false;
  if ((size_t)count >= left) {
    va_start(arguments, format);
    vsnprintf(bytes->data + bytes->count, (size_t)count + 1, format, arguments);
    va_end(arguments);
  }
  bytes->count += (size_t)count;
  return true;
}

/* ---- Figures ---- */

uint64_t request_memory_live(void) { return requests.live; }

uint64_t request_memory_allocator_calls(void) { return requests.calls; }
