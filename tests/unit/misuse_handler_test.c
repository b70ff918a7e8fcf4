/* misuse_handler_test.c: the handler and the line it prints; what each misuse looks like when it ends the
 * program is in tests/misuse/.
 */
#include <stdlib.h>

#include "tests/support/objects.h"

/* ---- The line ---- */

static void check_line(const lido_misuse *misuse, const char *expected) {
  char line[512];
  int length = lido_misuse_format(misuse, line, sizeof line);
  CHECK_TEXT(line, expected);
  CHECK_EQ(length, strlen(expected));
}

TEST(misuse_handler, the_line_says_what_pool_address_and_object) {
  check_line(&(lido_misuse){.kind = LIDO_MISUSE_DOUBLE_FREE,
                            .what = "double free",
                            .pool = "conn",
                            .address = (void *)0x7f1c2a000440,
                            .object = 17},
             "lido: double free in pool 'conn': address 0x7f1c2a000440, object 17");
  check_line(&(lido_misuse){.kind = LIDO_MISUSE_INTERIOR,
                            .what = "interior pointer",
                            .pool = "conn",
                            .address = (void *)0x1008,
                            .object = 17,
                            .offset = 8},
             "lido: interior pointer in pool 'conn': address 0x1008, object 17 + 8 bytes");
  check_line(&(lido_misuse){.kind = LIDO_MISUSE_WRONG_POOL,
                            .what = "wrong pool",
                            .pool = "a",
                            .other_pool = "b",
                            .address = (void *)0x1000,
                            .object = 3},
             "lido: wrong pool in pool 'a': address 0x1000, object 3 of pool 'b'");
  check_line(&(lido_misuse){.kind = LIDO_MISUSE_FOREIGN,
                            .what = "foreign pointer",
                            .pool = "conn",
                            .address = (void *)0x1000,
                            .object = LIDO_NO_OBJECT},
             "lido: foreign pointer in pool 'conn': address 0x1000, no object");
}

TEST(misuse_handler, a_name_stays_in_its_line) {
  char name[201];
  char expected[200];
  memset(name, 'n', 200);
  name[200] = 0;
  const lido_misuse misuse = {.kind = LIDO_MISUSE_FOREIGN,
                              .what = "foreign pointer",
                              .pool = name,
                              .address = (void *)8,
                              .object = LIDO_NO_OBJECT};
  snprintf(expected, sizeof expected, "lido: foreign pointer in pool '%.64s': address 0x8, no object", name);
  check_line(&misuse, expected);
  check_line(&(lido_misuse){.kind = LIDO_MISUSE_WRONG_POOL,
                            .what = "wrong pool",
                            .pool = "a\nb\x1b[31m\x7f",
                            .other_pool = "\r\xc3\xbc",
                            .address = (void *)8,
                            .object = 3},
             "lido: wrong pool in pool 'a?b?[31m?': address 0x8, object 3 of pool '?\xc3\xbc'");
  check_line(&(lido_misuse){.what = "stale mark", .where = "arena", .pool = "a\n", .address = (void *)8},
             "lido: stale mark in arena 'a?': address 0x8");
}

TEST(misuse_handler, a_short_line_is_cut_and_its_length_told) {
  const lido_misuse misuse = {
      .kind = LIDO_MISUSE_DOUBLE_FREE, .what = "double free", .pool = "conn", .address = (void *)0x1000, .object = 17};
  char whole[512];
  int length = lido_misuse_format(&misuse, whole, sizeof whole);
  for (size_t bytes = 0; bytes <= (size_t)length + 1; bytes++) {
    char line[512];
    memset(line, '#', sizeof line);
    CHECK_EQ(lido_misuse_format(&misuse, bytes == 0 ? NULL : line, bytes), length);
    if (bytes == 0) continue;
    CHECK_EQ(strlen(line), bytes - 1);
    CHECK_EQ(strncmp(line, whole, bytes - 1), 0);
    CHECK_EQ(line[bytes], '#');
  }
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

/* ---- The handler ---- */

enum { BYTES = 256 };

static lido_pool *named_pool(const char *name) {
  return lido_pool_create(&(lido_pool_options){.name = name, .object_size = BYTES});
}

static bool stats_are_equal(const lido_pool_stats *left, const lido_pool_stats *right) {
  return left->live == right->live && left->allocs == right->allocs && left->frees == right->frees &&
         left->cached == right->cached && left->objects == right->objects && left->slabs == right->slabs;
}

/* Free `address` into `pool` and see that nothing happened but one report. */
static void check_report(lido_pool *pool, void *address, lido_misuse_kind kind, size_t offset) {
  misuse_log log;
  lido_pool_stats before = objects_stats(pool);
  misuse_log_start(&log);
  errno = 0;
  lido_pool_free(pool, address);
  CHECK_EQ(errno, 0);
  misuse_log_stop();
  lido_pool_stats after = objects_stats(pool);
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, kind);
  CHECK_SAME(log.last.address, address);
  CHECK_EQ(log.last.offset, offset);
  CHECK_TEXT(log.pool, lido_pool_name(pool));
  CHECK(stats_are_equal(&before, &after));
  CHECK_SOUND(pool);
}

#define WHAT_OF(constant, text) {constant, text},

TEST(misuse_handler, each_kind_has_its_text) {
  static const struct {
    lido_misuse_kind kind;
    const char *text;
  } kinds[] = {LIDO_MISUSE_KINDS(WHAT_OF)};
  CHECK_TEXT(kinds[LIDO_MISUSE_DOUBLE_FREE].text, "double free");
  CHECK_TEXT(kinds[LIDO_MISUSE_FOREIGN].text, "foreign pointer");
  CHECK_TEXT(kinds[LIDO_MISUSE_INTERIOR].text, "interior pointer");
  CHECK_TEXT(kinds[LIDO_MISUSE_WRONG_POOL].text, "wrong pool");
  CHECK_TEXT(kinds[LIDO_MISUSE_WRITE_AFTER_FREE].text, "write after free");
  CHECK_TEXT(kinds[LIDO_MISUSE_OVERFLOW].text, "write past the end");
  CHECK_TEXT(kinds[LIDO_MISUSE_WRONG_THREAD].text, "wrong thread");
  CHECK_TEXT(kinds[LIDO_MISUSE_CORRUPTION].text, "corrupted state");
  lido_pool *pool = named_pool("texts");
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_free(pool, object);
  CHECK_TEXT(log.last.what, "double free");
  lido_pool_free(pool, &log);
  CHECK_TEXT(log.last.what, "foreign pointer");
  misuse_log_stop();
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_handler, a_double_free_changes_nothing_wherever_the_object_is) {
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  void *keeps_the_slab = lido_pool_alloc(pool);
  void *objects[100];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  lido_pool_free_batch(pool, objects, 100);
  for (size_t i = 0; i < 100; i++) check_report(pool, objects[i], LIDO_MISUSE_DOUBLE_FREE, 0);
  lido_thread_flush();
  for (size_t i = 0; i < 100; i++) check_report(pool, objects[i], LIDO_MISUSE_DOUBLE_FREE, 0);
  lido_pool_trim(pool);
  for (size_t i = 0; i < 100; i++) check_report(pool, objects[i], LIDO_MISUSE_DOUBLE_FREE, 0);
  lido_pool_free(pool, keeps_the_slab);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_handler, an_object_freed_twice_is_handed_out_once) {
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  misuse_log log;
  misuse_log_start(&log);
  for (int round = 0; round < 200; round++) {
    void *objects[20];
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 20), 20);
    lido_pool_free_batch(pool, objects, 20);
    lido_pool_free(pool, objects[round % 20]);
    lido_pool_free(pool, objects[(round * 7) % 20]);
    object_list all = {0};
    for (int i = 0; i < 40; i++) object_list_push(&all, lido_pool_alloc(pool));
    CHECK(objects_are_distinct(&all));
    objects_free_all(pool, &all);
    object_list_end(&all);
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 400);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_handler, every_byte_inside_an_object_is_an_interior_pointer) {
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  char *live = lido_pool_alloc(pool);
  char *free_one = lido_pool_alloc(pool);
  lido_pool_free(pool, free_one);
  for (size_t offset = 1; offset < BYTES; offset++) {
    check_report(pool, live + offset, LIDO_MISUSE_INTERIOR, offset);
    check_report(pool, free_one + offset, LIDO_MISUSE_INTERIOR, offset);
  }
  lido_pool_free(pool, live);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_handler, foreign_addresses_are_never_looked_at) {
  static int in_data;
  int on_stack = 0;
  void *heap = malloc(100);
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  for (int used = 0; used < 2; used++) {
    check_report(pool, &in_data, LIDO_MISUSE_FOREIGN, 0);
    check_report(pool, &on_stack, LIDO_MISUSE_FOREIGN, 0);
    check_report(pool, heap, LIDO_MISUSE_FOREIGN, 0);
    check_report(pool, pool, LIDO_MISUSE_FOREIGN, 0);
    static const uintptr_t numbers[] = {1,
                                        8,
                                        64,
                                        4096,
                                        65536,
                                        UINT64_C(0x7ffffffff000),
                                        UINT64_C(0x800000000000),
                                        UINT64_C(0x1000000000000),
                                        UINT64_C(0x1234567812345678),
                                        UINT64_C(0xffff800000000000),
                                        UINT64_C(0xffff888000000000),
                                        UINTPTR_MAX - 63,
                                        UINTPTR_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
      check_report(pool, (void *)numbers[i], LIDO_MISUSE_FOREIGN, 0);
    }
    lido_pool_free(pool, lido_pool_alloc(pool)); /* and once more with a slab and a cache */
  }
  free(heap);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_handler, an_object_of_another_pool_stays_where_it_is) {
  lido_pool *a = named_pool("a");
  lido_pool *b = named_pool("b");
  CHECK_NOT_NULL(a);
  CHECK_NOT_NULL(b);
  lido_pool_free(a, lido_pool_alloc(a));
  void *of_b = lido_pool_alloc(b);
  lido_pool_stats before = objects_stats(b);
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_free(a, of_b);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_WRONG_POOL);
  CHECK_TEXT(log.pool, "a");
  CHECK_TEXT(log.other_pool, "b");
  lido_pool_stats after = objects_stats(b);
  CHECK(stats_are_equal(&before, &after));
  CHECK(lido_pool_owns(b, of_b));
  CHECK_SOUND(a);
  CHECK_SOUND(b);
  lido_pool_free(b, of_b);
  CHECK_EQ(lido_pool_destroy(a), 0);
  CHECK_EQ(lido_pool_destroy(b), 0);
}

/* The kinds of pool in which alloc and free take other ways. */
TEST(misuse_handler, pools_of_every_kind_find_the_same) {
  static _Alignas(64) char memory[1 << 17];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  const lido_pool_options kinds[] = {{.object_size = BYTES},
                                     {.object_size = BYTES, .flags = LIDO_POOL_ZERO},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SPREAD},
                                     {.object_size = BYTES, .flags = LIDO_POOL_HUGE_PAGES},
                                     {.object_size = BYTES, .cache_bytes = SIZE_MAX},
                                     {.object_size = BYTES, .max_objects = 20},
                                     {.object_size = BYTES, .max_objects = 20, .on_exhausted = LIDO_EXHAUSTED_WAIT},
                                     {.object_size = BYTES, .backing = buffer},
                                     {.object_size = BYTES, .backing = lido_backing_pages()},
                                     {.object_size = 9000, .align = 8},
                                     {.object_size = 24, .align = 8},
                                     {.object_size = 2, .align = 1}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    lido_pool *pool = lido_pool_create(&kinds[i]);
    CHECK_NOT_NULL(pool);
    char *live = lido_pool_alloc(pool);
    char *freed = lido_pool_alloc(pool);
    CHECK_NOT_NULL(live);
    CHECK_NOT_NULL(freed);
    lido_pool_free(pool, freed);
    check_report(pool, freed, LIDO_MISUSE_DOUBLE_FREE, 0);
    check_report(pool, live + 1, LIDO_MISUSE_INTERIOR, 1);
    if (kinds[i].object_size >= 24) check_report(pool, live + 8, LIDO_MISUSE_INTERIOR, 8);
    check_report(pool, &pool, LIDO_MISUSE_FOREIGN, 0);
    CHECK(lido_pool_owns(pool, live));
    lido_pool_free(pool, live);
    check_report(pool, live, LIDO_MISUSE_DOUBLE_FREE, 0);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
  CHECK_EQ(lido_backing_destroy(buffer), 0);
}

TEST(misuse_handler, explicit_caches_and_batches_find_the_same) {
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  misuse_log log;
  misuse_log_start(&log);
  char *object = lido_pool_cache_alloc(cache);
  lido_pool_cache_free(cache, object + 8);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_INTERIOR);
  lido_pool_cache_free(cache, object);
  lido_pool_cache_free(cache, object);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
  lido_pool_free(pool, object);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
  lido_pool_cache_free(cache, &log);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  CHECK_EQ(log.count, 4);
  void *objects[6];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 3), 3);
  void *batch[6] = {objects[0], objects[1], objects[0], objects[2], &log, objects[1]};
  lido_pool_free_batch(pool, batch, 6);
  misuse_log_stop();
  CHECK_EQ(log.count, 7);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).frees, 4);
  lido_pool_cache_destroy(cache);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- A handler may call Lido ---- */

typedef struct caller {
  lido_pool *pool;
  void *allocated;
  size_t count;
} caller;

static void handler_that_calls(const lido_misuse *misuse, void *context) {
  caller *c = context;
  char line[200];
  c->count++;
  lido_misuse_format(misuse, line, sizeof line);
  lido_pool_stats stats;
  lido_pool_stats_get(c->pool, &stats);
  c->allocated = lido_pool_alloc(c->pool);
  lido_pool_free(c->pool, c->allocated);
  lido_pool_trim(c->pool);
  if (c->count < 3) lido_pool_free(c->pool, c->allocated); /* misuse in the handler of a misuse */
}

TEST(misuse_handler, no_lock_is_held_while_the_handler_runs) {
  caller c = {.pool = named_pool("conn")};
  CHECK_NOT_NULL(c.pool);
  void *keeps_the_slab = lido_pool_alloc(c.pool);
  void *object = lido_pool_alloc(c.pool);
  lido_pool_free(c.pool, object);
  lido_misuse_handler_set(handler_that_calls, &c);
  lido_pool_free(c.pool, object);
  lido_pool_free(c.pool, &c);
  lido_misuse_handler_set(NULL, NULL);
  CHECK_GE(c.count, 3);
  CHECK_SOUND(c.pool);
  lido_pool_free(c.pool, keeps_the_slab);
  CHECK_EQ(lido_pool_destroy(c.pool), 0);
}

TEST(misuse_handler, the_last_one_installed_is_called) {
  lido_pool *pool = named_pool("conn");
  CHECK_NOT_NULL(pool);
  misuse_log first;
  misuse_log second;
  misuse_log_start(&first);
  misuse_log_start(&second);
  lido_pool_free(pool, &pool);
  misuse_log_stop();
  CHECK_EQ(first.count, 0);
  CHECK_EQ(second.count, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#endif
