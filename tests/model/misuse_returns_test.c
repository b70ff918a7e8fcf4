/* misuse_returns_test.c: wrong frees, with a handler that returns. The call had no effect: the statistics are
 * what they were, the pool is sound, and goes on to work.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pools/slow_paths.h"
#include "tests/model/watch.h"

TEST(misuse_returns, but_null_is_none) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  void *const nulls[3] = {NULL, NULL, NULL};
  lido_pool_stats before = objects_stats(pool);
  misuse_log_start(&seen);
  lido_pool_free(pool, NULL);
  lido_pool_free_call(pool, NULL);
  lido_pool_free_batch(pool, nulls, 3);
  lido_pool_cache_free(cache, NULL);
  lido_pool_magazine_attach(pool, NULL);
  misuse_log_stop();
  CHECK_EQ(seen.count, 0);
  lido_pool_stats after = objects_stats(pool);
  CHECK_EQ(memcmp(&before, &after, sizeof after), 0);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

enum { EACH = 6 };

/* A free that is one misuse and nothing else. */
static void free_wrongly(lido_pool *pool, void *address, lido_misuse_kind kind) {
  watch w = watch_start(pool);
  lido_pool_free(pool, address);
  watch_end(&w, kind, address);
}

/* ---- In pools of all kinds ---- */

typedef struct six {
  void *objects[EACH];
} six;

/* Six objects of the pool, filled. */
static six take_six(lido_pool *pool, size_t bytes) {
  six taken;
  CHECK_EQ(lido_pool_alloc_batch(pool, taken.objects, EACH), EACH);
  for (size_t i = 0; i < EACH; i++) objects_fill(taken.objects[i], bytes, i);
  return taken;
}

static void check_six(lido_pool *pool, const six *taken, size_t bytes) {
  for (size_t i = 0; i < EACH; i++) {
    CHECK(lido_pool_owns(pool, taken->objects[i]));
    CHECK(objects_hold(taken->objects[i], bytes, i));
  }
}

static void free_foreign(lido_pool *pool, void *address) {
  free_wrongly(pool, address, LIDO_MISUSE_FOREIGN);
  CHECK_EQ(seen.last.object, LIDO_NO_OBJECT);
  CHECK_EQ(seen.last.offset, 0);
  CHECK_NULL(seen.last.other_pool);
}

static void foreign_frees(lido_pool *pool) {
  static _Alignas(64) char fixed[64];
  _Alignas(64) char local[64];
  void *block = malloc(4096);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(block != NULL && page != MAP_FAILED && munmap(page, 4096) == 0);
  void *const foreign[] = {fixed, fixed + 1, local, block, page, pool, (void *)8, (void *)UINTPTR_MAX};
  static const uintptr_t far[] = {0x1234567812345678, 0xffff888000000000, INTPTR_MAX, 64};
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) free_foreign(pool, foreign[i]);
  for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) free_foreign(pool, (void *)far[i]);
  free(block);
}

static void interior_frees(lido_pool *pool, void *object, size_t stride) {
  for (size_t offset = 1; offset < stride; offset += offset < 16 ? 1 : offset / 2) {
    free_wrongly(pool, (char *)object + offset, LIDO_MISUSE_INTERIOR);
    CHECK_EQ(seen.last.offset, offset);
    CHECK_NE(seen.last.object, LIDO_NO_OBJECT);
  }
}

static void free_twice(lido_pool *pool, void *object) {
  free_wrongly(pool, object, LIDO_MISUSE_DOUBLE_FREE);
  CHECK_NE(seen.last.object, LIDO_NO_OBJECT);
  CHECK_EQ(seen.last.offset, 0);
}

/* Everywhere that a free object can be. */
static void double_frees(lido_pool *pool, const six *taken) {
  for (size_t i = 1; i < EACH; i++) {
    lido_pool_free(pool, taken->objects[i]);
    for (size_t j = 1; j <= i; j++) free_twice(pool, taken->objects[j]);
  }
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  for (size_t i = 1; i < EACH; i++) free_twice(pool, taken->objects[i]);
  lido_pool_magazine_attach(pool, magazine);
  lido_thread_flush();
  for (size_t i = 1; i < EACH; i++) free_twice(pool, taken->objects[i]);
  if (objects_stats(pool).slabs > 1) return; /* a trim would take the others away */
  lido_pool_trim(pool);
  for (size_t i = 1; i < EACH; i++) free_twice(pool, taken->objects[i]); /* object 0 keeps the slab */
  size_t slab = objects_stats(pool).objects - 1;
  lido_reserve *reserve = lido_reserve_create(pool, slab < EACH - 1 ? slab : EACH - 1);
  CHECK_NOT_NULL(reserve);
  for (size_t i = 1; i < EACH; i++) free_twice(pool, taken->objects[i]);
  lido_reserve_destroy(reserve);
}

/* Objects come back, each only once. */
static void check_distinct(lido_pool *pool, size_t count) {
  object_list list = {0};
  for (size_t i = 0; i < count; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    object_list_push(&list, object);
  }
  CHECK(objects_are_distinct(&list));
  objects_free_all(pool, &list);
  object_list_end(&list);
}

static void misuse_all_ways(lido_pool_options options) {
  lido_pool_options beside = {.name = "beside", .object_size = options.object_size, .align = options.align};
  options.name = "misused";
  beside.backing = options.backing;
  lido_pool *pool = lido_pool_create(&options);
  lido_pool *other = lido_pool_create(&beside);
  CHECK_NOT_NULL(pool);
  CHECK_NOT_NULL(other);
  size_t stride = objects_stride(options.object_size, options.align != 0 ? options.align : 64);
  six taken = take_six(pool, options.object_size);
  void *of_other = lido_pool_alloc(other);
  CHECK_NOT_NULL(of_other);

  foreign_frees(pool);
  interior_frees(pool, taken.objects[EACH - 1], stride);
  free_wrongly(pool, of_other, LIDO_MISUSE_WRONG_POOL);
  CHECK_TEXT(seen.other_pool, "beside");
  CHECK(lido_pool_owns(other, of_other));
  check_six(pool, &taken, options.object_size);

  double_frees(pool, &taken);
  interior_frees(pool, taken.objects[2], stride);
  CHECK(lido_pool_owns(pool, taken.objects[0]));
  CHECK_EQ(objects_stats(pool).live, 1);
  check_distinct(pool, options.max_objects != 0 ? options.max_objects - 1 : 300);
  lido_pool_free(pool, taken.objects[0]);
  lido_pool_free(other, of_other);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_pool_destroy(other), 0);
}

TEST(misuse_returns, in_plain_pools) {
  static const size_t sizes[] = {64, 1, 100, 256, 4096, 5000, 40000, 100000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    misuse_all_ways((lido_pool_options){.object_size = sizes[i]});
  }
}

TEST(misuse_returns, in_pools_of_fine_alignment) {
  for (size_t align = 1; align <= 4096; align *= 2) {
    misuse_all_ways((lido_pool_options){.object_size = 24, .align = align});
  }
}

TEST(misuse_returns, in_pools_that_wipe) {
  misuse_all_ways((lido_pool_options){.object_size = 200, .flags = LIDO_POOL_ZERO});
  misuse_all_ways((lido_pool_options){.object_size = 200, .flags = LIDO_POOL_ZERO, .max_objects = 10});
}

TEST(misuse_returns, in_pools_of_one_thread) {
  misuse_all_ways((lido_pool_options){.object_size = 200, .flags = LIDO_POOL_SINGLE_THREAD});
}

TEST(misuse_returns, in_pools_with_spread_states) {
  misuse_all_ways((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_SPREAD});
  misuse_all_ways((lido_pool_options){.object_size = 1000, .align = 8, .flags = LIDO_POOL_SPREAD});
}

TEST(misuse_returns, in_limited_pools) {
  misuse_all_ways((lido_pool_options){.object_size = 64, .max_objects = 10});
  misuse_all_ways((lido_pool_options){.object_size = 64, .max_objects = 100});
  lido_pool_options options = {.object_size = 64, .max_objects = 10, .on_exhausted = LIDO_EXHAUSTED_FALLBACK};
  misuse_all_ways(options);
  misuse_all_ways((lido_pool_options){
      .object_size = 64, .max_objects = 100, .on_exhausted = LIDO_EXHAUSTED_WAIT, .wait_ns = UINT64_MAX});
}

TEST(misuse_returns, in_pools_without_caches) {
  misuse_all_ways((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX});
}

TEST(misuse_returns, in_a_buffer) {
  static char memory[1 << 20];
  for (size_t size = 24; size < 1000; size *= 3) {
    lido_backing *backing = lido_backing_create_buffer(memory + 1, sizeof memory - 1);
    CHECK_NOT_NULL(backing);
    misuse_all_ways((lido_pool_options){.object_size = size, .align = 8, .backing = backing});
    CHECK_EQ(lido_backing_destroy(backing), 0);
  }
}

/* ---- Addresses that are the pool's, but no object ---- */

TEST(misuse_returns, addresses_behind_the_last_object_of_a_slab) {
  static const size_t sizes[] = {384, 3000, 20000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t stride = objects_stride(sizes[i], 64);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = sizes[i]});
    CHECK_NOT_NULL(pool);
    char *first = lido_pool_alloc(pool);
    char *tail = first + objects_stats(pool).objects * stride;
    size_t tried = 0;
    for (; lido_pool_of(tail) == pool; tail += 64, tried++) free_wrongly(pool, tail, LIDO_MISUSE_FOREIGN);
    CHECK_GT(tried, 0);
    free_wrongly(pool, tail, LIDO_MISUSE_FOREIGN); /* and behind the slab */
    CHECK_EQ(lido_pool_destroy(pool), 1);
  }
}

TEST(misuse_returns, addresses_in_a_regions_header) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  char *header = (char *)((uintptr_t)lido_pool_alloc(pool) & ~(uintptr_t)((16 << 20) - 1));
  for (size_t offset = 0; offset < 1 << 18; offset += 4096) {
    void *address = header + offset;
    free_wrongly(pool, address, LIDO_MISUSE_FOREIGN);
  }
  CHECK_EQ(lido_pool_destroy(pool), 1);
}

TEST(misuse_returns, every_address_of_a_buffer) {
  static _Alignas(64) char memory[16 << 10];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = backing});
  CHECK_NOT_NULL(pool);
  void *live = lido_pool_alloc(pool);
  CHECK_NOT_NULL(live);
  size_t misuses = 0;
  misuse_log_start(&seen);
  for (size_t offset = 0; offset < sizeof memory; offset += 4) {
    if (memory + offset == live) continue;
    lido_pool_free(pool, memory + offset);
    misuses++;
  }
  misuse_log_stop();
  CHECK_EQ(seen.count, misuses);
  CHECK_EQ(objects_stats(pool).live, 1);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 1);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* ---- Other ways to free ---- */

TEST(misuse_returns, a_batch_frees_what_is_right_in_it) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  six taken = take_six(pool, 64);
  void **o = taken.objects;
  void *const batch[] = {o[0], o[1], o[0], NULL, (char *)o[2] + 8, o[3], &pool, o[3], o[1], o[4]};
  misuse_log_start(&seen);
  lido_pool_free_batch(pool, batch, sizeof batch / sizeof batch[0]);
  misuse_log_stop();
  CHECK_EQ(seen.count, 5);
  CHECK_EQ(objects_stats(pool).live, 2);
  CHECK_EQ(objects_stats(pool).frees, 4);
  CHECK(lido_pool_owns(pool, o[2]) && lido_pool_owns(pool, o[5]));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 2);
}

TEST(misuse_returns, a_free_into_an_explicit_cache) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  lido_pool *other = lido_pool_create(&(lido_pool_options){.name = "other", .object_size = 64});
  CHECK_NOT_NULL(pool);
  CHECK_NOT_NULL(other);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  char *object = lido_pool_cache_alloc(cache);
  void *freed = lido_pool_alloc(pool);
  void *others = lido_pool_alloc(other);
  lido_pool_free(pool, freed);
  const struct {
    void *address;
    lido_misuse_kind kind;
  } wrong[] = {{object + 1, LIDO_MISUSE_INTERIOR},
               {freed, LIDO_MISUSE_DOUBLE_FREE},
               {others, LIDO_MISUSE_WRONG_POOL},
               {&pool, LIDO_MISUSE_FOREIGN}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    watch w = watch_start(pool);
    lido_pool_cache_free(cache, wrong[i].address);
    watch_end(&w, wrong[i].kind, wrong[i].address);
  }
  lido_pool_cache_free(cache, object);
  watch w = watch_start(pool);
  lido_pool_cache_free(cache, object);
  watch_end(&w, LIDO_MISUSE_DOUBLE_FREE, object);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_pool_destroy(other), 1);
}

typedef struct piece {
  char bytes[72];
} piece;

LIDO_POOL_DEFINE(misused_piece, piece)

TEST(misuse_returns, a_typed_pool) {
  piece *object = misused_piece_alloc();
  CHECK_NOT_NULL(object);
  lido_pool *pool = misused_piece_pool();
  watch w = watch_start(pool);
  misused_piece_free((piece *)(void *)(object->bytes + 1));
  watch_end(&w, LIDO_MISUSE_INTERIOR, object->bytes + 1);
  misused_piece_free(object);
  w = watch_start(pool);
  misused_piece_free(object);
  watch_end(&w, LIDO_MISUSE_DOUBLE_FREE, object);
  CHECK_TEXT(seen.pool, "misused_piece");
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Objects that other threads freed ---- */

typedef struct helper {
  lido_pool *pool;
  void **objects;
  size_t count;
  pthread_barrier_t turn;
} helper;

static void *free_and_stay(void *argument) {
  helper *h = argument;
  for (size_t i = 0; i < h->count; i++) lido_pool_free(h->pool, h->objects[i]);
  pthread_barrier_wait(&h->turn);
  pthread_barrier_wait(&h->turn);
  return NULL;
}

TEST(misuse_returns, objects_that_another_thread_freed) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  six taken = take_six(pool, 64);
  helper h = {.pool = pool, .objects = taken.objects, .count = EACH};
  pthread_barrier_init(&h.turn, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, free_and_stay, &h), 0);
  pthread_barrier_wait(&h.turn);
  for (size_t i = 0; i < EACH; i++) free_twice(pool, taken.objects[i]); /* in its cache */
  pthread_barrier_wait(&h.turn);
  pthread_join(thread, NULL);
  for (size_t i = 0; i < EACH; i++) free_twice(pool, taken.objects[i]); /* in the depot */
  pthread_barrier_destroy(&h.turn);
  check_distinct(pool, 100);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- The handler ---- */

static size_t *handler_calls;

static void use_the_pool(const lido_misuse *misuse, void *context) {
  ++*handler_calls;
  lido_pool *pool = context;
  char line[256];
  lido_misuse_format(misuse, line, sizeof line);
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  lido_thread_flush();
  lido_pool_trim(pool);
}

TEST(misuse_returns, the_handler_may_call_lido) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  six taken = take_six(pool, 64);
  lido_pool_free(pool, taken.objects[1]);
  size_t calls = 0;
  handler_calls = &calls;
  lido_misuse_handler_set(use_the_pool, pool);
  lido_pool_free(pool, taken.objects[1]);
  lido_pool_free(pool, (char *)taken.objects[0] + 1);
  lido_pool_free(pool, &pool);
  lido_misuse_handler_set(NULL, NULL);
  CHECK_EQ(calls, 3);
  CHECK_EQ(objects_stats(pool).live, EACH - 1);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), EACH - 1);
}

/* Also when the misuse is found while a cache is emptied. */
TEST(misuse_returns, the_handler_may_call_lido_during_a_flush) {
  if (lido_heap_profile_is_on()) return; /* nothing need stay in the hot slot then */
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  six taken = take_six(pool, 64);
  lido_pool_free(pool, taken.objects[1]);
  lido_core_put(lido_core_of(pool), &taken.objects[1], 1); /* it is in the hot slot and in its slab now */
  size_t calls = 0;
  handler_calls = &calls;
  lido_misuse_handler_set(use_the_pool, pool);
  lido_thread_flush();
  lido_misuse_handler_set(NULL, NULL);
  CHECK_EQ(calls, 1);
  CHECK_EQ(objects_stats(pool).live, EACH - 1);
  lido_pool_destroy(pool);
}

/* ---- Corruption: what no call can do, but a stray write ---- */

TEST(misuse_returns, an_object_that_goes_to_its_slab_twice) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = 10});
  CHECK_NOT_NULL(pool);
  six taken = take_six(pool, 64);
  lido_pool_free(pool, taken.objects[3]); /* at once to the slab */
  watch w = watch_start(pool);
  lido_core_put(lido_core_of(pool), &taken.objects[3], 1);
  watch_end(&w, LIDO_MISUSE_CORRUPTION, taken.objects[3]);
  CHECK_EQ(lido_pool_destroy(pool), EACH - 1);
}

#endif
