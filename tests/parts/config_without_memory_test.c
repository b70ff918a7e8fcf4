/* config_without_memory_test.c: every request of malloc fails, once and for ever: ENOMEM, and nothing of ours is lost.
 *
 * libconfuse itself ends the program in some cases, so each is tried in a child; in others its tree is lost
 * (config_file.c says why), with what it holds. How many of both there are is bounded.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/failing_malloc.h"
#include "tests/support/settings.h"
#include "tests/support/testing.h"

static const char text[] =
    "name = server soft_bytes = 1MiB\n"
    "pool a { align = 64 flags = {zero, spread} }\n"
    "arena b { chunk_bytes = 4KiB }\n";

enum { ENOUGH = 0, WITHOUT = 1, BY_LIBCONFUSE = 2, TREE_LOST = 3, WRONG = 4 };

static bool is_right(const lido_config *config) {
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  return options.soft_bytes == 1 << 20 && lido_config_pool_name(config, 0) != NULL;
}

/* In a child. */
static int read_once(size_t good, bool for_ever) {
  lido_message message;
  long live = failing_malloc_live();
  failing_malloc_begin(good, for_ever);
  lido_config *config = lido_config_read(SETTINGS_FILE, &message);
  int error = errno;
  bool refused = failing_malloc_end();
  /* Some requests of the C library are wishes only. */
  bool answered = config != NULL ? is_right(config) : refused && error == ENOMEM && message.text[0] != '\0';
  lido_config_destroy(config);
  if (!answered) return WRONG;
  if (failing_malloc_live() != live) return TREE_LOST;
  return refused ? WITHOUT : ENOUGH;
}

static int in_child(size_t good, bool for_ever) {
  pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    /* The words of a scanner that ends the program are none of ours. */
    if (freopen("/dev/null", "w", stderr) == NULL) _exit(WRONG);
    _exit(read_once(good, for_ever));
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return BY_LIBCONFUSE;
  return WIFEXITED(status) && WEXITSTATUS(status) < WRONG ? WEXITSTATUS(status) : WRONG;
}

static void fail_each(bool for_ever) {
  size_t counts[WRONG + 1] = {0};
  for (size_t good = 0; counts[ENOUGH] == 0; good++) {
    int outcome = in_child(good, for_ever);
    counts[outcome]++;
  }
  CHECK_EQ(counts[WRONG], 0);
  CHECK_GT(counts[WITHOUT], 40);
  CHECK_LE(counts[BY_LIBCONFUSE], 5);
  CHECK_LE(counts[TREE_LOST], 60);
}

TEST(config_without_memory, a_file_is_read_or_there_is_an_error_and_nothing_is_lost) {
  settings_write(text, sizeof text - 1);
  lido_config_destroy(lido_config_read(SETTINGS_FILE, NULL));
  fail_each(false);
  fail_each(true);
  CHECK_EQ(in_child(SIZE_MAX, true), ENOUGH);
}

TEST(config_without_memory, the_environment_and_merges_lose_nothing) {
  setenv("ENVM_NAME", "outside", 1);
  lido_config *file = settings_read(text, NULL);
  CHECK_NOT_NULL(file);
  bool refused = true;
  for (size_t good = 0; refused; good++) {
    long live = failing_malloc_live();
    failing_malloc_begin(good, false);
    lido_config *environment = lido_config_from_environment("ENVM_", NULL);
    refused = failing_malloc_end();
    CHECK_EQ(environment == NULL, refused);
    lido_config_destroy(environment);
    CHECK_EQ(failing_malloc_live(), live);
  }
  lido_config *environment = lido_config_from_environment("ENVM_", NULL);
  CHECK_NOT_NULL(environment);
  size_t failures = 0;
  for (refused = true; refused; failures++) {
    lido_manager_options options = {0};
    failing_malloc_begin(failures, false);
    int error = lido_config_merge(file, environment);
    refused = failing_malloc_end();
    CHECK_EQ(error, refused ? ENOMEM : 0);
    lido_config_apply(file, &options);
    CHECK_TEXT(options.name, refused ? "server" : "outside");
    CHECK_TEXT(lido_config_pool_name(file, 0), "a");
  }
  CHECK_GT(failures, 8);
  lido_config_destroy(environment);
  lido_config_destroy(file);
}
