/* metadata_test.c: the allocator of small blocks, on a source that counts. */
#include <stdlib.h>

#include "lib/mem/metadata.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { CHUNK = 65536 };

typedef struct chunks {
  size_t count;
  size_t bytes;
  size_t gets;
  bool dry;
} chunks;

static void *get(size_t bytes, void *context) {
  chunks *c = context;
  if (c->dry) return NULL;
  c->gets++;
  c->count++;
  c->bytes += bytes;
  void *chunk = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (chunk != NULL) memset(chunk, 0xd7, bytes);
  return chunk;
}

static void put(void *chunk, size_t bytes, void *context) {
  chunks *c = context;
  c->count--;
  c->bytes -= bytes;
  free(chunk);
}

static void begin(lido_metadata *metadata, chunks *c) {
  *c = (chunks){0};
  lido_metadata_init(metadata, (lido_metadata_source){get, put, c, CHUNK});
}

static void end(lido_metadata *metadata, const chunks *c) {
  CHECK_EQ(lido_metadata_used_bytes(metadata), 0);
  CHECK_NULL(lido_metadata_check(metadata));
  lido_metadata_trim(metadata);
  CHECK_EQ(c->count, 0);
  CHECK_EQ(c->bytes, 0);
  CHECK_NULL(lido_metadata_check(metadata));
  lido_lock_end(&metadata->lock);
}

TEST(metadata, blocks_are_zeroed_and_start_on_a_cache_line) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  static const size_t sizes[] = {0, 1, 63, 64, 65, 128, 1000, 4096, 16383, 16384, 16385, 65536, 200000};
  for (int round = 0; round < 3; round++) {
    void *blocks[sizeof sizes / sizeof sizes[0]];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      blocks[i] = lido_metadata_alloc(&metadata, sizes[i]);
      CHECK_NOT_NULL(blocks[i]);
      CHECK_EQ((uintptr_t)blocks[i] % 64, 0);
      CHECK(objects_are_all(blocks[i], sizes[i], 0));
      memset(blocks[i], 0xff, sizes[i]);
    }
    CHECK_NULL(lido_metadata_check(&metadata));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) lido_metadata_free(&metadata, blocks[i], sizes[i]);
  }
  lido_metadata_free(&metadata, NULL, 100);
  end(&metadata, &c);
}

TEST(metadata, blocks_keep_their_bytes_to_themselves) {
  enum { BLOCKS = 300 };
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  testing_random random = {testing_seed()};
  static struct {
    void *block;
    size_t bytes;
    uint64_t stamp;
  } held[BLOCKS];
  memset(held, 0, sizeof held);
  for (int i = 0; i < 20000; i++) {
    size_t place = testing_below(&random, BLOCKS);
    if (held[place].block != NULL) {
      CHECK(objects_hold(held[place].block, held[place].bytes, held[place].stamp));
      lido_metadata_free(&metadata, held[place].block, held[place].bytes);
      held[place].block = NULL;
    } else {
      held[place].bytes = testing_below(&random, testing_next(&random) % 20 == 0 ? 40000 : 600);
      held[place].stamp = testing_next(&random);
      held[place].block = lido_metadata_alloc(&metadata, held[place].bytes);
      CHECK_NOT_NULL(held[place].block);
      objects_fill(held[place].block, held[place].bytes, held[place].stamp);
    }
  }
  CHECK_NULL(lido_metadata_check(&metadata));
  for (size_t i = 0; i < BLOCKS; i++) lido_metadata_free(&metadata, held[i].block, held[i].bytes);
  end(&metadata, &c);
}

TEST(metadata, a_freed_block_serves_the_next_of_its_size) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  void *keeps = lido_metadata_alloc(&metadata, 64);
  CHECK_NOT_NULL(keeps);
  for (int i = 0; i < 10000; i++) {
    void *block = lido_metadata_alloc(&metadata, 300);
    CHECK_NOT_NULL(block);
    lido_metadata_free(&metadata, block, 300);
  }
  CHECK_EQ(c.gets, 1);
  lido_metadata_free(&metadata, keeps, 64);
  end(&metadata, &c);
}

TEST(metadata, chunks_go_back_only_when_nothing_is_in_use) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  void *first = lido_metadata_alloc(&metadata, 10);
  void *second = lido_metadata_alloc(&metadata, 10);
  lido_metadata_free(&metadata, first, 10);
  lido_metadata_trim(&metadata);
  CHECK_EQ(c.count, 1);
  CHECK_EQ(lido_metadata_used_bytes(&metadata), 64);
  memset(second, 1, 10);
  lido_metadata_free(&metadata, second, 10);
  lido_metadata_trim(&metadata);
  CHECK_EQ(c.count, 0);
  lido_metadata_trim(&metadata);
  void *again = lido_metadata_alloc(&metadata, 10);
  CHECK_NOT_NULL(again);
  lido_metadata_free(&metadata, again, 10);
  end(&metadata, &c);
}

TEST(metadata, without_a_chunk_there_is_no_block_and_later_there_is) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  c.dry = true;
  CHECK_FAILS(lido_metadata_alloc(&metadata, 100), ENOMEM);
  CHECK_FAILS(lido_metadata_alloc(&metadata, 100000), ENOMEM);
  CHECK_EQ(lido_metadata_used_bytes(&metadata), 0);
  c.dry = false;
  void *block = lido_metadata_alloc(&metadata, 100);
  CHECK_NOT_NULL(block);
  lido_metadata_free(&metadata, block, 100);
  end(&metadata, &c);
}

TEST(metadata, sizes_near_the_end_of_size_t_are_no_memory) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  static const size_t vast[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX / 2, SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof vast / sizeof vast[0]; i++)
    CHECK_FAILS(lido_metadata_alloc(&metadata, vast[i]), ENOMEM);
  CHECK_EQ(c.gets, 0);
  end(&metadata, &c);
}

TEST(metadata, used_bytes_are_the_rounded_sizes) {
  lido_metadata metadata;
  chunks c;
  begin(&metadata, &c);
  static const size_t sizes[][2] = {{1, 64},      {64, 64},       {65, 128},     {129, 256},
                                    {5000, 8192}, {16384, 16384}, {16385, 16448}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    void *block = lido_metadata_alloc(&metadata, sizes[i][0]);
    CHECK_NOT_NULL(block);
    CHECK_EQ(lido_metadata_used_bytes(&metadata), sizes[i][1]);
    lido_metadata_free(&metadata, block, sizes[i][0]);
    CHECK_EQ(lido_metadata_used_bytes(&metadata), 0);
  }
  end(&metadata, &c);
}

TEST(metadata, of_the_system_works_and_is_sound) {
  lido_metadata *metadata = lido_metadata_system();
  size_t before = lido_metadata_used_bytes(metadata);
  void *block = lido_metadata_alloc(metadata, 500);
  CHECK_NOT_NULL(block);
  CHECK_EQ(lido_metadata_used_bytes(metadata), before + 512);
  CHECK_NULL(lido_metadata_check(metadata));
  lido_metadata_free(metadata, block, 500);
  CHECK_EQ(lido_metadata_used_bytes(metadata), before);
}
