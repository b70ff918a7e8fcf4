/* arena_reservation.c: a contiguous arena: address space at once, memory behind it as the arena grows.
 *
 * Its one block, with its header, starts the reservation. Memory comes in steps that double, so that the system is
 * called a few times only, and what the system counts as committed is what the arena may touch.
 */
#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"
#include "lib/os/os.h"

enum { STEP_LEAST = 64 << 10, STEP_MOST = 4 << 20 };

static size_t pages(size_t bytes) { return lido_round_up(bytes, lido_os_page_bytes()); }

static bool commit(lido_arena_core *core, size_t bytes) {
  if (!lido_arena_charge(core, bytes)) return false;
  if (lido_os_pages_commit(core->reservation + core->committed, bytes) != 0) {
    lido_arena_discharge(core, bytes);
    return false;
  }
  core->committed += bytes;
  return true;
}

bool lido_arena_reserve(lido_arena_core *core) {
  core->options.reserve_bytes = pages(core->options.reserve_bytes);
  core->reservation = lido_os_pages_reserve(core->options.reserve_bytes);
  if (core->reservation == NULL) return false;
  if (!commit(core, lido_os_page_bytes())) {
    lido_arena_unreserve(core);
    return false;
  }
  lido_arena_block *block = lido_arena_block_borrow(core, core->reservation, core->committed);
  lido_arena_chain_begin(core, block, block->base);
  return true;
}

void lido_arena_unreserve(lido_arena_core *core) {
  lido_os_pages_unmap(core->reservation, core->options.reserve_bytes);
  lido_arena_discharge(core, core->committed);
  core->reservation = NULL;
}

static void move_limit(lido_arena_core *core) {
  char *limit = core->reservation + core->committed;
  lido_arena_tell_limit(core, core->oldest, limit);
  core->oldest->limit = limit;
  core->face.limit = limit;
  lido_arena_window(core, core->face.at);
}

bool lido_arena_commit(lido_arena_core *core, size_t bytes) {
  size_t room = (size_t)(core->face.limit - core->face.at);
  size_t left = core->options.reserve_bytes - core->committed;
  if (bytes - lido_min(bytes, room) > left) return false;
  size_t lacks = pages(bytes - lido_min(bytes, room));
  size_t due = lido_min(lido_max(lacks, lido_min(lido_max(core->committed, STEP_LEAST), STEP_MOST)), left);
  if (!commit(core, due) && (due == lacks || !commit(core, lacks))) return false;
  core->blocks_made++;
  move_limit(core);
  return true;
}

void lido_arena_decommit(lido_arena_core *core, size_t keep_bytes) {
  size_t used = (size_t)(core->face.at - core->reservation);
  size_t keep = pages(lido_max(lido_min(keep_bytes, core->committed), used));
  if (keep >= core->committed) return;
  size_t bytes = core->committed - keep;
  core->committed = keep;
  move_limit(core);
  lido_os_pages_decommit(core->reservation + keep, bytes);
  lido_arena_discharge(core, bytes);
}
