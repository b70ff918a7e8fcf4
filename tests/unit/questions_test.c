/* questions_test.c: lido_pool_owns() and lido_pool_of(), for any address at all. */
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/support/objects.h"

enum { BYTES = 256 };

static int in_data;

/* Addresses that are no object of anybody's. */
static size_t strange_addresses(const void **out, const void *on_stack, const void *unmapped) {
  static const uintptr_t numbers[] = {0,
                                      1,
                                      8,
                                      64,
                                      4096,
                                      0x10000,
                                      UINT64_C(0xffffffff),
                                      UINT64_C(0x100000000),
                                      UINT64_C(0x7fffffffffff),
                                      UINT64_C(0x7ffffffff000),
                                      UINT64_C(0x800000000000),
                                      UINT64_C(0xfffffffffff0),
                                      UINT64_C(0x1000000000000),
                                      UINT64_C(0x1234567812345678),
                                      UINT64_C(0x7fffffffffffffff),
                                      UINT64_C(0x8000000000000000),
                                      UINT64_C(0xffff800000000000),
                                      UINT64_C(0xffff888000000000),
                                      UINT64_C(0xffffffffff600000),
                                      UINTPTR_MAX - 63,
                                      UINTPTR_MAX};
  size_t count = 0;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) out[count++] = (const void *)numbers[i];
  out[count++] = on_stack;
  out[count++] = unmapped;
  out[count++] = &in_data;
  out[count++] = (const void *)(uintptr_t)&strange_addresses;
  return count;
}

static void *unmapped_page(void) {
  void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) munmap(page, 4096);
  return page;
}

TEST(questions, a_strange_address_is_no_object) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK(!lido_pool_owns(pool, &in_data)); /* a pool without a slab */
  CHECK_NULL(lido_pool_of(&in_data));
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  void *heap = malloc(64);
  int here = 0;
  const void *addresses[64];
  size_t count = strange_addresses(addresses, &here, unmapped_page());
  addresses[count++] = heap;
  addresses[count++] = pool;
  for (size_t i = 0; i < count; i++) {
    CHECK(!lido_pool_owns(pool, addresses[i]));
    if (lido_pool_of(addresses[i]) != NULL) TESTING_FAIL("lido_pool_of(%p) is a pool", addresses[i]);
  }
  free(heap);
  lido_pool_free(pool, object);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

TEST(questions, of_all_addresses_in_a_slab_only_the_starts_of_live_objects_are_owned) {
  static const size_t sizes[] = {8, 24, 64, 100, 256, 1000};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = sizes[s], .align = 8});
    CHECK_NOT_NULL(pool);
    object_list taken = {0};
    objects_take_slabs(pool, &taken, 1);
    object_list_sort(&taken);
    size_t stride = objects_stride(sizes[s], 8);
    for (size_t i = 0; i < taken.count; i++) {
      if (i % 3 == 0) lido_pool_free(pool, taken.items[i]);
    }
    char *start = taken.items[0];
    char *end = (char *)taken.items[taken.count - 1] + stride;
    size_t owned = 0;
    for (const char *address = start - 70000; address < end + 70000; address++) {
      bool owns = lido_pool_owns(pool, address);
      bool inside = address >= start && address < end;
      size_t offset = inside ? (size_t)(address - start) : 0;
      bool expected = inside && offset % stride == 0 && offset / stride % 3 != 0;
      if (owns != expected) TESTING_FAIL("size %zu: owns(%p) is %d", sizes[s], (const void *)address, owns);
      owned += owns;
      if (inside && lido_pool_of(address) != pool) TESTING_FAIL("lido_pool_of(%p) is another", (const void *)address);
    }
    CHECK_EQ(owned, objects_stats(pool).live);
    for (size_t i = 0; i < taken.count; i++) {
      if (i % 3 != 0) lido_pool_free(pool, taken.items[i]);
    }
    CHECK_EQ(lido_pool_destroy(pool), 0);
    object_list_end(&taken);
  }
}

TEST(questions, a_freed_object_is_owned_no_more_wherever_it_waits) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  void *stays = lido_pool_alloc(pool);
  void *object = lido_pool_alloc(pool);
  CHECK(lido_pool_owns(pool, object));
  lido_pool_free(pool, object);
  CHECK(!lido_pool_owns(pool, object)); /* hot */
  void *other = lido_pool_alloc(pool);
  void *another = lido_pool_alloc(pool);
  lido_pool_free(pool, other);
  lido_pool_free(pool, another);
  CHECK(!lido_pool_owns(pool, other)); /* in a magazine */
  lido_thread_flush();
  CHECK(!lido_pool_owns(pool, other)); /* in the depot */
  lido_pool_trim(pool);
  CHECK(!lido_pool_owns(pool, other)); /* in the slab */
  CHECK(lido_pool_owns(pool, stays));
  lido_pool_free(pool, stays);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#endif

TEST(questions, each_object_belongs_to_its_own_pool) {
  enum { POOLS = 20 };
  lido_pool *pools[POOLS];
  void *objects[POOLS];
  for (size_t i = 0; i < POOLS; i++) {
    pools[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
    CHECK_NOT_NULL(pools[i]);
    CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pools[i]));
  }
  for (size_t i = 0; i < POOLS; i++) {
    CHECK_SAME(lido_pool_of(objects[i]), pools[i]);
    CHECK_SAME(lido_pool_of((char *)objects[i] + 1), pools[i]); /* any address in the slab */
    for (size_t k = 0; k < POOLS; k++) CHECK_EQ(lido_pool_owns(pools[k], objects[i]), i == k);
  }
  for (size_t i = 0; i < POOLS; i++) {
    lido_pool_destroy(pools[i]);
    CHECK_NULL(lido_pool_of(objects[i]));
    for (size_t k = i + 1; k < POOLS; k++) CHECK_SAME(lido_pool_of(objects[k]), pools[k]);
  }
}

TEST(questions, objects_of_buffers_are_owned_but_have_no_pool) {
  static _Alignas(64) char memory[1 << 16];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = buffer});
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  CHECK(lido_pool_owns(pool, object));
  CHECK_NULL(lido_pool_of(object));
  size_t owned = 0;
  for (size_t i = 0; i < sizeof memory; i++) owned += lido_pool_owns(pool, memory + i);
  CHECK_EQ(owned, 1);
  lido_pool_free(pool, object);
#if LIDO_CHECKS != LIDO_CHECKS_NONE
  CHECK(!lido_pool_owns(pool, object));
#endif
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(buffer), 0);
}

/* ---- While a pool ends ---- */

typedef struct succession {
  const void *kept; /* a live object of the pool that ends */
  lido_pool *made[15];
  size_t owners; /* new pools that owned it */
} succession;

/* New pools get the next free numbers; the ending pool's must not be one of them while its slabs can be found. */
static void make_pools(void *object, void *context) {
  succession *s = context;
  (void)object;
  for (size_t i = 0; i < 15 && s->made[i] == NULL; i++) {
    s->made[i] = lido_pool_create(&(lido_pool_options){.object_size = 64});
    s->owners += s->made[i] == NULL || lido_pool_owns(s->made[i], s->kept) || lido_pool_of(s->kept) == s->made[i];
  }
}

TEST(questions, a_new_pool_owns_nothing_of_one_that_ends) {
  enum { MANY = 3000 };
  static void *objects[MANY];
  succession s = {.kept = NULL};
  lido_pool *old = lido_pool_create(&(lido_pool_options){.object_size = 64, .destroy = make_pools, .context = &s});
  CHECK_NOT_NULL(old);
  CHECK_EQ(lido_pool_alloc_batch(old, objects, MANY), MANY);
  s.kept = objects[0];
  CHECK_EQ(lido_pool_destroy(old), MANY);
  CHECK_EQ(s.owners, 0);
  for (size_t i = 0; i < 15; i++) CHECK_EQ(lido_pool_destroy(s.made[i]), 0);
}
