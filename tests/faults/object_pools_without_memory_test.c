/* object_pools_without_memory_test.c: every request for memory of an object pool fails, once and for ever. No object is
 * lost: one that can't be kept is destroyed.
 */
#include "lib/mem/metadata.h"
#include "tests/faults/drill.h"

enum { MOST = 300 };

typedef struct made {
  size_t alive;
  bool is_alive[4 * MOST];
  char objects[4 * MOST];
  size_t twice;
} made;

static made things;

static void *thing_new(void *context) {
  (void)context;
  size_t i = 0;
  while (i < 4 * MOST && things.is_alive[i]) i++;
  things.is_alive[i] = true;
  things.alive++;
  return &things.objects[i];
}

static void thing_end(void *object, void *context) {
  (void)context;
  size_t i = (size_t)((char *)object - things.objects);
  things.twice += !things.is_alive[i];
  things.is_alive[i] = false;
  things.alive--;
}

static size_t thing_size(const void *object, void *context) {
  (void)context;
  return (size_t)((const char *)object - things.objects);
}

static void check_pool(lido_object_pool *pool) {
  const char *broken = lido_object_pool_check(pool);
  if (broken != NULL) TESTING_FAIL("%s", broken);
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(pool, &stats);
  CHECK_EQ(stats.out + stats.kept, things.alive);
}

static void get_all(lido_object_pool *pool, void **objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    CALM(objects[i] = lido_object_pool_get(pool));
    CHECK_NOT_NULL(objects[i]);
  }
}

static void put_all(lido_object_pool *pool, void **objects, size_t count) {
  for (size_t i = 0; i < count; i++) CALM(lido_object_pool_put(pool, objects[i]));
}

static void *visit(void *argument) {
  lido_object_pool *pool = argument;
  void *objects[100];
  for (size_t i = 0; i < 100; i++) objects[i] = lido_object_pool_get(pool);
  for (size_t i = 0; i < 100; i++) lido_object_pool_put(pool, objects[i]);
  return NULL;
}

static void use(drill_round *r, lido_object_pool_options options) {
  void *objects[MOST];
  lido_object_pool *pool = NULL;
  size_t used = lido_metadata_used_bytes(lido_metadata_system());
  things = (made){0};
  options.create = thing_new;
  options.destroy = thing_end;
  TRY(r, pool, lido_object_pool_create(&options));
  for (int again = 0; again < 2; again++) {
    get_all(pool, objects, MOST);
    put_all(pool, objects, MOST);
    check_pool(pool);
    CALM(lido_thread_flush());
    check_pool(pool);
    objects_in_thread(visit, pool);
    check_pool(pool);
    CALM(lido_object_pool_trim(pool));
    check_pool(pool);
    get_all(pool, objects, 10);
    CALM(lido_object_pool_trim(pool));
    put_all(pool, objects, 10);
    check_pool(pool);
  }
  size_t out = 1;
  CALM(out = lido_object_pool_destroy(pool));
  CHECK_EQ(out, 0);
  CHECK_EQ(things.alive, 0);
  CHECK_EQ(things.twice, 0);
  /* This thread's record and table of stores may have come; the rest has gone. */
  CHECK_LE(lido_metadata_used_bytes(lido_metadata_system()), used + 1024);
}

static void plain(drill_round *r) { use(r, (lido_object_pool_options){0}); }
static void few(drill_round *r) { use(r, (lido_object_pool_options){.keep_objects = 40}); }
static void sized(drill_round *r) { use(r, (lido_object_pool_options){.size = thing_size, .keep_bytes = 10000}); }

TEST(object_pools_without_memory, plain_objects) { drill(plain, 4); }
TEST(object_pools_without_memory, few_objects_kept) { drill(few, 4); }
TEST(object_pools_without_memory, objects_with_sizes) { drill(sized, 4); }

/* ---- A thread that exits without memory ---- */

static lido_object_pool *shared;

static void *fill_and_exit(void *unused) {
  void *objects[40];
  for (size_t i = 0; i < 40; i++) objects[i] = lido_object_pool_get(shared);
  for (size_t i = 0; i < 40; i++) lido_object_pool_put(shared, objects[i]);
  lido_fault_arm(1, true);
  return unused;
}

static void leave_an_orphan(void) {
  things = (made){0};
  shared = lido_object_pool_create(&(lido_object_pool_options){.create = thing_new, .destroy = thing_end});
  CHECK_NOT_NULL(shared);
  objects_in_thread(fill_and_exit, NULL);
  lido_fault_disarm();
  check_pool(shared);
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(shared, &stats);
  CHECK_EQ(stats.kept, 40);
  CHECK_EQ(stats.stores, 1);
}

TEST(object_pools_without_memory, what_an_exiting_thread_could_not_leave_is_adopted) {
  void *objects[40];
  lido_fault_disarm();
  leave_an_orphan();
  get_all(shared, objects, 40);
  CHECK_EQ(things.alive, 40);
  put_all(shared, objects, 40);
  check_pool(shared);
  CHECK_EQ(lido_object_pool_destroy(shared), 0);
  CHECK_EQ(things.alive, 0);
}

TEST(object_pools_without_memory, or_ends_with_the_next_trims) {
  lido_fault_disarm();
  leave_an_orphan();
  CHECK_EQ(lido_object_pool_trim(shared), 0);
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(shared, &stats);
  CHECK_EQ(stats.stores, 0);
  CHECK_EQ(lido_object_pool_trim(shared), 40);
  CHECK_EQ(lido_object_pool_destroy(shared), 0);
}

TEST(object_pools_without_memory, or_with_the_pool) {
  lido_fault_disarm();
  leave_an_orphan();
  CHECK_EQ(lido_object_pool_destroy(shared), 0);
  CHECK_EQ(things.alive, 0);
}

/* ---- A trim without memory ---- */

TEST(object_pools_without_memory, a_trim_leaves_what_it_has_no_magazines_for) {
  void *objects[40];
  lido_fault_disarm();
  things = (made){0};
  lido_object_pool *pool =
      lido_object_pool_create(&(lido_object_pool_options){.create = thing_new, .destroy = thing_end});
  CHECK_NOT_NULL(pool);
  get_all(pool, objects, 40);
  put_all(pool, objects, 40);
  lido_fault_arm(1, true);
  CALM(lido_object_pool_trim(pool));
  CALM(lido_object_pool_trim(pool));
  check_pool(pool);
  CHECK_EQ(things.alive, 40);
  get_all(pool, objects, 40); /* they are where they were */
  CHECK_GT(lido_fault_disarm(), 0);
  CHECK_EQ(things.alive, 40);
  put_all(pool, objects, 40);
  lido_object_pool_trim(pool);
  CHECK_EQ(lido_object_pool_trim(pool), 40);
  CHECK_EQ(lido_object_pool_destroy(pool), 0);
}

/* ---- Typed, and no pool at all ---- */

LIDO_OBJECT_POOL_DEFINE(scarce, char, .create = thing_new, .destroy = thing_end)

TEST(object_pools_without_memory, a_typed_pool_that_can_not_be_made) {
  lido_fault_disarm();
  things = (made){0};
  char *own = thing_new(NULL);
  lido_fault_arm(1, true);
  CHECK_FAILS(scarce_get(), ENOMEM);
  CHECK_FAILS(scarce_objects(), ENOMEM);
  CALM(scarce_put(own)); /* nowhere to keep it */
  CHECK_EQ(things.alive, 0);
  lido_fault_disarm();
  char *object = scarce_get();
  CHECK_NOT_NULL(object);
  scarce_put(object);
  CHECK_EQ(lido_object_pool_destroy(scarce_objects()), 0);
  CHECK_EQ(things.alive, 0);
}
