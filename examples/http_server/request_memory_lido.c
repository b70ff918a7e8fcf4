/* request_memory_lido.c: see request_memory.h. A request is an arena of one class, which learns how much requests need.
 *
 * What the allocator was called for is only known arena by arena, so a request notes where its arena's counters stood
 * when it began.
 */
#include <stdarg.h>
#include <stdio.h>

#include "examples/http_server/memory_manager_owner.h"
#include "examples/http_server/request_memory.h"

struct request_memory {
  lido_arena *arena; /* this lies in it */
  uint64_t calls_before;
};

static lido_arena_class *requests;
static uint64_t calls; /* by requests that have ended */

/* Idle arenas of as many connections as are busy at once shall all be kept, with answers of some 100 KiB in each. */
enum { IDLE_BYTES = 32 << 20 };

bool request_memory_setup(size_t max_bytes) {
  lido_arena_idle_limit_set(IDLE_BYTES);
  lido_arena_options options = {.name = "requests"};
  if (!memory_manager_configure_arenas(&options)) return false;
  if (max_bytes != 0) options.max_bytes = max_bytes;
  requests = lido_manager_arena_class(memory_manager(), &options);
  return requests != NULL;
}

/* The class itself ends with the manager. */
bool request_memory_teardown(void) { return requests == NULL || request_memory_live() == 0; }

/* An alloc that its arena's block could not serve is a call; so is giving a block back, as every one will be. */
static uint64_t calls_of(const lido_arena *arena) {
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  return stats.slow + stats.blocks_made;
}

request_memory *request_memory_begin(void) {
  lido_arena *arena = lido_arena_acquire(requests);
  if (arena == NULL) return NULL;
  uint64_t calls_before = calls_of(arena);
  request_memory *memory = lido_arena_alloc(arena, sizeof *memory);
  if (memory == NULL) {
    lido_arena_release(arena);
    return NULL;
  }
  *memory = (request_memory){.arena = arena, .calls_before = calls_before};
  return memory;
}

void request_memory_end(request_memory *memory) {
  lido_arena *arena = memory->arena;
  calls += calls_of(arena) - memory->calls_before;
  lido_arena_release(arena);
}

void *request_alloc(request_memory *memory, size_t bytes) { return lido_arena_alloc(memory->arena, bytes); }

char *request_printf(request_memory *memory, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = lido_arena_vprintf(memory->arena, format, arguments);
  va_end(arguments);
  return text;
}

/* ---- Bytes that grow ---- */

enum { USUAL_TEXT = 200 };

request_bytes request_bytes_begin(request_memory *memory) { return lido_bytes_begin(memory->arena, 0); }

bool request_bytes_add(request_bytes *bytes, const void *data, size_t count) {
  return lido_bytes_add(bytes, data, count);
}

/* Formatted at once into the room that most texts need; what is longer is formatted again. */
bool request_bytes_printf(request_bytes *bytes, const char *format, ...) {
  va_list arguments;
  char *end = lido_bytes_room(bytes, USUAL_TEXT);
  if (end == NULL) return false;
  va_start(arguments, format);
  int count = vsnprintf(end, USUAL_TEXT + 1, format, arguments);
  va_end(arguments);
  if (count > USUAL_TEXT) {
    end = lido_bytes_room(bytes, (size_t)count);
    if (end == NULL) return false;
    va_start(arguments, format);
    vsnprintf(end, (size_t)count + 1, format, arguments);
    va_end(arguments);
  }
  bytes->count += count < 0 ? 0 : (size_t)count;
  return count >= 0;
}

/* ---- Figures ---- */

static lido_arena_class_stats stats(void) {
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(requests, &stats);
  return stats;
}

uint64_t request_memory_live(void) { return stats().live; }

/* An arena that was made will be destroyed. */
uint64_t request_memory_allocator_calls(void) { return calls + 2 * stats().misses; }
