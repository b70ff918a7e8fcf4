/* mapped_files_without_memory_test.c: each request of Lido's for memory fails, once and for ever: a clean error, no file
 * stays mapped, and the next open is as if nothing had been.
 */
#include "lib/mem/backing_core.h"
#include "tests/faults/drill.h"
#include "tests/mapped_files/made_files.h"

enum { FILES = 40, BLOCKS = 2048, LARGEST_BLOCK = 512 };

/* Of its own it takes memory from malloc, which is free to touch errno. */
static struct mapped_files *create(void) {
  int saved_errno = errno;
  struct mapped_files *files = mapped_files_create(&(struct mapped_files_options){.keep_count = FILES / 2});
  if (files != NULL) errno = saved_errno;
  return files;
}

static void open_and_end(drill_round *r) {
  struct mapped_files *files;
  const struct mapped_file *held[FILES];
  struct mapped_files_stats last;
  size_t left = 1;
  char name[32];
  TRY(r, files, create());
  for (size_t i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "%zu", i);
    made_path path = made_path_of(name);
    TRY(r, held[i], made_open(files, path.text));
    CHECK(made_holds(held[i], i));
  }
  for (size_t i = 0; i < FILES; i++) mapped_files_release(held[i]);
  CHECK_EQ(made_stats(files).mappings, FILES / 2); /* what is kept */
  left = mapped_files_destroy(files, &last);
  CHECK_EQ(left, 0);
  CHECK_EQ(last.mapped, FILES);
  CHECK_EQ(last.unmapped, FILES);
  CHECK_EQ(mapping_count(made_folder.text), 0);
  CHECK_EQ(lido_guard_synchronize(), 0); /* what else waits for readers is Lido's own */
}

/* Rounds differ in how many small blocks they need: a cache hashes by a seed of its own, so what its tables need is a matter of chance; and a flush
 * of the thread's caches, which drill() asks for, leaves one more empty magazine with each pool that outlives the round. One more chunk of
 * blocks would stay and look like a loss. With plenty of free ones no round needs any.
 */
static void provide_blocks(lido_metadata *metadata) {
  static void *blocks[BLOCKS];
  for (size_t bytes = LIDO_METADATA_SMALLEST; bytes <= LARGEST_BLOCK; bytes *= 2) {
    for (size_t i = 0; i < BLOCKS; i++) {
      blocks[i] = lido_metadata_alloc(metadata, bytes);
      CHECK_NOT_NULL(blocks[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) lido_metadata_free(metadata, blocks[i], bytes);
  }
}

TEST(mapped_files_without_memory, every_request_fails_once_and_for_ever) {
  made_begin();
  char name[32];
  for (size_t i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "%zu", i);
    CHECK(made_file(IN_FOLDER(name), i, 100 + i));
  }
  provide_blocks(lido_metadata_system());
  provide_blocks(&lido_backing_default()->metadata);
  drill(open_and_end, 5);
  made_end();
}
