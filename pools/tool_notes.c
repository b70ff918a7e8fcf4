/* tool_notes.c: see tool_notes.h. */
#include "pools/tool_notes.h"

#include <string.h>

#include "lib/base/bitmap.h"
#include "lib/base/misuse_report.h"
#include "lib/base/tool_memory.h"
#include "pools/thread_cache.h"

#ifdef LIDO_VALGRIND
#include <valgrind/memcheck.h>
#endif

/* ---- Sanitizers ---- */

static void forget_contents(const lido_pool_core *core, void *object) {
  bool keeps = core->options.construct != NULL || (core->options.flags & LIDO_POOL_ZERO) != 0;
  if (!keeps) lido_tool_forget_range(object, core->geometry.object_size);
}

/* ---- Patterns of the full checks ---- */

#if LIDO_CHECKS == LIDO_CHECKS_FULL && !defined(LIDO_ASAN) && !defined(LIDO_MSAN)

enum { FREED = 0xDF, PADDING = 0xCA };

/* Under Valgrind free objects may not be looked at, and it sees what the patterns would show. */
static bool has_patterns(const lido_pool_core *core) {
  return !core->valgrind && core->options.construct == NULL && (core->options.flags & LIDO_POOL_ZERO) == 0;
}

static bool is_filled(const uint8_t *bytes, size_t count, uint8_t with) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != with) return false;
  }
  return true;
}

static void report(const lido_pool_core *core, lido_misuse_kind kind, const void *object) {
  lido_misuse_report(
      (lido_misuse){.kind = kind, .pool = core->name, .address = object, .object = lido_core_find(core, object).index});
}

static void verify_and_open(const lido_pool_core *core, void *object) {
  if (!has_patterns(core)) return;
  const lido_geometry *g = &core->geometry;
  if (!is_filled(object, g->object_size, FREED)) report(core, LIDO_MISUSE_WRITE_AFTER_FREE, object);
  memset((uint8_t *)object + g->object_size, PADDING, g->stride - g->object_size);
}

static void verify_and_close(const lido_pool_core *core, void *object) {
  const lido_geometry *g = &core->geometry;
  if (!has_patterns(core)) return;
  if (!is_filled((uint8_t *)object + g->object_size, g->stride - g->object_size, PADDING)) {
    report(core, LIDO_MISUSE_OVERFLOW, object);
  }
  memset(object, FREED, g->object_size);
}

static void fill_slab(const lido_pool_core *core, void *start, size_t objects) {
  if (has_patterns(core)) memset(start, FREED, objects * core->geometry.stride);
}

#else

static void verify_and_open(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
}
static void verify_and_close(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
}
static void fill_slab(const lido_pool_core *core, void *start, size_t objects) {
  (void)core;
  (void)start;
  (void)objects;
}

#endif

/* ---- Valgrind ---- */

#ifdef LIDO_VALGRIND

static void valgrind_alloc(const lido_pool_core *core, void *object) {
  bool defined = core->options.construct != NULL || (core->options.flags & LIDO_POOL_ZERO) != 0;
  if (core->valgrind) VALGRIND_MALLOCLIKE_BLOCK(object, core->geometry.object_size, 0, defined);
}

static void valgrind_free(const lido_pool_core *core, void *object) {
  if (core->valgrind) VALGRIND_FREELIKE_BLOCK(object, 0);
}

static void valgrind_close(const lido_pool_core *core, void *start, size_t bytes) {
  if (core->valgrind) VALGRIND_MAKE_MEM_NOACCESS(start, bytes);
}

static void valgrind_open(void *start, size_t bytes) { VALGRIND_MAKE_MEM_DEFINED(start, bytes); }

#else

static void valgrind_alloc(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
}
static void valgrind_free(const lido_pool_core *core, void *object) {
  (void)core;
  (void)object;
}
static void valgrind_close(const lido_pool_core *core, void *start, size_t bytes) {
  (void)core;
  (void)start;
  (void)bytes;
}
static void valgrind_open(void *start, size_t bytes) {
  (void)start;
  (void)bytes;
}

#endif

/* ---- What the rooms call ---- */

void lido_note_slab(const lido_pool_core *core, void *start, size_t objects) {
  size_t bytes = objects * core->geometry.stride;
  fill_slab(core, start, objects);
  lido_tool_close_range(start, bytes);
  valgrind_close(core, start, bytes);
}

/* Without states: what is out of the slab, for under Valgrind nothing is in a cache. */
static bool is_live(const lido_slab *slab, size_t index, uintptr_t object) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return !lido_bitmap_get(slab->free, index);
  return lido_state_is_live(*lido_core_state_of(slab->core, object));
}

void lido_tool_slab_gone(const lido_slab *slab) {
  const lido_pool_core *core = slab->core;
  for (size_t index = 0; core->valgrind && index < slab->objects; index++) {
    uintptr_t object = slab->start + index * core->geometry.stride;
    if (is_live(slab, index, object)) valgrind_free(core, (void *)object);
  }
}

void lido_tool_open(uintptr_t start, size_t bytes) {
  lido_tool_open_range((void *)start, bytes);
  valgrind_open((void *)start, bytes);
}

void lido_tool_alloc(const lido_pool_core *core, void *object) {
  lido_tool_open_range(object, core->geometry.object_size);
  verify_and_open(core, object);
  forget_contents(core, object);
  valgrind_alloc(core, object);
}

void lido_tool_free(const lido_pool_core *core, void *object) {
  verify_and_close(core, object);
  lido_tool_close_range(object, core->geometry.stride);
  forget_contents(core, object);
  valgrind_free(core, object);
}

#if defined(LIDO_ASAN) || defined(LIDO_MSAN) || LIDO_CHECKS == LIDO_CHECKS_FULL

void *lido_note_alloc(const lido_pool_cache *cache, void *object) {
  lido_tool_alloc(cache->rest->core, object);
  return object;
}

void lido_note_free(const lido_pool_cache *cache, void *object) { lido_tool_free(cache->rest->core, object); }

#endif
