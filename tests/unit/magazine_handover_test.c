/* magazine_handover_test.c: whole magazines passed from thread to thread by one pointer. */
#include "tests/support/objects.h"

enum { BYTES = 64, MOST = 2000 };

static void *objects[MOST];

static lido_pool *plain_pool(void) { return lido_pool_create(&(lido_pool_options){.object_size = BYTES}); }

TEST(magazine_handover, an_empty_cache_has_nothing_to_detach) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  CHECK_NULL(lido_pool_magazine_detach(pool));
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(magazine_handover, what_was_detached_is_kept_from_everyone) {
  if (testing_on_valgrind()) return; /* nothing is in magazines then */
  enum { LIMIT = 200 };
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), LIMIT);
  lido_pool_free_batch(pool, objects, LIMIT);
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  CHECK_NOT_NULL(magazine);
  size_t inside = lido_magazine_count(magazine);
  CHECK_GT(inside, 0);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), LIMIT - inside);
  CHECK_EQ(objects_stats(pool).live, LIMIT - inside);
  lido_pool_free_batch(pool, objects, LIMIT - inside);
  lido_pool_magazine_attach(pool, magazine);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), LIMIT);
  lido_pool_free_batch(pool, objects, LIMIT);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(magazine_handover, all_of_a_cache_can_be_detached_piece_by_piece) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 300), 300);
  lido_pool_free_batch(pool, objects, 300);
  lido_magazine *magazines[300];
  size_t count = 0;
  size_t inside = 0;
  lido_magazine *magazine = NULL;
  while (count < 300 && (magazine = lido_pool_magazine_detach(pool)) != NULL) {
    CHECK_GT(lido_magazine_count(magazine), 0);
    inside += lido_magazine_count(magazine);
    magazines[count++] = magazine;
  }
  CHECK_NULL(magazine);
  CHECK_GT(inside, 0);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.live, 0);
  CHECK_LE(stats.cached + inside, stats.objects);
  CHECK_SOUND(pool);
  while (count > 0) lido_pool_magazine_attach(pool, magazines[--count]);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

typedef struct handover {
  lido_pool *pool;
  lido_magazine *magazine;
  size_t inside;
  size_t got;
} handover;

static void *attach_and_take(void *argument) {
  handover *h = argument;
  lido_pool_magazine_attach(h->pool, h->magazine);
  h->got = lido_pool_alloc_batch(h->pool, objects, h->inside);
  lido_pool_free_batch(h->pool, objects, h->got);
  return NULL;
}

TEST(magazine_handover, another_thread_takes_the_objects_over) {
  if (testing_on_valgrind()) return;
  handover h = {.pool = plain_pool()};
  CHECK_NOT_NULL(h.pool);
  for (int round = 0; round < 50; round++) {
    CHECK_EQ(lido_pool_alloc_batch(h.pool, objects, 100), 100);
    lido_pool_free_batch(h.pool, objects, 100);
    h.magazine = lido_pool_magazine_detach(h.pool);
    CHECK_NOT_NULL(h.magazine);
    h.inside = lido_magazine_count(h.magazine);
    objects_in_thread(attach_and_take, &h);
    CHECK_EQ(h.got, h.inside);
    CHECK_EQ(objects_stats(h.pool).live, 0);
  }
  CHECK_SOUND(h.pool);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
}

static void *detach_all(void *argument) {
  handover *h = argument;
  for (size_t i = 0; i < 200; i++) objects[i] = lido_pool_alloc(h->pool);
  for (size_t i = 0; i < 200; i++) lido_pool_free(h->pool, objects[i]);
  h->magazine = lido_pool_magazine_detach(h->pool);
  return NULL;
}

TEST(magazine_handover, a_magazine_outlives_the_thread_that_detached_it) {
  if (testing_on_valgrind()) return;
  handover h = {.pool = plain_pool()};
  CHECK_NOT_NULL(h.pool);
  objects_in_thread(detach_all, &h);
  CHECK_NOT_NULL(h.magazine);
  size_t inside = lido_magazine_count(h.magazine);
  CHECK_GT(inside, 0);
  lido_pool_magazine_attach(h.pool, h.magazine);
  CHECK_EQ(lido_pool_alloc_batch(h.pool, objects, inside), inside);
  lido_pool_free_batch(h.pool, objects, inside);
  CHECK_SOUND(h.pool);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
}

TEST(magazine_handover, freeing_what_is_in_a_magazine_is_a_double_free) {
  if (testing_on_valgrind() || LIDO_CHECKS == LIDO_CHECKS_NONE) return;
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  lido_pool_free_batch(pool, objects, 100);
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  CHECK_NOT_NULL(magazine);
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_free_batch(pool, objects, 100);
  misuse_log_stop();
  CHECK_EQ(log.count, 100);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
  lido_pool_magazine_attach(pool, magazine);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
