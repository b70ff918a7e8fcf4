/* slab.c: see slab.h. */
#include "pools/slab.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "lib/mem/address_map.h"
#include "lib/mem/budgets.h"
#include "pools/pool_core.h"
#include "pools/tool_notes.h"

size_t lido_slab_descriptor_bytes(size_t objects) {
  return sizeof(lido_slab) + lido_bitmap_words(objects) * sizeof(uint64_t);
}

/* ---- Birth ---- */

static uint8_t *states_of(const lido_slab *slab) { return lido_core_state_of(slab->core, slab->units); }

static size_t states_bytes(const lido_geometry *g) { return g->slab_bytes >> g->shift; }

static void write_states(const lido_slab *slab, const lido_geometry *g) {
  memset(states_of(slab), LIDO_STATE_NONE, states_bytes(g));
  for (size_t index = 0; index < slab->objects; index++) {
    *lido_core_state_of(slab->core, slab->start + index * g->stride) = LIDO_STATE_FREE;
  }
}

static void destroy_objects(const lido_slab *slab, size_t count) {
  const lido_pool_core *core = slab->core;
  lido_tool_open(slab->start, slab->objects * core->geometry.stride);
  if (core->options.destroy == NULL || core->handles) return;
  for (size_t index = 0; index < count; index++) {
    core->options.destroy((void *)(slab->start + index * core->geometry.stride), core->options.context);
  }
}

static int construct_objects(const lido_slab *slab) {
  const lido_pool_core *core = slab->core;
  size_t stride = core->geometry.stride;
  if (core->options.flags & LIDO_POOL_ZERO) memset((void *)slab->start, 0, slab->objects * stride);
  for (size_t index = 0; core->options.construct != NULL && index < slab->objects; index++) {
    int error = core->options.construct((void *)(slab->start + index * stride), core->options.context);
    if (error != 0) {
      destroy_objects(slab, index);
      return error;
    }
  }
  lido_note_slab(core, (void *)slab->start, slab->objects);
  return 0;
}

static void set_free_bits(lido_slab *slab) {
  for (size_t word = 0; word < slab->words; word++) slab->free[word] = UINT64_MAX;
  if (slab->objects % 64 != 0) slab->free[slab->words - 1] = (UINT64_C(1) << slab->objects % 64) - 1;
  slab->free_objects = slab->objects;
}

/* Charged to the pool's budget. */
static lido_slab *descriptor_create(lido_pool_core *core) {
  const lido_geometry *g = &core->geometry;
  if (!lido_budget_take(core->options.budget, g->slab_bytes)) return NULL;
  lido_slab *slab = lido_metadata_alloc(lido_core_metadata(core), lido_slab_descriptor_bytes(g->slab_objects));
  if (slab == NULL) {
    lido_budget_give(core->options.budget, g->slab_bytes);
    return NULL;
  }
  bool huge = (core->options.flags & LIDO_POOL_HUGE_PAGES) != 0;
  slab->core = core;
  slab->region = lido_region_take(core->backing, g->shift, huge, g->slab_units, &slab->units);
  if (slab->region == NULL) {
    lido_metadata_free(lido_core_metadata(core), slab, lido_slab_descriptor_bytes(g->slab_objects));
    lido_budget_give(core->options.budget, g->slab_bytes);
    return NULL;
  }
  slab->start = lido_round_up(slab->units, lido_min(g->align, LIDO_ALIGN_MAX));
  slab->objects = (slab->units + g->slab_bytes - slab->start) / g->stride;
  if (slab->objects > g->slab_objects) slab->objects = g->slab_objects;
  slab->words = lido_bitmap_words(slab->objects);
  return slab;
}

static void descriptor_destroy(lido_slab *slab) {
  lido_pool_core *core = slab->core;
  lido_tuned_give(core, slab->region, slab->units);
  lido_metadata_free(lido_core_metadata(core), slab, lido_slab_descriptor_bytes(core->geometry.slab_objects));
  lido_budget_give(core->options.budget, core->geometry.slab_bytes);
}

static int map_slab(const lido_slab *slab, uint32_t owner) {
  if (slab->core->owner == LIDO_OWNER_NEVER) return 0; /* in a buffer, whose units tell */
  return lido_map_set(slab->units, slab->core->geometry.slab_bytes, owner);
}

static int show(lido_slab *slab) {
  lido_region_set_user(slab->region, slab->units, slab->core->geometry.slab_units, slab);
  int error = map_slab(slab, slab->core->owner);
  if (error != 0) lido_region_set_user(slab->region, slab->units, slab->core->geometry.slab_units, NULL);
  return error;
}

void lido_slab_hide(lido_slab *slab) {
  int error = map_slab(slab, LIDO_OWNER_NONE);
  LIDO_ASSERT(error == 0); /* an owner was noted before */
  (void)error;
  lido_region_set_user(slab->region, slab->units, slab->core->geometry.slab_units, NULL);
}

/* ---- Handles ---- */

static lido_span_shape span_shape(const lido_slab *slab) {
  const lido_geometry *g = &slab->core->geometry;
  return (lido_span_shape){
      .units = slab->units, .bytes = g->slab_bytes, .start = slab->start, .objects = slab->objects};
}

static int open_span(lido_slab *slab) {
  if (!slab->core->handles) return 0;
  lido_span_shape shape = span_shape(slab);
  slab->first_slot = lido_span_open(&shape, &slab->core->refs);
  return slab->first_slot != 0 ? 0 : ENOMEM;
}

static void close_span(const lido_slab *slab) {
  if (slab->first_slot == 0) return;
  lido_span_shape shape = span_shape(slab);
  lido_span_close(&shape, slab->first_slot, &slab->core->refs);
}

/* ---- The whole of it ---- */

lido_slab *lido_slab_create(lido_pool_core *core) {
  lido_slab *slab = descriptor_create(core);
  if (slab == NULL) return NULL;
  set_free_bits(slab);
  write_states(slab, &core->geometry);
  int error = construct_objects(slab);
  if (error == 0) {
    error = open_span(slab);
    if (error == 0) error = show(slab);
    if (error == 0) return slab;
    close_span(slab);
    destroy_objects(slab, slab->objects);
  }
  descriptor_destroy(slab);
  errno = error;
  return NULL;
}

void lido_slab_destroy(lido_slab *slab) {
  lido_tool_slab_gone(slab);
  close_span(slab);
  destroy_objects(slab, slab->objects);
  descriptor_destroy(slab);
}

/* ---- Take and put ---- */

/* The lowest `count` free objects of a word. -> how many. */
static size_t take_from_word(lido_slab *slab, const lido_geometry *geometry, size_t word, void **objects,
                             size_t count) {
  size_t taken = 0;
  uint64_t bits = slab->free[word];
  for (; bits != 0 && taken < count; bits &= bits - 1) {
    size_t index = word * 64 + lido_bit_lowest(bits);
    objects[taken++] = (void *)(slab->start + index * geometry->stride);
  }
  slab->free[word] = bits;
  return taken;
}

/* Stripes lie just under half a slab apart, so that the first few can grow over several words
 * before they meet. */
static size_t first_word_of(const lido_slab *slab, unsigned stripe) {
  size_t step = slab->words > 2 ? (slab->words / 2 - 1) | 1 : 1;
  return stripe * step % slab->words;
}

size_t lido_slab_take(lido_slab *slab, const lido_geometry *geometry, unsigned stripe, void **objects, size_t count) {
  size_t taken = 0;
  size_t first = first_word_of(slab, stripe);
  for (size_t i = 0; i < slab->words && taken < count; i++) {
    size_t word = first + i < slab->words ? first + i : first + i - slab->words;
    taken += take_from_word(slab, geometry, word, objects + taken, count - taken);
  }
  slab->free_objects -= taken;
  return taken;
}

bool lido_slab_put(lido_slab *slab, const lido_geometry *geometry, void *object) {
  size_t index = lido_geometry_index(geometry, (uintptr_t)object - slab->start);
  uint64_t bit = UINT64_C(1) << (index % 64);
  size_t word = index / 64;
  if (LIDO_UNLIKELY((slab->free[word] & bit) != 0)) return false;
  slab->free[word] |= bit;
  slab->free_objects++;
  return true;
}

/* ---- Check ---- */

static const char *check_states(const lido_slab *slab) {
#if LIDO_CHECKS == LIDO_CHECKS_NONE
  (void)slab; /* nobody writes them */
#else
  const lido_geometry *g = &slab->core->geometry;
  const uint8_t *states = states_of(slab);
  size_t starts = 0;
  for (size_t byte = 0; byte < states_bytes(g); byte++) starts += states[byte] != LIDO_STATE_NONE;
  if (starts != slab->objects) return "S3: a state byte of no object";
  for (size_t index = 0; index < slab->objects; index++) {
    uint8_t state = *lido_core_state_of(slab->core, slab->start + index * g->stride);
    if (state == LIDO_STATE_NONE) return "S3: an object without a state";
    if (lido_bitmap_get(slab->free, index) && lido_state_is_live(state)) return "S1: a live object's bit is set";
  }
#endif
  return NULL;
}

const char *lido_slab_check(const lido_slab *slab) {
  if (lido_bitmap_count(slab->free, slab->words * 64) != slab->free_objects) return "S2: free objects miscounted";
  if (slab->objects % 64 != 0 && slab->free[slab->words - 1] >> slab->objects % 64 != 0) {
    return "S2: a bit beyond the last object";
  }
  for (size_t index = 0; slab->first_slot != 0 && index < slab->objects; index++) {
    const void *object = (void *)(slab->start + index * slab->core->geometry.stride);
    if (lido_slot_at(slab->first_slot + (uint32_t)index)->object != object) return "S4: a slot that names another";
  }
  return check_states(slab);
}
