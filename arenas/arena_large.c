/* arena_large.c: blocks with one piece.
 *
 * They stand in a ring through the arena, so that one can leave without a search. What tells a large piece from any
 * other is the header in front of it: its tag is a secret of the process, mixed with the header's own address. Every
 * piece has at least a block's header in front of it, so there is always something to read; what else may lie there
 * would have to be a copy of the tag at its very address. Under Valgrind, which would complain about that look, the
 * ring is searched.
 */
#include <errno.h>

#include "arenas/arena_core.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/tool_memory.h"
#include "lib/os/os.h"

enum { HEADER = 64 };
LIDO_STATIC_ASSERT(sizeof(lido_arena_large) <= HEADER, "the header fits in front of the piece");

static lido_arena_large *header_of(const void *piece) { return (lido_arena_large *)((uintptr_t)piece - HEADER); }

/* Any number that a program can't guess; the clock and the place of the library do. */
static uintptr_t secret(void) {
  static uintptr_t made;
  uintptr_t known = lido_load_relaxed(&made); /* RELAXED: a number of its own */
  if (LIDO_LIKELY(known != 0)) return known;
  uintptr_t fresh = ((uintptr_t)lido_os_now_ns() * UINT64_C(0x9E3779B97F4A7C15) ^ (uintptr_t)&made) | 1;
  return lido_cas_relaxed(&made, &known, fresh) ? fresh : known; /* RELAXED: as above */
}

static uintptr_t tag_of(const lido_arena_large *header) { return secret() ^ ((uintptr_t)header << 1); }

/* ---- The ring ---- */

void lido_arena_ring_begin(lido_arena_large *head) { head->newer = head->older = head; }

static void ring_insert(lido_arena_large *head, lido_arena_large *large) {
  large->older = head->older;
  large->newer = head;
  head->older->newer = large;
  head->older = large;
}

static void ring_remove(lido_arena_large *large) {
  large->older->newer = large->newer;
  large->newer->older = large->older;
}

void lido_arena_ring_move(lido_arena_large *to, lido_arena_large *from) {
  if (from->older == from) return;
  from->newer->older = to->older;
  to->older->newer = from->newer;
  from->older->newer = to;
  to->older = from->older;
  lido_arena_ring_begin(from);
}

static bool ring_has(const lido_arena_large *head, const lido_arena_large *wanted) {
  for (const lido_arena_large *large = head->older; large != head; large = large->older) {
    if (large == wanted) return true;
  }
  return false;
}

/* ---- Which pieces ---- */

#if defined(LIDO_ASAN)
__attribute__((no_sanitize("address")))
#elif defined(LIDO_MSAN)
__attribute__((no_sanitize("memory")))
#endif
static bool
tag_fits(const lido_arena_large *header) {
  return header->tag == tag_of(header);
}

bool lido_arena_is_large(const lido_arena_core *core, const void *piece) {
  const lido_arena_large *header = header_of(piece);
  if (!core->valgrind && !core->passthrough) return tag_fits(header);
  return ring_has(&core->large, header) || ring_has(&core->joined, header);
}

bool lido_arena_is_asked_large(const lido_arena_core *core, const void *piece) {
  return lido_arena_is_large(core, piece) && header_of(piece)->asked;
}

bool lido_arena_large_holds(const lido_arena_core *core, const void *piece, size_t bytes) {
  const lido_arena_large *header = header_of(piece);
  size_t room = (size_t)(header->memory + header->bytes - (const char *)piece);
  return bytes <= room && (header->asked || bytes > core->large_bytes);
}

bool lido_arena_large_owns(const lido_arena_large *head, const char *address) {
  for (const lido_arena_large *large = head->older; large != head; large = large->older) {
    const char *piece = (const char *)large + HEADER;
    if (address >= piece && address < large->memory + large->bytes) return true;
  }
  return false;
}

/* ---- Alloc and free ---- */

static lido_arena_large *large_create(lido_arena_core *core, size_t bytes, size_t align) {
  size_t all = HEADER + lido_arena_rounded(bytes) + (align > LIDO_BACKING_ALIGN ? align : 0);
  if (!lido_arena_charge(core, all)) return NULL;
  char *memory = lido_backing_take(core->backing, all);
  if (memory == NULL) {
    lido_arena_discharge(core, all);
    return NULL;
  }
  uintptr_t piece = lido_round_up((uintptr_t)memory + HEADER, align);
  lido_arena_large *large = header_of((const void *)piece);
  *large = (lido_arena_large){.backing = core->backing, .memory = memory, .bytes = all, .tag = tag_of(large)};
  large->sampled = lido_arena_sample(core, memory, all);
  return large;
}

void *lido_arena_large_alloc(lido_arena_core *core, size_t bytes, size_t align) {
  lido_arena_large *large = large_create(core, bytes, align);
  if (large == NULL) return lido_arena_fail(core);
  large->serial = ++core->serial;
  ring_insert(&core->large, large);
  core->face.special |= LIDO_ARENA_LARGE;
  core->large_held += large->bytes;
  core->blocks_made++;
  core->blocks++;
  return (char *)large + HEADER;
}

void *lido_arena_alloc_large(lido_arena *arena, size_t bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  bool one_block = core->reservation != NULL || (core->options.flags & LIDO_ARENA_FIXED) != 0;
  if (one_block || !lido_arena_enter(core)) {
    errno = EINVAL;
    return NULL;
  }
  if (bytes > LIDO_ARENA_BYTES_MAX) return lido_arena_fail(core);
  void *piece = lido_arena_large_alloc(core, bytes, LIDO_ARENA_ALIGN);
  if (piece != NULL) header_of(piece)->asked = true;
  return piece;
}

static void leave(lido_arena_core *core, lido_arena_large *large) {
  ring_remove(large);
  core->large_held -= large->bytes;
  core->blocks--;
  lido_arena_discharge(core, large->bytes);
}

static void give_back(lido_arena_large *large) {
  if (LIDO_UNLIKELY(large->sampled)) lido_heap_forget(large->memory);
  large->tag = 0;
  lido_backing_give(large->backing, large->memory, large->bytes);
}

static void end(lido_arena_core *core, lido_arena_large *large) {
  leave(core, large);
  give_back(large);
}

void lido_arena_large_free(lido_arena_core *core, void *piece) { end(core, header_of(piece)); }

void lido_arena_large_free_since(lido_arena_core *core, uint64_t serial) {
  lido_arena_large *head = &core->large;
  while (head->older != head && head->older->serial > serial) end(core, head->older);
}

void lido_arena_large_free_joined(lido_arena_core *core) {
  lido_arena_large *head = &core->joined;
  while (head->older != head) end(core, head->older);
}

/* ---- Hand-over to the caller ---- */

void *lido_arena_detach(lido_arena *arena, void *block) {
  lido_arena_core *core = lido_arena_core_of(arena);
  bool leaves = lido_arena_enter(core) && lido_arena_owns(arena, block) && lido_arena_is_large(core, block);
  if (!leaves) {
    errno = EINVAL;
    return NULL;
  }
  lido_arena_large *large = header_of(block);
  lido_arena_note_peak(core);
  leave(core, large);
  large->newer = large->older = large; /* in no ring */
  lido_backing_hold(large->backing);
  return block;
}

void lido_arena_detached_free(void *block) {
  if (block == NULL) return;
  lido_arena_large *large = header_of(block);
  lido_backing *backing = large->backing;
  give_back(large);
  lido_backing_let_go(backing);
}
