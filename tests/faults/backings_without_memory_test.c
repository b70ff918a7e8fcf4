/* backings_without_memory_test.c: requests that fail, over each kind of backing; a caller's functions fail by
 * themselves. */
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/faults/drill.h"

enum { MOST = 600, REGION_BYTES = 1 << 20 };

static void *objects[MOST];

static void use(drill_round *r, lido_backing *backing, size_t bytes, size_t count) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = bytes, .backing = backing});
  drill_alloc(r, pool, 64, objects, count);
  drill_free(pool, 64, objects, count);
  drill_end(pool);
}

/* ---- The built-in ones ---- */

static void on_pages(drill_round *r) { use(r, lido_backing_pages(), 50000, 500); }

TEST(backings_without_memory, pages) { drill(on_pages, 3); }

static void on_mimalloc(drill_round *r) { use(r, lido_backing_mimalloc(), 50000, 500); }

TEST(backings_without_memory, mimalloc) {
  if (lido_backing_mimalloc() != NULL) drill(on_mimalloc, 3);
}

/* ---- A caller's functions ---- */

typedef struct source {
  size_t blocks;
  size_t bytes;
  size_t calls;
  size_t fail_at; /* the call of allocate that fails, from 1; 0 = none */
  bool for_ever;  /* and all later ones */
  bool askew;     /* instead of NULL, a block that is not aligned as was asked */
  size_t failures;
} source;

static void *allocate(size_t bytes, size_t align, void *context) {
  source *from = context;
  from->calls++;
  bool fails = from->calls == from->fail_at;
  if (from->fail_at != 0 && from->for_ever) fails = from->calls >= from->fail_at;
  from->failures += fails;
  if (fails && !from->askew) return NULL;
  char *block = aligned_alloc(align, (bytes + 32 + align - 1) / align * align);
  if (block == NULL) return NULL;
  from->blocks++;
  from->bytes += bytes;
  return fails ? block + 32 : block;
}

static void release(void *block, size_t bytes, void *context) {
  source *from = context;
  from->blocks--;
  from->bytes -= bytes;
  free((char *)block - (uintptr_t)block % 64);
}

static void on_functions(drill_round *r) {
  source from = {0};
  lido_backing_functions functions = {
      .allocate = allocate, .release = release, .context = &from, .region_bytes = REGION_BYTES};
  lido_backing *backing = NULL;
  TRY(r, backing, lido_backing_create(&functions));
  use(r, backing, 10000, 200);
  CHECK_EQ(from.bytes, 0);
  use(r, backing, 100, 300);
  CHECK_EQ(from.blocks, 0);
  CHECK_EQ(lido_backing_bytes(backing), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(backings_without_memory, functions) { drill(on_functions, 5); }

/* With memory: the call that failed must succeed now. */
static void *alloc_again(lido_pool *pool, source *from) {
  CHECK_EQ(errno, ENOMEM);
  CHECK_GT(from->failures, 0);
  from->fail_at = 0;
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  return object;
}

static size_t failures_with(source from) {
  lido_backing *backing = lido_backing_create(&(lido_backing_functions){
      .allocate = allocate, .release = release, .context = &from, .region_bytes = REGION_BYTES});
  CHECK_NOT_NULL(backing);
  const lido_pool_options options = {.object_size = 20000, .backing = backing, .prealloc = 30};
  errno = 0;
  lido_pool *pool = lido_pool_create(&options);
  if (pool == NULL) {
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(from.blocks, 0);
    from.fail_at = 0;
    CHECK_NOT_NULL(pool = lido_pool_create(&options));
  }
  for (size_t i = 0; i < 200; i++) {
    errno = 0;
    objects[i] = lido_pool_alloc(pool);
    if (objects[i] == NULL) objects[i] = alloc_again(pool, &from);
    CHECK_EQ(lido_backing_bytes(backing), from.bytes);
  }
  lido_pool_free_batch(pool, objects, 200);
  drill_end(pool);
  CHECK_EQ(from.blocks, 0);
  CHECK_EQ(from.bytes, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  return from.failures;
}

TEST(backings_without_memory, functions_that_fail_by_themselves) {
  for (int way = 0; way < 4; way++) {
    size_t nth = 1;
    source from = {.fail_at = nth, .for_ever = (way & 1) != 0, .askew = (way & 2) != 0};
    for (; failures_with(from) != 0; nth++) from.fail_at = nth + 1;
    CHECK_GT(nth, 5);
  }
}

/* ---- The address map: a leaf for each 4 GiB, when the first slab falls under it ---- */

static const uintptr_t far_away = 0x520000000000;
static uintptr_t next_far = 0x520000000000;

/* A region each time from 4 GiB where nothing has been yet, if the system lets it. */
static void *allocate_far_away(size_t bytes, size_t align, void *context) {
  if (bytes < REGION_BYTES) return allocate(bytes, align, context);
  void *block = mmap((void *)next_far, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == (void *)next_far) {
    next_far += (uintptr_t)1 << 32;
    return block;
  }
  if (block != MAP_FAILED) munmap(block, bytes);
  return allocate(bytes, align, context);
}

static void release_far_away(void *block, size_t bytes, void *context) {
  if ((uintptr_t)block >= far_away && (uintptr_t)block < next_far) {
    munmap(block, bytes);
  } else {
    release(block, bytes, context);
  }
}

static size_t constructed;
static size_t destroyed;

static int construct(void *object, void *context) {
  (void)context;
  constructed++;
  *(char *)object = 1;
  return 0;
}

static void destroy(void *object, void *context) {
  (void)context;
  destroyed += *(char *)object == 1;
  *(char *)object = 0;
}

static void under_new_leaves(drill_round *r) {
  source from = {0};
  lido_backing_functions functions = {.allocate = allocate_far_away, .release = release_far_away};
  functions.context = &from;
  functions.region_bytes = REGION_BYTES;
  lido_backing *backing = NULL;
  constructed = 0;
  destroyed = 0;
  TRY(r, backing, lido_backing_create(&functions));
  lido_pool_options options = {.object_size = 4096, .construct = construct, .destroy = destroy};
  options.backing = backing;
  lido_pool *pool = drill_pool(r, &options);
  for (size_t i = 0; i < 400; i++) TRY(r, objects[i], lido_pool_alloc(pool));
  CHECK_EQ(constructed - destroyed, objects_stats(pool).objects);
  CALM(lido_pool_free_batch(pool, objects, 400));
  drill_end(pool);
  CHECK_EQ(constructed, destroyed);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* Sanitizers with a map of their own let nothing be put there: then no leaf is asked for. */
TEST(backings_without_memory, new_leaves_of_the_address_map) {
  drill(under_new_leaves, 3);
#if !defined(__SANITIZE_THREAD__) && !defined(LIDO_TSAN) && !defined(LIDO_MSAN)
  CHECK_GT(next_far, far_away);
#endif
}

/* ---- Buffers ---- */

static void in_buffer(drill_round *r) {
  static _Alignas(64) char memory[64 << 10];
  lido_backing *backing = NULL;
  TRY(r, backing, lido_backing_create_buffer(memory, sizeof memory));
  use(r, backing, 64, 300);
  lido_pool *first = drill_pool(r, &(lido_pool_options){.object_size = 64, .backing = backing});
  lido_pool *second = drill_pool(r, &(lido_pool_options){.object_size = 128, .backing = backing});
  TRY(r, objects[0], lido_pool_alloc(first));
  TRY(r, objects[1], lido_pool_alloc(second));
  CALM(lido_pool_free(first, objects[0]));
  CALM(lido_pool_free(second, objects[1]));
  drill_end(first);
  drill_end(second);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(backings_without_memory, a_buffer) { drill(in_buffer, 5); }

/* A full buffer is a lack of memory like any other; what is freed can be had again. */
TEST(backings_without_memory, a_full_buffer) {
  static _Alignas(64) char memory[16 << 10];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = backing});
  CHECK_NOT_NULL(pool);
  size_t got[2];
  for (int again = 0; again < 2; again++) {
    got[again] = 0;
    while (got[again] < MOST && (objects[got[again]] = lido_pool_alloc(pool)) != NULL) got[again]++;
    CHECK_LT(got[again], MOST);
    CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
    CHECK_EQ(objects_stats(pool).live, got[again]);
    lido_pool_free_batch(pool, objects, got[again]);
    CHECK_SOUND(pool);
  }
  CHECK_GE(got[0], 64);
  CHECK_EQ(got[0], got[1]);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}
