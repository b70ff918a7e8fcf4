/* arena_pieces.c: passthrough: each piece is a block of malloc, so that malloc's tools see it. */
#include <errno.h>
#include <stdlib.h>

#include "arenas/arena_core.h"
#include "lib/base/bits.h"

void *lido_arena_piece_alloc(lido_arena_core *core, size_t bytes, size_t align) {
  lido_arena_piece *piece = malloc(sizeof *piece);
  size_t rounded = lido_round_up(lido_max(bytes, 1), align); /* aligned_alloc wants a multiple */
  void *memory = NULL;
  if (piece != NULL) memory = align <= LIDO_ARENA_ALIGN ? malloc(lido_max(bytes, 1)) : aligned_alloc(align, rounded);
  if (memory == NULL || !lido_arena_charge(core, bytes)) {
    free(memory);
    free(piece);
    return lido_arena_fail(core);
  }
  *piece = (lido_arena_piece){.older = core->pieces, .memory = memory, .bytes = bytes, .serial = ++core->serial};
  core->pieces = piece;
  core->blocks++;
  core->blocks_made++;
  lido_arena_note_peak(core);
  return memory;
}

lido_arena_piece **lido_arena_piece_find(lido_arena_core *core, const void *memory) {
  lido_arena_piece **link = &core->pieces;
  while (*link != NULL && (*link)->memory != memory) link = &(*link)->older;
  return link;
}

void lido_arena_piece_free(lido_arena_core *core, lido_arena_piece **link) {
  lido_arena_piece *piece = *link;
  *link = piece->older;
  lido_arena_discharge(core, piece->bytes);
  core->blocks--;
  free(piece->memory);
  free(piece);
}

void lido_arena_pieces_free_since(lido_arena_core *core, uint64_t serial) {
  while (core->pieces != NULL && core->pieces->serial > serial) lido_arena_piece_free(core, &core->pieces);
}
