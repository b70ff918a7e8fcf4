/* mapped_files_without_memory_test.c: each request of Lido's for memory fails, once and for ever: a clean error, no
 * file stays mapped, and the next open is as if nothing had been.
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

/* Rounds differ in how many small blocks they need: a cache hashes by a seed of its own, so what its tables need is a
 * matter of chance; and a flush of the thread's caches, which drill() asks for, leaves one more empty magazine with
 * each pool that outlives the round. One more chunk of blocks would stay and look like a loss. With plenty of free ones
 * no round needs any.
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

static void do_nothing(void *arg) { (void)arg; }

/* Until there is no more memory for any. */
static void use_up_cleanups(void *object) {
  lido_fault_arm(1, true);
  while (lido_cleanup_add(object, do_nothing, NULL).bits != 0) {}
  CHECK_EQ(errno, ENOMEM);
}

TEST(mapped_files_without_memory, without_a_cleanup_nothing_stays_mapped) {
  made_begin();
  struct mapped_files *files = mapped_files_create(NULL);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 8, .flags = LIDO_POOL_HANDLES});
  void *object = pool != NULL ? lido_pool_alloc(pool) : NULL;
  CHECK(files != NULL && object != NULL && made_file(IN_FOLDER("a"), 1, 100));
  mapped_files_release(made_open(files, IN_FOLDER("a"))); /* pools and tables are there from now on */
  use_up_cleanups(object);
  lido_fault_disarm();
  const struct mapped_file *file = NULL;
  uint64_t nth = 0;
  while (file == NULL) { /* first there is no flight, then no cleanup */
    lido_fault_arm(++nth, false);
    file = made_open(files, IN_FOLDER("a"));
    lido_fault_disarm();
    CHECK_EQ(mapping_count(made_folder.text), file != NULL);
  }
  CHECK_GT(nth, 2);
  CHECK_EQ(made_stats(files).mapped, 2);
  CHECK(made_holds(file, 1));
  lido_release(object);
  mapped_files_release(file);
  lido_pool_destroy(pool);
  CHECK_ENDS(files);
  made_end();
}
