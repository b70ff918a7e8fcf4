/* heap_leaks_test.c: the list of pools, and the report for people. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "lib/mem/heap_samples.h"
#include "tests/support/cancelled.h"
#include "tests/support/child.h"
#include "tests/support/objects.h"
#include "tests/support/site_sums.h"

enum { ROOM = 65536 };

/* What the report says. */
static const char *report(void) {
  static char text[ROOM];
  FILE *file = tmpfile();
  CHECK_NOT_NULL(file);
  CHECK_EQ(lido_heap_leaks_write(fileno(file)), 0);
  rewind(file);
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  return text;
}

static bool has(const char *text, const char *line) { return strstr(text, line) != NULL; }

TEST(heap_leaks, without_a_profile_pools_are_listed_by_bytes) {
  lido_pool *small = lido_pool_create(&(lido_pool_options){.name = "small", .object_size = 64});
  lido_pool *large = lido_pool_create(&(lido_pool_options){.name = "lar\nge", .object_size = 4096});
  lido_pool *empty = lido_pool_create(&(lido_pool_options){.name = "empty", .object_size = 64});
  void *objects[3];
  CHECK_EQ(lido_pool_alloc_batch(small, objects, 2), 2);
  CHECK_NOT_NULL(objects[2] = lido_pool_alloc(large));
  lido_pool_free(empty, lido_pool_alloc(empty));
  const char *text = report();
  const char *first = strstr(text, "  pool 'lar\xef\xbf\xbdge': 1 objects, 4096 bytes\n");
  const char *second = strstr(text, "  pool 'small': 2 objects, 128 bytes\n");
  CHECK(first != NULL && second > first);
  CHECK(!has(text, "'empty'"));
  CHECK(!has(text, "samples"));
  CHECK_EQ(lido_pool_destroy(small), 2);
  CHECK_EQ(lido_pool_destroy(large), 1);
  CHECK_EQ(lido_pool_destroy(empty), 0);
}

TEST(heap_leaks, a_descriptor_that_can_not_be_written_is_an_error) { CHECK_EQ(lido_heap_leaks_write(-1), EBADF); }

static void write_report(void *descriptor) { lido_heap_leaks_write(*(const int *)descriptor); }

TEST(heap_leaks, who_is_cancelled_ends_after_the_report) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(lido_pool_alloc(pool));
  int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
  CHECK_GE(file, 0);
  CHECK(returns_when_cancelled(write_report, &file));
  close(file);
  CHECK_EQ(lido_pool_destroy(pool), 1);
}

#ifdef __linux__

/* From now on the system takes nothing of what is written to this descriptor, and calls that no error. -> false: it can
 * not be brought to that. */
static bool let_nothing_be_taken(int descriptor) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)descriptor, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO), /* of no error: the call gives 0 */
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof steps / sizeof steps[0], .filter = steps};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void write_where_nothing_is_taken(void *descriptor) {
  int to = *(const int *)descriptor;
  if (!let_nothing_be_taken(to)) return;
  IN_CHILD(write(to, "x", 1) == 0);
  IN_CHILD(lido_heap_leaks_write(to) == EIO);
}

TEST(heap_leaks, a_descriptor_that_takes_nothing_is_an_error_and_not_asked_for_ever) {
  int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
  CHECK_GE(file, 0);
  check_child(write_where_nothing_is_taken, &file);
  close(file);
}

#endif

TEST(heap_leaks, at_exit_it_is_written_once_to_the_last_descriptor) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    /* The runner's own hooks at exit are not the child's affair, but they are quiet. */
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "left", .object_size = 64});
    bool good = lido_pool_alloc(pool) != NULL && lido_heap_leaks_at_exit(-1) == 0 &&
                lido_heap_leaks_at_exit(STDERR_FILENO) == 0 && lido_heap_leaks_at_exit(ends[1]) == 0;
    exit(good ? 0 : 1);
  }
  close(ends[1]);
  char text[4096] = "";
  size_t bytes = 0;
  for (ssize_t got = 1; got > 0; bytes += (size_t)(got > 0 ? got : 0)) {
    got = read(ends[0], text + bytes, sizeof text - 1 - bytes);
  }
  close(ends[0]);
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  const char *line = strstr(text, "pool 'left': 1 objects, 64 bytes\n");
  CHECK_NOT_NULL(line);
  CHECK_NULL(strstr(line + 1, "pool 'left'"));
}

static bool count_some(const lido_pool_use *use, void *arg) {
  size_t *left = arg;
  return use->name[0] != 0 && --*left != 0;
}

TEST(heap_leaks, a_walk_over_pools_ends_when_the_visitor_wants) {
  lido_pool *pools[5];
  for (size_t i = 0; i < 5; i++) CHECK_NOT_NULL(pools[i] = lido_pool_create(&(lido_pool_options){.object_size = 8}));
  size_t left = 3;
  CHECK_EQ(lido_pools_each(count_some, &left), 0);
  CHECK_EQ(left, 0);
  for (size_t i = 0; i < 5; i++) CHECK_EQ(lido_pool_destroy(pools[i]), 0);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

TEST(heap_leaks, with_a_profile_stacks_are_listed) {
  lido_heap_profile_stop(); /* of a test that ended early */
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 1, .cost_permille = 1000}), 0);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "leaky", .object_size = 64});
  lido_pool *unknown = lido_pool_create(&(lido_pool_options){.name = "older", .object_size = 64});
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  lido_heap_profile_stop();
  CHECK_NOT_NULL(lido_pool_alloc(unknown));
  const char *text = report();
  CHECK(has(text, "pool 'leaky': 1 objects, 64 bytes\n"));
  CHECK(has(text, "pool 'leaky': about 1 objects, 64 bytes, by 1 samples, from\n    0x"));
  CHECK_EQ(heap_sum_of("pool", "older", NULL).live_objects, 1); /* a site without a stack */
  CHECK_EQ(lido_pool_destroy(pool), 1);
  CHECK_EQ(lido_pool_destroy(unknown), 1);
  CHECK(!has(report(), "'leaky'"));
  lido_heap_samples_clear();
}

TEST(heap_leaks, a_report_nudges_as_reading_does) {
  if (testing_on_valgrind()) return; /* there every call comes to the slow path */
  lido_heap_profile_stats before, after;
  lido_heap_profile_stop(); /* of a test that ended early */
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 100000, .cost_permille = 1000}), 0);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "busy", .object_size = 64});
  for (int i = 0; i < 10000; i++) lido_pool_free(pool, lido_pool_alloc(pool)); /* which no visit sees */
  lido_heap_profile_stats_get(&before);
  report();
  lido_heap_profile_stats_get(&after);
  CHECK_GT(after.nudges, before.nudges);
  lido_heap_profile_stop();
  CHECK_EQ(lido_pool_destroy(pool), 0);
  lido_heap_samples_clear();
}

#endif
