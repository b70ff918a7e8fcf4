/* arenas.c: see arenas.h. */
#include "tests/support/arenas.h"

#include <stdlib.h>

lido_arena *arena_with(const lido_arena_options *options) {
  lido_arena *arena = lido_arena_create(options);
  CHECK_NOT_NULL(arena);
  CHECK_ARENA(arena);
  return arena;
}

void *arena_piece(lido_arena *arena, size_t bytes, uint64_t stamp) {
  void *piece = lido_arena_alloc(arena, bytes);
  CHECK_NOT_NULL(piece);
  CHECK_EQ((uintptr_t)piece % LIDO_ARENA_ALIGN, 0);
  objects_fill(piece, bytes, stamp);
  return piece;
}

void arena_use(lido_arena *arena, size_t bytes, size_t step) {
  for (size_t used = 0; used < bytes; used += step) {
    char *piece = lido_arena_alloc(arena, step);
    CHECK_NOT_NULL(piece);
    piece[0] = piece[step - 1] = 'u';
  }
}

/* ---- Many pieces ---- */

void arena_pieces_add(arena_pieces *pieces, lido_arena *arena, size_t bytes) {
  CHECK_LT(pieces->count, ARENA_PIECES_MOST);
  pieces->items[pieces->count].data = arena_piece(arena, bytes, pieces->count);
  pieces->items[pieces->count++].bytes = bytes;
}

/* The stamps differ, so a piece that lies in another one does not hold. */
bool arena_pieces_hold(const arena_pieces *pieces, const lido_arena *arena) {
  for (size_t i = 0; i < pieces->count; i++) {
    const unsigned char *data = pieces->items[i].data;
    size_t bytes = pieces->items[i].bytes;
    if (!objects_hold(data, bytes, i)) return false;
    if (bytes != 0 && (!lido_arena_owns(arena, data) || !lido_arena_owns(arena, data + bytes - 1))) return false;
  }
  return true;
}

/* ---- A backing that is watched ---- */

/* In front of each block. */
typedef struct given {
  arena_source *source;
  void *memory;
  size_t bytes;
} given;

static given *given_of(void *block) { return (given *)((char *)block - sizeof(given)); }

static void enter(arena_source *source) {
  if (__atomic_fetch_add(&source->inside, 1, __ATOMIC_RELAXED) != 0) source->overlaps++;
}

static void leave(arena_source *source) { __atomic_fetch_sub(&source->inside, 1, __ATOMIC_RELAXED); }

static void *give(arena_source *source, size_t bytes, size_t align) {
  if (source->fails || (source->most != 0 && bytes > source->most)) return NULL;
  size_t lead = align < sizeof(given) ? 64 : align;
  char *memory = aligned_alloc(lead, (lead + bytes + lead - 1) / lead * lead);
  if (memory == NULL) return NULL;
  memset(memory, 0xb7, lead + bytes); /* contents may be anything */
  *given_of(memory + lead) = (given){source, memory, bytes};
  source->calls++;
  source->live++;
  source->bytes += bytes;
  return memory + lead;
}

static void *source_allocate(size_t bytes, size_t align, void *context) {
  arena_source *source = context;
  enter(source);
  source->wrong += align == 0 || (align & (align - 1)) != 0 || bytes == 0;
  void *block = give(source, bytes, align);
  leave(source);
  return block;
}

static void source_release(void *block, size_t bytes, void *context) {
  arena_source *source = context;
  enter(source);
  given *known = given_of(block);
  source->wrong += known->source != source || known->bytes != bytes;
  source->releases++;
  source->live--;
  source->bytes -= bytes;
  void *memory = known->memory;
  *known = (given){0};
  free(memory);
  leave(source);
}

lido_backing *arena_source_backing(arena_source *source) {
  *source = (arena_source){0};
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = source_allocate, .release = source_release, .context = source});
  CHECK_NOT_NULL(backing);
  return backing;
}

void arena_source_end(arena_source *source, lido_backing *backing) {
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(source->live, 0);
  CHECK_EQ(source->bytes, 0);
  CHECK_EQ(source->wrong, 0);
}

/* ---- Clean-ups that leave a trace ---- */

static void leave_trace(void *arg) {
  arena_mark_of_call *call = arg;
  arena_trace *trace = call->trace;
  if (trace->count + 1 < sizeof trace->text) trace->text[trace->count++] = call->letter;
  trace->text[trace->count] = 0;
}

lido_arena_cleanup *arena_trace_add(lido_arena *arena, arena_trace *trace, char letter) {
  arena_mark_of_call *call = lido_arena_alloc(arena, sizeof *call);
  CHECK_NOT_NULL(call);
  *call = (arena_mark_of_call){trace, letter};
  lido_arena_cleanup *cleanup = lido_arena_cleanup_add(arena, leave_trace, call);
  CHECK_NOT_NULL(cleanup);
  return cleanup;
}
