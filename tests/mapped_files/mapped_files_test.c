/* mapped_files_test.c: who gets which mapping, how long it lasts, and what can't be had. One thread. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/mapped_files/made_files.h"
#include "tests/support/child.h"

enum { MANY = 2000, NOBODY = 65534 };

static struct mapped_files *begin(const struct mapped_files_options *options) {
  made_begin();
  struct mapped_files *files = mapped_files_create(options);
  CHECK_NOT_NULL(files);
  return files;
}

#define END(files)     \
  do {                 \
    CHECK_ENDS(files); \
    made_end();        \
  } while (0)

/* ---- Mappings ---- */

TEST(mapped_files, a_file_shows_its_bytes) {
  struct mapped_files *files = begin(NULL);
  CHECK(made_file(IN_FOLDER("a"), 1, 10001));
  const struct mapped_file *file = made_open(files, IN_FOLDER("a"));
  CHECK_NOT_NULL(file);
  CHECK_EQ(file->length, 10001);
  CHECK(made_bytes_are(file->bytes, file->length, 1, 0));
  CHECK(made_holds(file, 1));
  mapped_files_release(file);
  END(files);
}

TEST(mapped_files, the_last_release_unmaps_at_once) {
  struct mapped_files *files = begin(NULL);
  CHECK(made_file(IN_FOLDER("a"), 1, 5000));
  const struct mapped_file *first = made_open(files, IN_FOLDER("a"));
  const struct mapped_file *second = made_open(files, IN_FOLDER("a"));
  CHECK_SAME(first, second);
  lido_weak weak = lido_weak_make(first);
  CHECK_EQ(mapping_count(made_folder.text), 1);
  CHECK_EQ(made_stats(files).mapped_bytes, 5000);
  mapped_files_release(first);
  CHECK_EQ(mapping_count(made_folder.text), 1);
  mapped_files_release(second);
  CHECK_EQ(mapping_count(made_folder.text), 0);
  CHECK_NULL(lido_weak_acquire(weak));
  CHECK_EQ(made_stats(files).unmapped, 1);
  CHECK_EQ(made_stats(files).hits, 1);
  END(files);
}

TEST(mapped_files, names_do_not_matter) {
  struct mapped_files *files = begin(NULL);
  CHECK(made_file(IN_FOLDER("a"), 1, 5000));
  const struct mapped_file *file = made_open(files, IN_FOLDER("a"));
  CHECK_EQ(link(IN_FOLDER("a"), IN_FOLDER("hard")), 0);
  CHECK_EQ(symlink("a", IN_FOLDER("soft")), 0);
  CHECK_SAME(made_open(files, IN_FOLDER("hard")), file);
  CHECK_SAME(made_open(files, IN_FOLDER("soft")), file);
  CHECK_SAME(made_open(files, IN_FOLDER("./a")), file);
  CHECK_EQ(rename(IN_FOLDER("a"), IN_FOLDER("b")), 0);
  CHECK_SAME(made_open(files, IN_FOLDER("b")), file);
  CHECK_EQ(made_stats(files).mapped, 1);
  lido_release_n((void *)(uintptr_t)file, 5);
  END(files);
}

TEST(mapped_files, files_that_look_alike_are_not_the_same) {
  struct mapped_files *files = begin(NULL);
  struct timespec times[2] = {{1000, 5}, {1000, 5}};
  CHECK(made_file(IN_FOLDER("a"), 1, 5000) && made_file(IN_FOLDER("b"), 2, 5000));
  CHECK_EQ(utimensat(AT_FDCWD, IN_FOLDER("a"), times, 0) + utimensat(AT_FDCWD, IN_FOLDER("b"), times, 0), 0);
  const struct mapped_file *a = made_open(files, IN_FOLDER("a"));
  const struct mapped_file *b = made_open(files, IN_FOLDER("b"));
  CHECK(a != b && made_holds(a, 1) && made_holds(b, 2));
  mapped_files_release(a);
  mapped_files_release(b);
  END(files);
}

TEST(mapped_files, one_nanosecond_makes_another_file) {
  struct mapped_files *files = begin(NULL);
  struct timespec times[2] = {{1000, 5}, {1000, 5}};
  CHECK(made_file(IN_FOLDER("a"), 1, 5000));
  CHECK_EQ(utimensat(AT_FDCWD, IN_FOLDER("a"), times, 0), 0);
  const struct mapped_file *before = made_open(files, IN_FOLDER("a"));
  times[1].tv_nsec++;
  CHECK_EQ(utimensat(AT_FDCWD, IN_FOLDER("a"), times, 0), 0);
  const struct mapped_file *after = made_open(files, IN_FOLDER("a"));
  CHECK(before != after && before->identity.modified_ns + 1 == after->identity.modified_ns);
  mapped_files_release(before);
  mapped_files_release(after);
  END(files);
}

TEST(mapped_files, an_empty_file_is_a_file_without_a_mapping) {
  struct mapped_files *files = begin(NULL);
  CHECK(made_file(IN_FOLDER("empty"), 1, 0));
  const struct mapped_file *file = made_open(files, IN_FOLDER("empty"));
  CHECK_NOT_NULL(file);
  CHECK_NULL(file->bytes);
  CHECK_EQ(file->length, 0);
  CHECK_EQ(mapped_files_read(file, 0, NULL, 0), 0);
  CHECK_EQ(mapped_files_read(file, 0, &(char){0}, 1), ERANGE);
  CHECK_SAME(made_open(files, IN_FOLDER("empty")), file);
  CHECK_EQ(made_stats(files).empty, 1);
  CHECK_EQ(made_stats(files).mapped, 0);
  lido_release_n((void *)(uintptr_t)file, 2);
  END(files);
}

TEST(mapped_files, what_is_not_in_the_file_is_out_of_range) {
  struct mapped_files *files = begin(NULL);
  char buffer[8];
  CHECK(made_file(IN_FOLDER("a"), 1, 100));
  const struct mapped_file *file = made_open(files, IN_FOLDER("a"));
  CHECK_EQ(mapped_files_read(file, 92, buffer, 8), 0);
  CHECK_EQ(mapped_files_read(file, 100, buffer, 0), 0);
  CHECK_EQ(mapped_files_read(file, 93, buffer, 8), ERANGE);
  CHECK_EQ(mapped_files_read(file, 101, buffer, 0), ERANGE);
  CHECK_EQ(mapped_files_read(file, SIZE_MAX, buffer, 8), ERANGE);
  CHECK_EQ(mapped_files_read(file, 8, buffer, SIZE_MAX - 4), ERANGE);
  mapped_files_release(file);
  END(files);
}

TEST(mapped_files, many_files_at_once) {
  struct mapped_files *files = begin(NULL);
  static const struct mapped_file *held[MANY];
  char name[32];
  for (size_t i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "%zu", i);
    CHECK(made_file(IN_FOLDER(name), i, i % 7 == 0 ? 0 : i));
    held[i] = made_open(files, IN_FOLDER(name));
    CHECK_NOT_NULL(held[i]);
  }
  for (size_t i = 0; i < MANY; i++) {
    CHECK(made_holds(held[i], i));
    CHECK_EQ(held[i]->length, i % 7 == 0 ? 0 : i);
    mapped_files_release(held[i]);
  }
  CHECK_EQ(made_stats(files).mapped, MANY - (MANY + 6) / 7);
  END(files);
}

/* ---- What is kept ---- */

TEST(mapped_files, kept_files_stay_mapped_up_to_the_bound_and_are_found_again) {
  struct mapped_files *files = begin(&(struct mapped_files_options){.keep_count = 2});
  char name[2] = "a";
  for (; *name < 'e'; ++*name) {
    CHECK(made_file(IN_FOLDER(name), 1, 100));
    mapped_files_release(made_open(files, IN_FOLDER(name)));
  }
  CHECK_EQ(mapping_count(made_folder.text), 2);
  mapped_files_release(made_open(files, IN_FOLDER("d")));
  CHECK_EQ(made_stats(files).hits, 1);
  CHECK_EQ(made_stats(files).mapped, 4);
  CHECK_EQ(mapped_files_trim(files), 2);
  CHECK_EQ(mapping_count(made_folder.text), 0);
  CHECK_EQ(made_stats(files).let_go, 4);
  END(files);
}

TEST(mapped_files, the_bound_may_be_one_of_bytes) {
  struct mapped_files *files = begin(&(struct mapped_files_options){.keep_bytes = 1000});
  CHECK(made_file(IN_FOLDER("a"), 1, 600) && made_file(IN_FOLDER("b"), 2, 600) && made_file(IN_FOLDER("c"), 3, 1001));
  mapped_files_release(made_open(files, IN_FOLDER("a")));
  CHECK_EQ(made_stats(files).mapped_bytes, 600);
  mapped_files_release(made_open(files, IN_FOLDER("b")));
  CHECK_EQ(made_stats(files).mapped_bytes, 600);
  mapped_files_release(made_open(files, IN_FOLDER("c"))); /* too large to be kept */
  CHECK_EQ(made_stats(files).mapped_bytes, 600);
  END(files);
}

TEST(mapped_files, the_end_unmaps_what_is_kept_and_what_is_held) {
  struct mapped_files *files = begin(&(struct mapped_files_options){.keep_count = 1});
  struct mapped_files_stats last;
  CHECK(made_file(IN_FOLDER("a"), 1, 100) && made_file(IN_FOLDER("b"), 2, 100));
  lido_weak weak = lido_weak_make(made_open(files, IN_FOLDER("a")));
  mapped_files_release(made_open(files, IN_FOLDER("b")));
  CHECK_EQ(mapping_count(made_folder.text), 2);
  CHECK_EQ(mapped_files_destroy(files, &last), 1); /* a, whose handle nobody has released */
  CHECK_EQ(last.mapped, 2);
  CHECK_EQ(last.unmapped, 2);
  CHECK_NULL(lido_weak_acquire(weak));
  made_end();
}

/* ---- What can't be had ---- */

TEST(mapped_files, each_failure_has_its_name) {
  struct mapped_files *files = begin(NULL);
  char long_name[NAME_MAX + 2];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  CHECK(made_file(IN_FOLDER("a"), 1, 100));
  CHECK_EQ(mkfifo(IN_FOLDER("fifo"), 0600) + symlink("loop", IN_FOLDER("loop")), 0);
  CHECK_FAILS(made_open(files, made_folder.text), EISDIR);
  CHECK_FAILS(made_open(files, IN_FOLDER("fifo")), ENOTSUP);
  CHECK_FAILS(made_open(files, "/dev/null"), ENOTSUP);
  CHECK_FAILS(made_open(files, IN_FOLDER("vanished")), ENOENT);
  CHECK_FAILS(made_open(files, ""), ENOENT);
  CHECK_FAILS(made_open(files, IN_FOLDER("a/b")), ENOTDIR);
  CHECK_FAILS(made_open(files, IN_FOLDER("loop")), ELOOP);
  CHECK_FAILS(made_open(files, IN_FOLDER(long_name)), ENAMETOOLONG);
  CHECK_FAILS(made_open(files, "/proc/self/maps"), ENOTSUP); /* it claims to be empty */
  CHECK_EQ(made_stats(files).mapped + made_stats(files).empty, 0);
  END(files);
}

TEST(mapped_files, a_descriptor_may_be_closed_at_once_and_must_be_a_readable_file) {
  struct mapped_files *files = begin(NULL);
  const struct mapped_file *file;
  CHECK(made_file(IN_FOLDER("a"), 1, 100));
  int to_write = open(IN_FOLDER("a"), O_WRONLY | O_CLOEXEC);
  int to_read = open(IN_FOLDER("a"), O_RDONLY | O_CLOEXEC);
  CHECK(to_write >= 0 && to_read >= 0);
  CHECK_EQ(mapped_files_open_descriptor(files, to_write, &file), EACCES);
  CHECK_NULL(file);
  CHECK_EQ(mapped_files_open_descriptor(files, to_read, &file), 0);
  close(to_read);
  close(to_write);
  CHECK(made_holds(file, 1));
  CHECK_SAME(made_open(files, IN_FOLDER("a")), file);
  lido_release_n((void *)(uintptr_t)file, 2);
  CHECK_EQ(mapped_files_open_descriptor(files, -1, &file), EBADF);
  END(files);
}

/* Children have caches of their own: a fork with one alive takes the locks of all its shards, more than ThreadSanitizer
 * can follow. */

static const char *path_in_child;

static void open_without_rights(void *scene) {
  (void)scene;
  struct mapped_files *files = mapped_files_create(NULL);
  const struct mapped_file *file;
  IN_CHILD(files != NULL);
  if (geteuid() == 0) IN_CHILD(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  IN_CHILD(mapped_files_open(files, path_in_child, &file) == EACCES && file == NULL);
}

TEST(mapped_files, an_unreadable_file_is_refused) {
  made_begin();
  int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(made_file(IN_FOLDER("unreadable"), 1, 100));
  CHECK_EQ(chmod(IN_FOLDER("unreadable"), 0) + chmod(made_folder.text, 0755), 0);
  CHECK_EQ(chdir(made_folder.text), 0); /* for the child may not come through the folders above */
  path_in_child = "unreadable";
  check_child(open_without_rights, NULL);
  CHECK_EQ(fchdir(here), 0);
  close(here);
  made_end();
}

static void open_without_descriptors(void *scene) {
  (void)scene;
  struct mapped_files *files = mapped_files_create(NULL);
  struct rlimit none = {0, 0};
  const struct mapped_file *file;
  IN_CHILD(files != NULL && setrlimit(RLIMIT_NOFILE, &none) == 0);
  IN_CHILD(mapped_files_open(files, IN_FOLDER("a"), &file) == EMFILE && file == NULL);
}

TEST(mapped_files, a_process_without_descriptors_is_told_so) {
  made_begin();
  CHECK(made_file(IN_FOLDER("a"), 1, 100));
  check_child(open_without_descriptors, NULL);
  made_end();
}

TEST(mapped_files, a_file_larger_than_memory_can_be_is_refused) {
  struct mapped_files *files = begin(NULL);
  const struct mapped_file *file;
  int memory = memfd_create("huge", MFD_CLOEXEC);
  CHECK_EQ(ftruncate(memory, INT64_MAX - INT64_MAX % (off_t)made_page()), 0);
  int error = mapped_files_open_descriptor(files, memory, &file);
  CHECK(error == ENOMEM || error == EFBIG);
  CHECK_NULL(file);
  CHECK_EQ(ftruncate(memory, INT64_MAX), 0); /* a whole number of pages would be more than there are numbers */
  error = mapped_files_open_descriptor(files, memory, &file);
  CHECK(error == ENOMEM || error == EFBIG);
  close(memory);
  END(files);
}

/* ---- When there are as many mappings as may be ---- */

enum { KEPT = 100, MAPPINGS_MOST = 1 << 20 };

/* Every second page gets other rights, and so becomes a mapping of its own. -> false: the limit was not met. */
static bool use_up_mappings(void) {
  size_t page = made_page();
  char *range = mmap(NULL, MAPPINGS_MOST * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return false;
  for (size_t i = 1; i < MAPPINGS_MOST; i += 2) {
    if (mprotect(range + i * page, page, PROT_READ) != 0) break;
  }
  while (mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {}
  return errno == ENOMEM;
}

static void keep_many(struct mapped_files *files) {
  char name[32];
  for (size_t i = 0; i < KEPT; i++) {
    snprintf(name, sizeof name, "%zu", i);
    const struct mapped_file *file;
    IN_CHILD(made_file(IN_FOLDER(name), i, 100) && mapped_files_open(files, IN_FOLDER(name), &file) == 0);
    mapped_files_release(file);
  }
}

static void open_without_room(void *scene) {
  (void)scene;
  struct mapped_files *files = mapped_files_create(&(struct mapped_files_options){.keep_count = 2 * KEPT});
  const struct mapped_file *file;
  IN_CHILD(files != NULL && made_file(IN_FOLDER("new"), 1, 100));
  keep_many(files);
  if (!use_up_mappings()) return; /* of a system with more of them than a test should make */
  IN_CHILD(mapped_files_open(files, IN_FOLDER("new"), &file) == 0 && made_holds(file, 1));
  struct mapped_files_stats stats = made_stats(files);
  IN_CHILD(stats.cramped == 1 && stats.let_go == 64 && stats.unmapped == 64 && stats.kept == KEPT - 64 + 1);
}

TEST(mapped_files, kept_files_make_room_when_there_are_no_more_mappings) {
  made_begin();
  check_child(open_without_room, NULL);
  made_end();
}
