/* arena.c: the life of an arena. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/misuse_report.h"
#include "lib/base/tool_memory.h"
#include "lib/mem/budgets.h"
#include "lib/mem/mem_fork.h"

enum {
  CHUNK_DEFAULT = 4 << 10,
  CHUNK_LEAST = 256,
  CHUNK_MOST = 1 << 30,
  CHUNK_MAX_DEFAULT = 64 << 10,
  LARGE_PART = 4, /* of the largest block: what would waste more of one gets its own */
};

static bool passthrough_for_all;

void lido_arena_passthrough_set(bool on) { lido_store_relaxed(&passthrough_for_all, on); /* RELAXED: a wish */ }

/* ---- Options ---- */

static bool chunk_is_valid(size_t bytes) { return bytes == 0 || (bytes >= CHUNK_LEAST && bytes <= CHUNK_MOST); }

static bool sizes_are_valid(const lido_arena_options *o) {
  bool ordered = o->chunk_bytes_max == 0 || o->chunk_bytes <= o->chunk_bytes_max;
  return chunk_is_valid(o->chunk_bytes) && chunk_is_valid(o->chunk_bytes_max) && ordered &&
         o->reserve_bytes <= PTRDIFF_MAX / 2;
}

static bool buffer_is_valid(const lido_arena_options *o) {
  if (o->buffer == NULL) return o->buffer_bytes == 0 && (o->flags & LIDO_ARENA_FIXED) == 0;
  return o->buffer_bytes >= LIDO_ARENA_BUFFER_MIN && o->buffer_bytes <= PTRDIFF_MAX && o->reserve_bytes == 0;
}

int lido_arena_options_check(const lido_arena_options *o) {
  bool known = (o->flags & ~(unsigned)(LIDO_ARENA_FIXED | LIDO_ARENA_REUSE | LIDO_ARENA_PASSTHROUGH)) == 0;
  return known && sizes_are_valid(o) && buffer_is_valid(o) ? 0 : EINVAL;
}

static void settle_sizes(lido_arena_core *core) {
  lido_arena_options *o = &core->options;
  if (o->chunk_bytes == 0) o->chunk_bytes = CHUNK_DEFAULT;
  if (o->chunk_bytes_max == 0) o->chunk_bytes_max = lido_max(o->chunk_bytes, CHUNK_MAX_DEFAULT);
  o->chunk_bytes = lido_min(o->chunk_bytes, o->chunk_bytes_max);
  bool one_block = (o->flags & LIDO_ARENA_FIXED) != 0 || o->reserve_bytes != 0;
  core->large_bytes = one_block ? SIZE_MAX : o->chunk_bytes_max / LARGE_PART;
}

static void settle_mode(lido_arena_core *core) {
  unsigned flags = core->options.flags;
  bool fixed = (flags & LIDO_ARENA_FIXED) != 0;
  bool wished = lido_load_relaxed(&passthrough_for_all); /* RELAXED: a wish */
  core->passthrough = !fixed && (wished || (flags & LIDO_ARENA_PASSTHROUGH) != 0);
  core->valgrind = lido_tool_valgrind();
  if (core->passthrough || core->valgrind) core->always = LIDO_ARENA_WATCHED;
  core->face.special = core->always;
}

/* ---- Birth ---- */

/* Where the arena itself lies. A buffer's beginning may be at any address. */
static lido_arena_core *place(const lido_arena_options *options, lido_backing *backing) {
  if (options->buffer == NULL) return lido_metadata_alloc(&backing->metadata, sizeof(lido_arena_core));
  uintptr_t start = lido_round_up((uintptr_t)options->buffer, LIDO_ARENA_ALIGN);
  return memset((void *)start, 0, sizeof(lido_arena_core));
}

static void unplace(lido_arena_core *core) {
  if (!core->in_buffer) lido_metadata_free(&core->backing->metadata, core, sizeof *core);
}

LIDO_STATIC_ASSERT(sizeof(lido_arena_core) + sizeof(lido_arena_block) + LIDO_ARENA_ALIGN < LIDO_ARENA_BUFFER_MIN,
                   "the smallest buffer has room for pieces");

static void begin_in_buffer(lido_arena_core *core) {
  char *memory = (char *)core + lido_round_up(sizeof *core, LIDO_ARENA_ALIGN);
  char *end = (char *)core->options.buffer + core->options.buffer_bytes;
  lido_arena_block *block = lido_arena_block_borrow(core, memory, (size_t)(end - memory));
  lido_arena_chain_begin(core, block, block->base);
}

static bool begin_memory(lido_arena_core *core) {
  lido_arena_ring_begin(&core->large);
  lido_arena_ring_begin(&core->joined);
  core->face.resets_left = LIDO_ARENA_LOOK;
  core->serial = 1; /* that of what join brought, which is older than any mark */
  lido_arena_chain_begin(core, NULL, NULL);
  core->next_bytes = lido_arena_first_bytes(core);
  if (core->passthrough) return true;
  if (core->in_buffer) begin_in_buffer(core);
  return core->options.reserve_bytes == 0 || lido_arena_reserve(core);
}

static void destroy_child(void *child) {
  lido_arena_core *core = child;
  core->in_parent = NULL;
  lido_arena_core_destroy(core);
}

static bool join_parent(lido_arena_core *core) {
  if (core->options.parent == NULL) return true;
  core->in_parent = lido_arena_cleanup_add(core->options.parent, destroy_child, core);
  return core->in_parent != NULL;
}

static void settle(lido_arena_core *core, const lido_arena_options *options, lido_backing *backing,
                   lido_arena_class_core *cls) {
  core->options = *options;
  core->backing = backing;
  core->cls = cls;
  core->face.number = LIDO_ARENA_NO_CLASS;
  core->in_buffer = options->buffer != NULL;
  if (cls != NULL) core->estimate = lido_arena_class_estimate(cls);
  snprintf(core->name, sizeof core->name, "%s", options->name == NULL ? "arena" : options->name);
  core->options.name = core->name;
  settle_sizes(core);
  settle_mode(core);
  lido_budget_hold(options->budget);
}

static void let_go(lido_arena_core *core) {
  lido_backing *backing = core->backing;
  lido_budget_let_go(core->options.budget);
  unplace(core);
  lido_backing_let_go(backing);
}

lido_arena_core *lido_arena_core_create(const lido_arena_options *options, lido_arena_class_core *cls) {
  lido_backing *backing = options->backing != NULL ? options->backing : lido_backing_default();
  int error = lido_mem_fork_join();
  if (error == 0) error = lido_backing_hold(backing);
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_arena_core *core = place(options, backing);
  if (core == NULL) {
    lido_backing_let_go(backing);
    return NULL;
  }
  settle(core, options, backing, cls);
  if (begin_memory(core) && join_parent(core)) return core;
  lido_arena_chain_cut(core, NULL, NULL);
  lido_arena_spare_release(core);
  if (core->reservation != NULL) lido_arena_unreserve(core);
  let_go(core);
  errno = ENOMEM;
  return NULL;
}

lido_arena *lido_arena_create(const lido_arena_options *options) {
  static const lido_arena_options defaults;
  if (options == NULL) options = &defaults;
  if (lido_arena_options_check(options) != 0) {
    errno = EINVAL;
    return NULL;
  }
  lido_arena_core *core = lido_arena_core_create(options, NULL);
  return core == NULL ? NULL : &core->face;
}

/* ---- End ---- */

void lido_arena_core_destroy(lido_arena_core *core) {
  lido_arena_cleanup_stop(core->in_parent);
  lido_arena_learn(core);
  lido_arena_clear(core);
  lido_arena_spare_release(core);
  lido_arena_reuse_end(core);
  if (core->reservation != NULL) lido_arena_unreserve(core);
  if (core->cls != NULL) lido_arena_class_lost(core->cls);
  let_go(core);
}

void lido_arena_destroy(lido_arena *arena) {
  if (arena == NULL) return;
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_arena_may_reset(core)) return;
  int saved_errno = errno;
  lido_arena_core_destroy(core);
  errno = saved_errno;
}

const char *lido_arena_name(const lido_arena *arena) { return lido_arena_core_of(arena)->name; }

/* ---- Who may ---- */

void lido_arena_report(const lido_arena_core *core, lido_misuse_kind kind, const void *address) {
  lido_misuse_report(
      (lido_misuse){.kind = kind, .where = "arena", .pool = core->name, .address = address, .object = LIDO_NO_OBJECT});
}

#if LIDO_CHECKS == LIDO_CHECKS_FULL

/* RELAXED: whoever hands an arena over orders that with its next use; the check is for those who don't. */
static bool is_owner(lido_arena_core *core) {
  const void *self = &lido_this_arena_thread;
  const void *owner = lido_load_relaxed(&core->owner);       /* RELAXED: see above */
  if (owner == NULL) lido_store_relaxed(&core->owner, self); /* RELAXED: see above */
  if (owner == NULL || owner == self) return true;
  lido_arena_report(core, LIDO_MISUSE_WRONG_THREAD, core);
  return false;
}

#else

static bool is_owner(lido_arena_core *core) {
  (void)core;
  return true;
}

#endif

void lido_arena_hand_over(lido_arena *arena) {
  lido_store_relaxed(&lido_arena_core_of(arena)->owner, NULL); /* RELAXED: see is_owner */
}

bool lido_arena_enter(lido_arena_core *core) {
  if (LIDO_LIKELY(!lido_arena_has(core, LIDO_ARENA_IDLE))) return is_owner(core);
  lido_arena_report(core, LIDO_MISUSE_RELEASED, core);
  return false;
}

bool lido_arena_may_reset(lido_arena_core *core) {
  if (!lido_arena_enter(core)) return false;
  if (!lido_arena_has(core, LIDO_ARENA_RESETTING)) return true;
  lido_arena_report(core, LIDO_MISUSE_REENTRY, core);
  return false;
}
