/* slab_test.c: slabs and their lists, taken from and put to against a plain list; and that their checks can fail. */
#include "pools/pool_core.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

static lido_pool *direct_pool(size_t size) {
  return lido_pool_create(&(lido_pool_options){.object_size = size, .align = 8, .cache_bytes = SIZE_MAX});
}

enum { OBJECTS_MOST = 8192, STRIPES = 5 };

static void *objects[OBJECTS_MOST];
static bool held_by_us[OBJECTS_MOST];

/* Take with a stripe of the round's: each object only once, in the order of the addresses for stripe 0. */
static size_t take(lido_slab *slab, const lido_geometry *g, unsigned stripe, size_t held, size_t wanted) {
  size_t taken = lido_slab_take(slab, g, stripe, objects + held, wanted);
  CHECK_EQ(taken, wanted < slab->objects - held ? wanted : slab->objects - held);
  for (size_t i = held; i < held + taken; i++) {
    uintptr_t offset = (uintptr_t)objects[i] - slab->start;
    CHECK_EQ(offset % g->stride, 0);
    CHECK_LT(offset / g->stride, slab->objects);
    CHECK(!held_by_us[offset / g->stride]);
    held_by_us[offset / g->stride] = true;
    if (stripe == 0 && i > held) CHECK((uintptr_t)objects[i] > (uintptr_t)objects[i - 1]);
  }
  return taken;
}

static void put(lido_slab *slab, const lido_geometry *g, void *object) {
  CHECK(lido_slab_put(slab, g, object));
  CHECK(!lido_slab_put(slab, g, object)); /* twice */
  held_by_us[((uintptr_t)object - slab->start) / g->stride] = false;
}

static void check_slab_of(size_t size) {
  lido_pool *pool = direct_pool(size);
  CHECK_NOT_NULL(pool);
  const lido_geometry *g = &lido_core_of(pool)->geometry;
  lido_slab *slab = lido_slab_create(lido_core_of(pool));
  CHECK_NOT_NULL(slab);
  CHECK_EQ(slab->free_objects, slab->objects);
  CHECK_NULL(lido_slab_check(slab));
  CHECK_LE(slab->objects, OBJECTS_MOST);
  memset(held_by_us, 0, sizeof held_by_us);
  size_t held = 0;
  testing_random random = {testing_seed()};
  for (int round = 0; round < 300; round++) {
    held += take(slab, g, (unsigned)testing_below(&random, STRIPES), held, 1 + testing_below(&random, slab->objects));
    CHECK_EQ(slab->free_objects, slab->objects - held);
    for (size_t n = testing_below(&random, held + 1); n > 0; n--) {
      size_t place = testing_below(&random, held);
      put(slab, g, objects[place]);
      objects[place] = objects[--held];
    }
    CHECK_NULL(lido_slab_check(slab));
  }
  while (held > 0) put(slab, g, objects[--held]);
  CHECK_EQ(slab->free_objects, slab->objects);
  lido_slab_hide(slab);
  lido_slab_destroy(slab);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(slab, gives_each_object_once) {
  static const size_t sizes[] = {8, 24, 64, 100, 1000, 1024, 1040, 4096, 30000, 65536, 200000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) check_slab_of(sizes[i]);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

/* One wrong thing at a time must be seen, and nothing once it is mended. */
TEST(slab, a_check_sees_what_is_wrong) {
  lido_pool *pool = direct_pool(1000);
  CHECK_NOT_NULL(pool);
  lido_pool_core *core = lido_core_of(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 10), 10);
  lido_slab *slab = lido_core_slab_of(core, objects[0]);
  CHECK_SOUND(pool);

  slab->free_objects++; /* S2 */
  CHECK_NOT_NULL(lido_slab_check(slab));
  slab->free_objects--;

  uint8_t *state = lido_core_state_of(core, (uintptr_t)objects[3]);
  *state = LIDO_STATE_NONE; /* S3 */
  CHECK_NOT_NULL(lido_slab_check(slab));
  *state = LIDO_STATE_LIVE;
  state[1] = LIDO_STATE_FREE; /* S3: an object where none is */
  CHECK_NOT_NULL(lido_slab_check(slab));
  state[1] = LIDO_STATE_NONE;

  slab->free[0] |= UINT64_C(1) << 3; /* S1: free in the bitmap, live by its state */
  slab->free_objects++;
  CHECK_NOT_NULL(lido_slab_check(slab));
  slab->free_objects--;
  slab->free[0] &= ~(UINT64_C(1) << 3);

  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 10);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(slab, a_pools_check_sees_what_is_wrong) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 1000, .align = 8});
  CHECK_NOT_NULL(pool);
  lido_pool_core *core = lido_core_of(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 10), 10);
  CHECK_SOUND(pool);

  core->slabs.objects++; /* L2 */
  CHECK_NOT_NULL(lido_pool_check(pool));
  core->slabs.objects--;

  lido_slab *slab = lido_core_slab_of(core, objects[0]);
  slab->bin++; /* L1 */
  CHECK_NOT_NULL(lido_pool_check(pool));
  slab->bin--;

  core->set_aside++; /* P1 */
  CHECK_NOT_NULL(lido_pool_check(pool));
  core->set_aside--;

  uint8_t *state = lido_core_state_of(core, (uintptr_t)objects[3]);
  *state = LIDO_STATE_FREE; /* P2: an object in the program's hands that seems free */
  CHECK_NOT_NULL(lido_pool_check(pool));
  *state = LIDO_STATE_LIVE;

  core->owner++; /* P4 */
  CHECK_NOT_NULL(lido_pool_check(pool));
  core->owner--;

  core->geometry.reciprocal /= 2; /* G3 */
  CHECK_NOT_NULL(lido_pool_check(pool));
  core->geometry.reciprocal = (uint32_t)((UINT64_C(1) << 32) / core->geometry.stride) + 1;

  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 10);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#endif

TEST(slab, the_lists_take_from_the_fullest) {
  lido_pool *pool = direct_pool(4096);
  CHECK_NOT_NULL(pool);
  lido_pool_core *core = lido_core_of(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 4);
  object_list_sort(&taken);
  size_t per_slab = taken.count / 4;
  /* Of the first slab one object goes, of the second half, of the third all but one. */
  void *gap = taken.items[0];
  lido_pool_free(pool, gap);
  for (size_t i = 0; i < per_slab / 2; i++) lido_pool_free(pool, taken.items[per_slab + i]);
  for (size_t i = 0; i < per_slab - 1; i++) lido_pool_free(pool, taken.items[2 * per_slab + i]);
  CHECK_SOUND(pool);
  CHECK_SAME(lido_pool_alloc(pool), gap);
  void *next = lido_pool_alloc(pool);
  CHECK_SAME(lido_core_slab_of(core, next), lido_core_slab_of(core, taken.items[per_slab + per_slab / 2]));
  lido_pool_destroy(pool);
  object_list_end(&taken);
}
