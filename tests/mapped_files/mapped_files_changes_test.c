/* mapped_files_changes_test.c: files that are replaced, written, grown and truncated while they are mapped. */
#include <signal.h>

#include "tests/mapped_files/made_files.h"
#include "tests/support/child.h"

typedef struct scene {
  struct mapped_files *files;
  const struct mapped_file *file; /* of "a", with three pages, as it was at the beginning */
  size_t page;
} scene;

static scene begin(void) {
  made_begin();
  scene s = {.files = mapped_files_create(NULL), .page = made_page()};
  CHECK_NOT_NULL(s.files);
  CHECK(made_file(IN_FOLDER("a"), 1, 3 * s.page));
  s.file = made_open(s.files, IN_FOLDER("a"));
  CHECK_NOT_NULL(s.file);
  return s;
}

static void end(scene *s, const struct mapped_file *other) {
  mapped_files_release(other);
  mapped_files_release(s->file);
  CHECK_ENDS(s->files);
  made_end();
}

/* So that the file system's clock, which ticks slowly, shows a change for sure. */
static int set_time(const char *path, time_t seconds) {
  struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
  return utimensat(AT_FDCWD, path, times, 0);
}

TEST(mapped_files_changes, a_replaced_file_is_another_and_the_old_one_stays_whole) {
  scene s = begin();
  CHECK(made_file(IN_FOLDER("b"), 2, 3 * s.page));
  CHECK_EQ(rename(IN_FOLDER("b"), IN_FOLDER("a")), 0);
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK(after != s.file && made_holds(after, 2) && made_holds(s.file, 1));
  end(&s, after);
}

TEST(mapped_files_changes, a_deleted_file_stays_whole_and_its_name_is_gone) {
  scene s = begin();
  CHECK_EQ(unlink(IN_FOLDER("a")), 0);
  CHECK(made_holds(s.file, 1));
  CHECK_FAILS(made_open(s.files, IN_FOLDER("a")), ENOENT);
  CHECK(made_file(IN_FOLDER("a"), 2, 3 * s.page)); /* its number can't be that of the file that is mapped */
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK(after != s.file && made_holds(after, 2) && made_holds(s.file, 1));
  end(&s, after);
}

TEST(mapped_files_changes, what_is_written_in_place_shows_in_all_mappings) {
  scene s = begin();
  CHECK(made_patch(IN_FOLDER("a"), 2, 0, 3 * s.page));
  CHECK_EQ(set_time(IN_FOLDER("a"), 5000), 0);
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK(after != s.file && made_holds(after, 2) && made_holds(s.file, 2));
  end(&s, after);
}

TEST(mapped_files_changes, a_change_that_no_time_shows_finds_the_old_mapping_which_shows_it) {
  scene s = begin();
  CHECK_EQ(set_time(IN_FOLDER("a"), 5000), 0);
  const struct mapped_file *before = made_open(s.files, IN_FOLDER("a"));
  CHECK(made_patch(IN_FOLDER("a"), 2, 0, 3 * s.page));
  CHECK_EQ(set_time(IN_FOLDER("a"), 5000), 0);
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK_SAME(after, before);
  CHECK(made_holds(after, 2));
  mapped_files_release(before);
  end(&s, after);
}

TEST(mapped_files_changes, a_grown_file_has_its_old_length_for_those_who_had_it) {
  scene s = begin();
  CHECK(made_patch(IN_FOLDER("a"), 1, 3 * s.page, s.page + 10));
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK_EQ(after->length, 4 * s.page + 10);
  CHECK_EQ(s.file->length, 3 * s.page);
  CHECK(made_holds(after, 1) && made_holds(s.file, 1));
  CHECK_EQ(mapped_files_read(s.file, 3 * s.page, &(char){0}, 1), ERANGE);
  end(&s, after);
}

TEST(mapped_files_changes, what_grows_from_nothing_gets_a_mapping) {
  scene s = begin();
  CHECK(made_file(IN_FOLDER("b"), 1, 0));
  const struct mapped_file *empty = made_open(s.files, IN_FOLDER("b"));
  CHECK(made_patch(IN_FOLDER("b"), 1, 0, 10));
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("b"));
  CHECK_EQ(empty->length, 0);
  CHECK(after->length == 10 && made_holds(after, 1));
  mapped_files_release(empty);
  end(&s, after);
}

TEST(mapped_files_changes, what_was_truncated_away_is_an_error_and_comes_back_with_the_file) {
  scene s = begin();
  unsigned char bytes[64];
  CHECK_EQ(truncate(IN_FOLDER("a"), (off_t)s.page), 0);
  CHECK_EQ(mapped_files_read(s.file, s.page - 64, bytes, 64), 0);
  CHECK(made_bytes_are(bytes, 64, 1, s.page - 64));
  CHECK_EQ(mapped_files_read(s.file, s.page - 63, bytes, 64), EIO);
  CHECK_EQ(mapped_files_read(s.file, 3 * s.page - 1, bytes, 1), EIO);
  CHECK_EQ(made_stats(s.files).faults, 2);
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK(after->length == s.page && made_holds(after, 1));
  CHECK(made_patch(IN_FOLDER("a"), 1, s.page, 2 * s.page));
  CHECK(made_holds(s.file, 1));
  end(&s, after);
}

TEST(mapped_files_changes, in_the_page_where_a_truncated_file_ends_are_zeros_and_nobody_is_told) {
  scene s = begin();
  unsigned char bytes[64];
  CHECK_EQ(truncate(IN_FOLDER("a"), 32), 0);
  CHECK_EQ(mapped_files_read(s.file, 0, bytes, 64), 0);
  CHECK(made_bytes_are(bytes, 32, 1, 0));
  for (size_t i = 32; i < 64; i++) CHECK_EQ(bytes[i], 0);
  CHECK_EQ(truncate(IN_FOLDER("a"), 0), 0);
  CHECK_EQ(mapped_files_read(s.file, 0, bytes, 1), EIO);
  const struct mapped_file *after = made_open(s.files, IN_FOLDER("a"));
  CHECK_EQ(after->length, 0);
  end(&s, after);
}

static void read_directly(void) {
  signal(SIGBUS, SIG_DFL); /* a sanitizer's handler would hide how the process ends */
  const struct mapped_file *file = made_open(mapped_files_create(NULL), IN_FOLDER("a"));
  if (file == NULL || truncate(IN_FOLDER("a"), 0) != 0) _exit(1);
  const volatile unsigned char *bytes = file->bytes;
  (void)bytes[0];
}

TEST(mapped_files_changes, who_reads_directly_what_is_gone_ends_by_the_signal) {
  made_begin();
  CHECK(made_file(IN_FOLDER("a"), 1, 100));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    read_directly();
    _exit(0);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  made_end();
}
