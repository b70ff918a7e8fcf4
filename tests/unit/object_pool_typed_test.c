/* object_pool_typed_test.c: typed object pools. */
#include "tests/support/workshop.h"
#include "tests/unit/object_pool_in_cxx.h"

static workshop typed_shop;

static void *typed_new(void *context) { return thing_new(context); }

LIDO_OBJECT_POOL_DEFINE(widget, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                        .context = &typed_shop)
LIDO_OBJECT_POOL_DEFINE(gadget, thing, .create = typed_new, .destroy = thing_end, .context = &typed_shop)

static void *use_widgets(void *unused) {
  thing *things[30];
  for (size_t i = 0; i < 30; i++) things[i] = widget_get();
  for (size_t i = 0; i < 30; i++) widget_put(things[i]);
  return unused;
}

TEST(object_pool_typed, typed_pools_are_made_at_their_first_use_and_again_after_their_end) {
  memset(&typed_shop, 0, sizeof typed_shop);
  for (int round = 0; round < 3; round++) {
    thing *w = widget_get();
    thing *g = gadget_get();
    CHECK_NOT_NULL(w);
    CHECK_TEXT(lido_object_pool_name(widget_objects()), "widget");
    gadget_put(g);
    CHECK_SAME(gadget_get(), g);
    CHECK(lido_object_pool_get(widget_objects()) != w); /* w is out; this one stays out */
    widget_put(w);
    CHECK_SAME(lido_object_pool_get(widget_objects()), w); /* but the same store */
    lido_object_pool_put(widget_objects(), w);
    objects_in_thread(use_widgets, NULL);
    check_sound(widget_objects());
    CHECK_EQ(lido_object_pool_trim(widget_objects()), 0);
    CHECK_GT(lido_object_pool_trim(widget_objects()), 0);
    CHECK_EQ(lido_object_pool_destroy(widget_objects()), 1);
    CHECK_EQ(lido_object_pool_destroy(gadget_objects()), 1);
  }
}

TEST(object_pool_typed, a_put_before_the_first_get_of_a_typed_pool) {
  static thing own;
  memset(&typed_shop, 0, sizeof typed_shop);
  widget_put(NULL);
  widget_put(&own);
  CHECK_SAME(widget_get(), &own);
  widget_put(&own);
  lido_object_pool_destroy(widget_objects());
  CHECK(own.destroyed);
}

#ifdef LIDO_TEST_CXX
TEST(object_pool_typed, in_cxx) { CHECK_EQ(cxx_use_object_pool(), 0); }
#endif

LIDO_OBJECT_POOL_DECLARE(shared_widget, thing)

/* Declared as in a header, the options are not known to the calls. */
static void use_shared_widgets(void) {
  thing *t = shared_widget_get();
  CHECK_EQ(t->puts, 0);
  t->bytes = 101;
  shared_widget_put(t);
  CHECK_EQ(t->puts, 1);
  CHECK(t->destroyed);
  t = shared_widget_get();
  t->bytes = 100;
  shared_widget_put(t);
  CHECK_SAME(shared_widget_get(), t);
  shared_widget_put(t);
}

LIDO_OBJECT_POOL_IMPLEMENT(shared_widget, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                           .size = thing_size, .context = &typed_shop, .keep_bytes_each = 100)

TEST(object_pool_typed, a_typed_pool_that_files_share) {
  memset(&typed_shop, 0, sizeof typed_shop);
  use_shared_widgets();
  CHECK_EQ(stats_of(shared_widget_objects()).destroyed_large, 1);
  check_sound(shared_widget_objects());
  CHECK_EQ(lido_object_pool_destroy(shared_widget_objects()), 0);
  CHECK_EQ(typed_shop.destroyed, 2);
}

LIDO_OBJECT_POOL_DEFINE(small, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                        .size = thing_size, .context = &typed_shop, .keep_bytes_each = 100)

TEST(object_pool_typed, a_typed_pool_with_a_bound_for_each) {
  memset(&typed_shop, 0, sizeof typed_shop);
  for (size_t round = 0; round < 3; round++) {
    thing *t = small_get();
    t->bytes = 101;
    errno = E2BIG;
    small_put(t);
    CHECK_EQ(errno, E2BIG);
    CHECK(t->destroyed);
    t = small_get();
    t->bytes = 100;
    small_put(t);
    CHECK(!t->destroyed);
    CHECK_SAME(small_get(), t);
    t->bytes = 101;
    small_put(t);
  }
  CHECK_EQ(stats_of(small_objects()).destroyed_large, 6);
  CHECK_EQ(stats_of(small_objects()).kept_bytes, 0);
  CHECK_EQ(lido_object_pool_destroy(small_objects()), 0);
}

/* A reset that puts away what the store holds, in the middle of a put. */
static void reset_and_flush(void *object, void *context) {
  thing_reset(object, context);
  lido_thread_flush();
}

LIDO_OBJECT_POOL_DEFINE(flushed, thing, .create = typed_new, .reset = reset_and_flush, .destroy = thing_end,
                        .context = &typed_shop)

TEST(object_pool_typed, a_reset_that_flushes_the_thread) {
  thing *things[10];
  memset(&typed_shop, 0, sizeof typed_shop);
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < 10; i++) things[i] = flushed_get();
    for (size_t i = 0; i < 10; i++) flushed_put(things[i]);
    check_sound(flushed_objects());
    CHECK_EQ(stats_of(flushed_objects()).kept, 10);
  }
  CHECK_EQ(lido_object_pool_destroy(flushed_objects()), 0);
  CHECK_EQ(typed_shop.created, 10);
}
