/* config_strange_test.c: files that are none, and files with anything in them: an answer or a message, always. With the
 * preset asan, leaks are found, too. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/settings.h"
#include "tests/support/testing.h"

static const char good[] =
    "# of a server\n"
    "name = \"a server\"\nsoft_bytes = 64MiB hard_bytes = 96MiB /* together */\n"
    "policy = adaptive\ninterval_ns = 1.5s\n"
    "pool 'conns' { object_size = 96 flags = {zero, spread}\n growth_factor = 1.5 }\n"
    "arena requests { chunk_bytes = 16KiB retain = all }\n";

/* An answer, or EINVAL and a message of one line that says where. */
static void check_answer(const char *text, size_t bytes) {
  lido_message message;
  settings_write(text, bytes);
  errno = 0;
  lido_config *config = lido_config_read(SETTINGS_FILE, &message);
  if (config != NULL) {
    CHECK_TEXT(message.text, "");
    lido_manager_options manager = {0};
    lido_pool_options pool = {0};
    lido_arena_options arena = {0};
    lido_config_apply(config, &manager);
    CHECK_EQ(lido_config_pool_options(config, "conns", &pool, &message), 0);
    CHECK_EQ(lido_config_arena_options(config, "requests", &arena, &message), 0);
    lido_config_destroy(config);
    return;
  }
  CHECK_EQ(errno, EINVAL);
  if (strncmp(message.text, "app.conf:", 9) != 0) TESTING_FAIL("the message is \"%s\"", message.text);
  CHECK_NULL(strchr(message.text, '\n'));
}

TEST(config_strange, every_beginning_of_a_good_file_has_an_answer) {
  for (size_t bytes = 0; bytes < sizeof good; bytes++) check_answer(good, bytes);
}

TEST(config_strange, every_byte_may_be_another) {
  static const unsigned char others[] = {0,   1,   '\n', '\r', '"', '\'', '\\', '{',  '}',  '(',
                                         ')', '=', '+',  ',',  '#', '/',  '*',  '$',  '|',  '%',
                                         '-', '.', '0',  '9',  'a', 'Z',  '_',  0x7f, 0x80, 0xff};
  size_t step = testing_scaled(sizeof others) >= sizeof others ? 1 : 3;
  for (size_t at = 0; at + 1 < sizeof good; at++) {
    for (size_t i = at % step; i < sizeof others; i += step) {
      char text[sizeof good];
      memcpy(text, good, sizeof good);
      text[at] = (char)others[i];
      check_answer(text, sizeof good - 1);
    }
  }
}

TEST(config_strange, every_byte_may_be_missing) {
  for (size_t at = 0; at + 1 < sizeof good; at++) {
    char text[sizeof good];
    memcpy(text, good, at);
    memcpy(text + at, good + at + 1, sizeof good - at - 1);
    check_answer(text, sizeof good - 2);
  }
}

TEST(config_strange, two_places_may_be_exchanged) {
  uint64_t state = testing_seed() | 1;
  for (size_t round = testing_scaled(2000); round > 0; round--) {
    char text[sizeof good];
    memcpy(text, good, sizeof good);
    for (int i = 0; i < 3; i++) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      size_t a = state % (sizeof good - 1);
      size_t b = (state >> 32) % (sizeof good - 1);
      char kept = text[a];
      text[a] = text[b];
      text[b] = kept;
    }
    check_answer(text, sizeof good - 1);
  }
}

static void check_refused(const char *path, int error, const char *text) {
  lido_message message;
  CHECK_FAILS(lido_config_read(path, &message), error);
  CHECK_TEXT(message.text, text);
  CHECK_FAILS(lido_config_read(path, NULL), error);
}

TEST(config_strange, what_is_no_file_is_refused) {
  settings_write("", 0);
  check_refused("nowhere.conf", ENOENT, "nowhere.conf: No such file or directory");
  check_refused(".", EISDIR, ".: Is a directory");
  check_refused("/dev/full/x", ENOTDIR, "/dev/full/x: Not a directory");
  check_refused("", ENOENT, ": No such file or directory");
  check_refused("/dev/zero", EFBIG, "/dev/zero: larger than 1048576 bytes");
}

TEST(config_strange, nobody_may_read_it) {
  if (geteuid() == 0) return; /* may read all */
  settings_write("", 0);
  CHECK_EQ(chmod(SETTINGS_FILE, 0), 0);
  check_refused(SETTINGS_FILE, EACCES, "app.conf: Permission denied");
  CHECK_EQ(unlink(SETTINGS_FILE), 0);
}

TEST(config_strange, a_file_of_100_megabytes_is_not_read) {
  settings_write("", 0);
  CHECK_EQ(truncate(SETTINGS_FILE, 100 << 20), 0);
  check_refused(SETTINGS_FILE, EFBIG, "app.conf: larger than 1048576 bytes");
}

TEST(config_strange, the_largest_file_is_read) {
  char *text = malloc(LIDO_CONFIG_FILE_MAX + 1);
  CHECK_NOT_NULL(text);
  static const char line[] = "# as long as it may be\n";
  for (size_t i = 0; i <= LIDO_CONFIG_FILE_MAX; i++) text[i] = line[i % (sizeof line - 1)];
  memcpy(text + LIDO_CONFIG_FILE_MAX - 12, "\nsamples = 5\n", 13);
  check_answer(text + 1, LIDO_CONFIG_FILE_MAX);
  settings_write(text, LIDO_CONFIG_FILE_MAX + 1);
  check_refused(SETTINGS_FILE, EFBIG, "app.conf: larger than 1048576 bytes");
  free(text);
}

TEST(config_strange, a_byte_of_zero_is_told_with_its_line) {
  lido_message message;
  settings_write("\n\nna\0me = 5", 11);
  CHECK_FAILS(lido_config_read(SETTINGS_FILE, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:3: a byte of zero: this is no text");
}

TEST(config_strange, long_paths_lose_their_beginning) {
  lido_message message;
  char path[400];
  memset(path, 'a', sizeof path);
  memcpy(path + sizeof path - 6, "/end.", 6);
  CHECK_FAILS(lido_config_read(path, &message), ENAMETOOLONG);
  CHECK(strstr(message.text, "/end.: ") != NULL);
}

TEST(config_strange, many_sections_and_long_words) {
  char text[8192];
  size_t at = 0;
  for (int i = 0; i < 100; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, "pool p%d { max_objects = %d }\n", i, i);
  lido_config *config = settings_read(text, NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options options = {0};
  CHECK_EQ(lido_config_pool_options(config, "p99", &options, NULL), 0);
  CHECK_EQ(options.max_objects, 99);
  lido_config_destroy(config);
  memset(text, 'x', sizeof text);
  check_answer(text, sizeof text);
  memset(text, '{', sizeof text);
  check_answer(text, sizeof text);
  memset(text, '"', sizeof text - 1);
  check_answer(text, sizeof text - 1);
}

/* Each is compared with all: without a limit, a file of the largest size would take half a minute. */
TEST(config_strange, there_may_be_so_many_sections_and_no_more) {
  enum { LINE = 13 };
  char *text = malloc((LIDO_CONFIG_SECTIONS_MAX + 1) * LINE + 1);
  CHECK_NOT_NULL(text);
  for (int i = 0; i <= LIDO_CONFIG_SECTIONS_MAX; i++) sprintf(text + i * LINE, "pool p%04d{}\n", i);
  lido_message message;
  CHECK_FAILS(settings_read(text, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:4097: more than 4096 pools and arenas");
  text[LIDO_CONFIG_SECTIONS_MAX * LINE] = '\0';
  lido_config *config = settings_read(text, &message);
  free(text);
  CHECK_NOT_NULL(config);
  CHECK_TEXT(lido_config_pool_name(config, LIDO_CONFIG_SECTIONS_MAX - 1), "p4095");
  CHECK_NULL(lido_config_pool_name(config, LIDO_CONFIG_SECTIONS_MAX));
  lido_config_destroy(config);
}

TEST(config_strange, nothing_is_written_to_standard_error) {
  int kept = dup(STDERR_FILENO);
  FILE *file = tmpfile();
  CHECK_NOT_NULL(file);
  CHECK_GE(dup2(fileno(file), STDERR_FILENO), 0);
  lido_config_destroy(settings_read("policy = 5", NULL));
  lido_config_destroy(settings_read("unknown = 5 }", NULL));
  lido_config_destroy(settings_read("name = '", NULL));
  CHECK_GE(dup2(kept, STDERR_FILENO), 0);
  close(kept);
  CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
  fclose(file);
}

TEST(config_strange, descriptors_are_closed) {
  settings_write("policy = 5", 10);
  int before = open(SETTINGS_FILE, O_RDONLY);
  CHECK_GE(before, 0);
  close(before);
  for (int i = 0; i < 10; i++) CHECK_FAILS(lido_config_read(SETTINGS_FILE, NULL), EINVAL);
  CHECK_FAILS(lido_config_read(".", NULL), EISDIR);
  int after = open(SETTINGS_FILE, O_RDONLY);
  close(after);
  CHECK_EQ(after, before);
}

TEST(config_strange, errno_is_kept_by_success) {
  errno = 77;
  lido_config *config = settings_read("policy = adaptive", NULL);
  CHECK_EQ(errno, 77);
  lido_config_destroy(config);
}
