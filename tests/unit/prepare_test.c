/* prepare_test.c: slabs with memory behind every page, before somebody needs them. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "lib/base/fault.h"
#include "pools/pool_core.h"
#include "tests/support/child.h"
#include "tests/support/objects.h"
#include "tests/support/resident.h"

enum { LARGE = 4096, MOST = 2000, SLAB = 65536 };

static void *objects[MOST];

static lido_pool *pool_of(lido_pool_options options) {
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_pool *large_pool(void) {
  return pool_of((lido_pool_options){.object_size = LARGE, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX});
}

static void want_ready(lido_pool *pool, size_t bytes) {
  CHECK_EQ(lido_pool_tune(pool, &(lido_pool_tuning){.ready_bytes = bytes}), 0);
}

/* Every page of every slab. */
static bool all_resident(lido_pool *pool) {
  const lido_pool_core *core = lido_core_of(pool);
  size_t bytes = core->geometry.slab_bytes;
  for (const lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older) {
    if (pages_resident(slab->units, bytes) != pages_in(bytes)) return false;
  }
  return true;
}

TEST(prepare, nothing_is_made_ready_unless_it_is_asked_for) {
  lido_pool *pool = large_pool();
  CHECK_EQ(lido_pool_prepare(pool), 0);
  CHECK_EQ(objects_stats(pool).slabs, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prepare, slabs_are_made_with_their_pages_up_to_what_is_asked_for) {
  lido_pool *pool = large_pool();
  want_ready(pool, 10 * SLAB - 1);
  errno = 4242;
  CHECK_EQ(lido_pool_prepare(pool), 10 * SLAB);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.slabs_ready, 10);
  CHECK_EQ(stats.slabs_empty, 10);
  CHECK_EQ(stats.slabs_populated, 10);
  CHECK(all_resident(pool));
  CHECK_EQ(lido_pool_prepare(pool), 0);
  want_ready(pool, 12 * SLAB);
  CHECK_EQ(lido_pool_prepare(pool), 2 * SLAB);
  CHECK_EQ(errno, 4242);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 160), 160);
  CHECK_EQ(objects_stats(pool).slabs_made, 12); /* none had to be made */
  CHECK_EQ(objects_stats(pool).slabs_ready, 2);
  CHECK_EQ(lido_pool_prepare(pool), 10 * SLAB);
  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 160);
  CHECK_EQ(objects_stats(pool).slabs_ready, 22); /* once ready, a slab is so until it goes back */
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prepare, empty_slabs_that_are_there_come_first) {
  lido_pool *pool = pool_of((lido_pool_options){
      .object_size = LARGE, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX, .prealloc = 80 * 16});
  CHECK_EQ(objects_stats(pool).slabs_ready, 0);
  size_t slabs = objects_stats(pool).slabs;
  want_ready(pool, 70 * SLAB); /* more than are looked at in one go */
  CHECK_EQ(lido_pool_prepare(pool), 70 * SLAB);
  CHECK_EQ(objects_stats(pool).slabs, slabs);
  CHECK_EQ(objects_stats(pool).slabs_ready, 70);
  CHECK_EQ(objects_stats(pool).slabs_populated, 70);
  size_t resident = 0;
  for (const lido_slab *slab = lido_core_of(pool)->slabs.newest; slab != NULL; slab = slab->older) {
    size_t there = pages_resident(slab->units, SLAB);
    if (slab->ready) CHECK_EQ(there, pages_in(SLAB));
    resident += there;
  }
  /* Full checks fill free objects with a pattern. */
  if (LIDO_CHECKS != LIDO_CHECKS_FULL) CHECK_LT(resident, pages_in(slabs * SLAB));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prepare, what_is_ready_stays_by_itself) {
  lido_pool *pool = pool_of((lido_pool_options){
      .object_size = LARGE, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX, .retain_bytes = 1});
  want_ready(pool, 20 * SLAB);
  CHECK_EQ(lido_pool_prepare(pool), 20 * SLAB);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
  lido_pool_free_batch(pool, objects, MOST);
  CHECK_GE(objects_stats(pool).slabs_empty, 20);
  CHECK_LE(objects_stats(pool).slabs_empty, 40);
  lido_pool_trim(pool);
  CHECK_EQ(objects_stats(pool).slabs, 0);
  CHECK_EQ(objects_stats(pool).slabs_ready, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prepare, max_objects_are_not_exceeded) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = LARGE, .max_objects = 100});
  want_ready(pool, 1000 * SLAB);
  size_t bytes = lido_pool_prepare(pool);
  CHECK_GE(bytes, 100 * LARGE);
  CHECK_LE(bytes, 100 * LARGE + SLAB);
  CHECK_EQ(lido_pool_prepare(pool), 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static int build_some(void *object, void *context) {
  size_t *left = context;
  memset(object, 1, 8);
  if (*left == 0) return E2BIG;
  --*left;
  return 0;
}

TEST(prepare, an_error_of_construct_is_told_and_what_was_done_stays) {
  size_t left = 40;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = LARGE, .construct = build_some, .context = &left});
  want_ready(pool, 10 * SLAB);
  errno = 0;
  CHECK_EQ(lido_pool_prepare(pool), 2 * SLAB);
  CHECK_EQ(errno, E2BIG);
  CHECK_EQ(objects_stats(pool).slabs_ready, 2);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prepare, in_a_buffer_it_takes_what_there_is) {
  static _Alignas(64) char memory[1 << 18];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = pool_of((lido_pool_options){.object_size = 512, .backing = backing});
  want_ready(pool, 1 << 16);
  CHECK_GE(lido_pool_prepare(pool), 1 << 16);
  want_ready(pool, 1 << 20);
  errno = 0;
  CHECK_GT(lido_pool_prepare(pool), 0);
  CHECK_EQ(errno, ENOMEM);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(prepare, preallocated_slabs_are_populated_if_the_flag_says_so) {
  for (unsigned flags = 0; flags <= LIDO_POOL_POPULATE; flags += LIDO_POOL_POPULATE) {
    lido_pool *pool = pool_of((lido_pool_options){
        .object_size = LARGE, .backing = lido_backing_pages(), .prealloc = 10 * 16, .flags = flags});
    CHECK_EQ(objects_stats(pool).slabs_ready, flags != 0 ? objects_stats(pool).slabs : 0);
    if (flags != 0) CHECK(all_resident(pool));
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(prepare, populating_keeps_contents_and_takes_any_range) {
  size_t page = lido_os_page_bytes();
  unsigned char *pages = lido_os_pages_map(8 * page, 1);
  CHECK_NOT_NULL(pages);
  memset(pages, 0xAB, page);
  errno = 4242;
  CHECK(lido_os_pages_populate(pages + 100, 3 * page));
  CHECK_EQ(errno, 4242);
  CHECK_EQ(pages_resident((uintptr_t)pages, 8 * page), 4);
  CHECK(objects_are_all(pages, page, 0xAB));
  CHECK(objects_are_all(pages + page, 7 * page, 0));
  lido_os_pages_unmap(pages, 8 * page);
}

TEST(prepare, without_memory_populating_says_so) {
  lido_pool *pool = pool_of((lido_pool_options){
      .object_size = LARGE, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX, .prealloc = 4 * 16});
  want_ready(pool, 2 * SLAB);
  lido_fault_arm(1, false);
  errno = 0;
  CHECK_EQ(lido_pool_prepare(pool), 0);
  CHECK_EQ(errno, ENOMEM);
  CHECK_EQ(lido_fault_disarm(), 1);
  CHECK_EQ(objects_stats(pool).slabs_ready, 0);
  CHECK_EQ(lido_pool_prepare(pool), 2 * SLAB);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Systems that can't populate ---- */

/* From here on madvise() knows no MADV_POPULATE_WRITE. false: this system has no filters. */
static bool become_an_older_system(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void populate_by_touching(void *scene) {
  (void)scene;
  if (!become_an_older_system()) return;
  size_t page = lido_os_page_bytes();
  unsigned char *pages = lido_os_pages_map(8 * page, 1);
  IN_CHILD(pages != NULL);
  memset(pages, 0xAB, page);
  IN_CHILD(lido_os_pages_populate(pages + 100, 3 * page));
  IN_CHILD(pages_resident((uintptr_t)pages, 8 * page) == 4);
  IN_CHILD(objects_are_all(pages, page, 0xAB) && objects_are_all(pages + page, 7 * page, 0));
}

TEST(prepare, an_older_system_is_touched_instead) {
  if (testing_on_valgrind()) return; /* it knows no filters */
  check_child(populate_by_touching, NULL);
}
