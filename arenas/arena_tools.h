/* arena_tools.h: what sanitizers, Valgrind and the full checks are told of pieces and blocks.
 *
 * Every byte of a block that is in no piece is closed. Under Valgrind each block is a pool of its own to memcheck, so
 * that a rewind can cut it; but cutting through a piece makes it close bytes far behind (it adds the size of what is
 * kept instead of the piece's), so under Valgrind no piece may reach from below a mark to above it: while marks are
 * open, none grows in place and none gives its end back. With LIDO_CHECKS=full what is closed is filled with a pattern,
 * so that a stale pointer shows.
 */
#ifndef LIDO_ARENAS_ARENA_TOOLS_H
#define LIDO_ARENAS_ARENA_TOOLS_H

#include "arenas/arena_core.h"

/* Must pieces stay as they are, so that a rewind finds each on one side of its mark? */
static inline bool lido_arena_tools_want_pieces_whole(const lido_arena_core *core) {
  return core->valgrind && core->face.depth != 0;
}

/* A block comes into the arena, with no pieces; it leaves. */
void lido_arena_tell_block(const lido_arena_core *core, lido_arena_block *block);
void lido_arena_tell_block_gone(const lido_arena_core *core, lido_arena_block *block);

/* A piece in the current block, of which nobody knew; its new size; its end. */
void lido_arena_tell_piece(const lido_arena_core *core, void *piece, size_t bytes);
void lido_arena_tell_resize(const lido_arena_core *core, void *piece, size_t old_bytes, size_t new_bytes);
void lido_arena_tell_free(const lido_arena_core *core, void *piece, size_t bytes);

/* A part of no piece is for the arena's own use, and again for nobody's. */
void lido_arena_tell_open(const lido_arena_core *core, void *start, size_t bytes);
void lido_arena_tell_closed(const lido_arena_core *core, void *start, size_t bytes);

/* Of the current block one piece stays, its first, with its contents. */
void lido_arena_tell_kept(const lido_arena_core *core, void *piece, size_t bytes);

/* The block's limit moves. */
void lido_arena_tell_limit(const lido_arena_core *core, lido_arena_block *block, char *limit);

/* From `at` to `end` the block has no pieces any more. */
void lido_arena_tell_cut(const lido_arena_core *core, lido_arena_block *block, char *at, char *end);

#endif
