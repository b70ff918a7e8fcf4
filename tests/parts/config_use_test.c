/* config_use_test.c: configs from the environment, merged, and put into options. */
#include <ctype.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/support/child.h"
#include "tests/support/settings.h"
#include "tests/support/testing.h"

static void set(const char *name, const char *value) { CHECK_EQ(setenv(name, value, 1), 0); }

TEST(config_use, the_environment_gives_fields) {
  set("ENVA_SOFT_BYTES", "64MiB");
  set("ENVA_POLICY", "adaptive");
  set("ENVA_NAME", "from outside");
  set("ENVA_RETAIN_PERCENT", "30%");
  set("ENVA_INTERVAL_NS", "2s");
  set("ENVA_PASSTHROUGH", "on");
  lido_message message;
  lido_config *config = lido_config_from_environment("ENVA_", &message);
  CHECK_NOT_NULL(config);
  CHECK_TEXT(message.text, "");
  lido_manager_options options = {.hard_bytes = 5};
  lido_config_apply(config, &options);
  CHECK_TEXT(options.name, "from outside");
  CHECK_EQ(options.soft_bytes, 64 << 20);
  CHECK_EQ(options.hard_bytes, 5);
  CHECK_EQ(options.policy, LIDO_POLICY_ADAPTIVE);
  CHECK_EQ(options.retain_percent, 30);
  CHECK_EQ(lido_config_interval_ns(config, 0), 2000000000);
  CHECK(lido_config_passthrough(config, false));
  lido_config_destroy(config);
}

TEST(config_use, without_a_prefix_it_is_that_of_lido) {
  set("LIDO_HARD_BYTES", "1GiB");
  lido_config *config = lido_config_from_environment(NULL, NULL);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  CHECK_EQ(options.hard_bytes, 1 << 30);
  CHECK_EQ(options.soft_bytes, 0);
  lido_config_destroy(config);
  unsetenv("LIDO_HARD_BYTES");
}

static void check_environment(const char *prefix, const char *name, const char *value, const char *expected) {
  lido_message message;
  set(name, value);
  CHECK_FAILS(lido_config_from_environment(prefix, &message), EINVAL);
  CHECK_TEXT(message.text, expected);
  unsetenv(name);
}

TEST(config_use, wrong_variables_are_told_by_name) {
  check_environment("ENVB_", "ENVB_SOFT_BYTES", "much", "ENVB_SOFT_BYTES: \"much\" is no number");
  check_environment("ENVB_", "ENVB_SOFT_BYTES", "", "ENVB_SOFT_BYTES: \"\" is empty");
  check_environment("ENVB_", "ENVB_SAMPLES", "1", "ENVB_SAMPLES: \"1\" is out of range: 2 to 1000000");
  check_environment("ENVB_", "ENVB_SOFT_BYTE", "5",
                    "ENVB_SOFT_BYTE: there is no such setting; is ENVB_SOFT_BYTES meant?");
  check_environment("ENVB_", "ENVB_POLCY", "5", "ENVB_POLCY: there is no such setting; is ENVB_POLICY meant?");
  set("ENVB_SOFT_BYTES", "2");
  check_environment("ENVB_", "ENVB_HARD_BYTES", "1", "variables ENVB_...: hard_bytes: 1 is less than soft_bytes, 2");
}

/* Use the locale tr_TR, in which i is not the small letter of I: one made here, if the system has only its source. */
static bool become_turkish(void) {
  char folder[256];
  if (setlocale(LC_ALL, "tr_TR.UTF-8") != NULL) return true;
  if (getcwd(folder, sizeof folder) == NULL || system("localedef -i tr_TR -f UTF-8 ./tr_TR.UTF-8 2>/dev/null") == -1) {
    return false;
  }
  bool is_set = setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "tr_TR.UTF-8") != NULL;
  return system("rm -rf ./tr_TR.UTF-8") == 0 && is_set;
}

/* In a child: a locale is the process's, and the C library keeps its path. */
static void read_in_turkish(void *context) {
  lido_message message;
  lido_manager_options options = {0};
  (void)context;
  if (!become_turkish()) return; /* no such locale here, and no way to make one */
  IN_CHILD(tolower('I') != 'i');
  setenv("ENVT_RETAIN_PERCENT", "30%", 1);
  lido_config *environment = lido_config_from_environment("ENVT_", &message);
  IN_CHILD(environment != NULL);
  lido_config_apply(environment, &options);
  IN_CHILD(options.retain_percent == 30);
  lido_config *file = settings_read("soft_bytes = 64MIB policy = ADAPTIVE interval_ns = 5MIN", &message);
  IN_CHILD(file != NULL);
  lido_config_apply(file, &options);
  IN_CHILD(options.soft_bytes == 64 << 20 && options.policy == LIDO_POLICY_ADAPTIVE);
  setenv("ENVT_SIMPLES", "5", 1);
  IN_CHILD(lido_config_from_environment("ENVT_", &message) == NULL);
  IN_CHILD(strcmp(message.text, "ENVT_SIMPLES: there is no such setting; is ENVT_SAMPLES meant?") == 0);
}

TEST(config_use, the_locale_changes_no_letters) {
  settings_write("", 0); /* this process, not its child, makes and removes the folder */
  check_child(read_in_turkish, NULL);
}

TEST(config_use, variables_of_others_are_ignored) {
  set("ENVC_SEED", "5");
  set("ENVC_TEST_SCALE", "5");
  set("ENVC_soft_bytes", "5");
  set("ENVC_", "5");
  set("ENVC_A_NAME_THAT_IS_LONGER_THAN_ANY_OF_OURS_AND_OF_ALL_OTHERS", "5");
  lido_config *config = lido_config_from_environment("ENVC_", NULL);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  CHECK_EQ(options.soft_bytes, 0);
  lido_config_destroy(config);
}

/* ---- Merge ---- */

TEST(config_use, the_environment_goes_before_the_file) {
  set("ENVD_SOFT_BYTES", "2MiB");
  set("ENVD_NAME", "outside");
  lido_config *file = settings_read("name = inside\nsoft_bytes = 1MiB hard_bytes = 3MiB pool a { align = 8 }", NULL);
  lido_config *environment = lido_config_from_environment("ENVD_", NULL);
  CHECK_NOT_NULL(file);
  CHECK_NOT_NULL(environment);
  CHECK_EQ(lido_config_merge(file, environment), 0);
  lido_config_destroy(environment);
  lido_manager_options options = {0};
  lido_config_apply(file, &options);
  CHECK_TEXT(options.name, "outside");
  CHECK_EQ(options.soft_bytes, 2 << 20);
  CHECK_EQ(options.hard_bytes, 3 << 20);
  CHECK_TEXT(lido_config_pool_name(file, 0), "a");
  lido_config_destroy(file);
}

TEST(config_use, sections_of_one_name_are_merged_field_by_field) {
  lido_config *first = settings_read("pool a { align = 8 max_objects = 5 flags = zero } pool b {}", NULL);
  lido_config *second = settings_read("pool c {} pool a { max_objects = 7 flags = spread } arena a {}", NULL);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  CHECK_EQ(lido_config_merge(first, second), 0);
  lido_config_destroy(second);
  lido_pool_options options = {.align = 1};
  CHECK_EQ(lido_config_pool_options(first, "a", &options, NULL), 0);
  CHECK_EQ(options.align, 8);
  CHECK_EQ(options.max_objects, 7);
  CHECK_EQ(options.flags, LIDO_POOL_SPREAD);
  CHECK_TEXT(lido_config_pool_name(first, 0), "a");
  CHECK_TEXT(lido_config_pool_name(first, 1), "b");
  CHECK_TEXT(lido_config_pool_name(first, 2), "c");
  CHECK_NULL(lido_config_pool_name(first, 3));
  CHECK_TEXT(lido_config_arena_name(first, 0), "a");
  lido_config_destroy(first);
}

TEST(config_use, a_config_may_be_merged_with_itself) {
  lido_config *config = settings_read("name = one pool a { align = 8 }", NULL);
  CHECK_NOT_NULL(config);
  CHECK_EQ(lido_config_merge(config, config), 0);
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  CHECK_TEXT(options.name, "one");
  CHECK_TEXT(lido_config_pool_name(config, 0), "a");
  CHECK_NULL(lido_config_pool_name(config, 1));
  lido_config_destroy(config);
}

TEST(config_use, destroy_takes_null) { lido_config_destroy(NULL); }

/* ---- What the program needs ---- */

TEST(config_use, a_pool_keeps_what_the_program_needs) {
  lido_message message;
  lido_config *config =
      settings_read("\npool conns { object_size = 96 align = 64 max_objects = 9 flags = zero }", NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options other_size = {.object_size = 128};
  CHECK_EQ(lido_config_pool_options(config, "conns", &other_size, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:2: pool \"conns\": object_size: 96, but the program's objects have 128");
  CHECK_EQ(other_size.max_objects, 0);
  CHECK_EQ(other_size.flags, 0);
  lido_pool_options more_align = {.object_size = 96, .align = 128};
  CHECK_EQ(lido_config_pool_options(config, "conns", &more_align, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:2: pool \"conns\": align: 64, but the program needs 128");
  lido_pool_options fits = {.object_size = 96, .align = 32, .flags = LIDO_POOL_HANDLES, .max_objects = 3};
  CHECK_EQ(lido_config_pool_options(config, "conns", &fits, &message), 0);
  CHECK_TEXT(message.text, "");
  CHECK_EQ(fits.align, 64);
  CHECK_EQ(fits.max_objects, 9);
  CHECK_EQ(fits.flags, LIDO_POOL_HANDLES | LIDO_POOL_ZERO);
  lido_config_destroy(config);
}

/* Of a program that says none, as of every typed pool: lido/pool.h promises a cache line. */
TEST(config_use, a_pool_keeps_the_alignment_that_goes_without_saying) {
  lido_message message;
  lido_config *config = settings_read("pool small { align = 32 } pool same { align = 64 }", NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options options = {.object_size = 64};
  CHECK_EQ(lido_config_pool_options(config, "small", &options, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:1: pool \"small\": align: 32, but the program needs 64");
  CHECK_EQ(options.align, 0);
  CHECK_EQ(lido_config_pool_options(config, "same", &options, &message), 0);
  CHECK_EQ(options.align, 64);
  options.align = 1;
  CHECK_EQ(lido_config_pool_options(config, "small", &options, &message), 0);
  CHECK_EQ(options.align, 32);
  lido_config_destroy(config);
}

TEST(config_use, only_the_program_knows_that_one_thread_uses_a_pool) {
  lido_message message;
  lido_config *config = settings_read("\npool a { flags = {zero, single_thread} }", NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options shared = {.flags = LIDO_POOL_HANDLES};
  CHECK_EQ(lido_config_pool_options(config, "a", &shared, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:2: pool \"a\": flags: single_thread, but the program's own do not have it");
  CHECK_EQ(shared.flags, LIDO_POOL_HANDLES);
  lido_pool_options of_one_thread = {.flags = LIDO_POOL_SINGLE_THREAD};
  CHECK_EQ(lido_config_pool_options(config, "a", &of_one_thread, &message), 0);
  CHECK_EQ(of_one_thread.flags, LIDO_POOL_SINGLE_THREAD | LIDO_POOL_ZERO);
  lido_config_destroy(config);
}

TEST(config_use, sections_that_are_not_there_change_nothing) {
  lido_config *config = settings_read("pool a { align = 8 } arena b { chunk_bytes = 4KiB }", NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options pool = {.align = 2};
  lido_arena_options arena = {.chunk_bytes = 512};
  CHECK_EQ(lido_config_pool_options(config, "b", &pool, NULL), 0);
  CHECK_EQ(lido_config_arena_options(config, "a", &arena, NULL), 0);
  CHECK_EQ(pool.align, 2);
  CHECK_EQ(arena.chunk_bytes, 512);
  lido_config_destroy(config);
}

TEST(config_use, an_arena_in_a_buffer_can_not_reserve) {
  static char buffer[4096];
  lido_message message;
  lido_config *config = settings_read("arena a { reserve_bytes = 1MiB }", NULL);
  CHECK_NOT_NULL(config);
  lido_arena_options arena = {.buffer = buffer, .buffer_bytes = sizeof buffer};
  CHECK_EQ(lido_config_arena_options(config, "a", &arena, &message), EINVAL);
  CHECK_TEXT(message.text, "app.conf:1: arena \"a\": reserve_bytes: 1048576, but the program has a buffer of 4096");
  CHECK_EQ(arena.reserve_bytes, 0);
  lido_config_destroy(config);
}

/* ---- A manager ---- */

TEST(config_use, a_manager_is_made_as_the_config_says) {
  lido_message message;
  lido_config *config = settings_read(
      "name = server policy = memory_efficient soft_bytes = 8MiB hard_bytes = 9MiB retain_percent = 50%\n"
      "pool conns { max_objects = 2 }",
      &message);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  lido_manager *manager = lido_manager_create(&options, &message);
  if (manager == NULL) TESTING_FAIL("%s", message.text);
  lido_pool_options conns = {.name = "conns", .object_size = 64};
  CHECK_EQ(lido_config_pool_options(config, "conns", &conns, &message), 0);
  lido_config_destroy(config);
  CHECK_TEXT(lido_manager_name(manager), "server");
  CHECK_EQ(lido_manager_policy(manager, NULL), LIDO_POLICY_MEMORY_EFFICIENT);
  lido_pool *pool = lido_manager_pool(manager, &conns);
  CHECK_NOT_NULL(pool);
  void *objects[3];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 3), 2);
  lido_pool_free_batch(pool, objects, 2);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* Each is right by itself. */
TEST(config_use, limits_that_do_not_go_together_are_seen_when_the_manager_is_made) {
  lido_message message;
  set("ENVE_SOFT_BYTES", "4MiB");
  lido_config *file = settings_read("hard_bytes = 3MiB", NULL);
  lido_config *environment = lido_config_from_environment("ENVE_", NULL);
  CHECK_NOT_NULL(file);
  CHECK_NOT_NULL(environment);
  CHECK_EQ(lido_config_merge(file, environment), 0);
  lido_manager_options options = {0};
  lido_config_apply(file, &options);
  CHECK_EQ(lido_manager_options_check(&options, &message), EINVAL);
  CHECK(strstr(message.text, "soft_bytes") != NULL);
  CHECK_FAILS(lido_manager_create(&options, NULL), EINVAL);
  lido_config_destroy(environment);
  lido_config_destroy(file);
}

/* Both ranges must be the same ones. */
TEST(config_use, what_a_file_may_say_the_manager_takes) {
  static const char *const files[] = {"retain_percent = 1",
                                      "retain_percent = 1000%",
                                      "samples = 2",
                                      "samples = 1000000",
                                      "soft_bytes = 1 hard_bytes = 1",
                                      "policy = adaptive",
                                      "name = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    lido_message message;
    lido_config *config = settings_read(files[i], &message);
    CHECK_NOT_NULL(config);
    lido_manager_options options = {0};
    lido_config_apply(config, &options);
    if (lido_manager_options_check(&options, &message) != 0) TESTING_FAIL("%s: %s", files[i], message.text);
    lido_config_destroy(config);
  }
}

/* ---- Threads ---- */

static void *read_often(void *arg) {
  (void)arg;
  for (int i = 0; i < 50; i++) {
    lido_config *config = lido_config_read(SETTINGS_FILE, NULL);
    if (config == NULL) return (void *)1;
    lido_manager_options options = {0};
    lido_config_apply(config, &options);
    bool right = options.soft_bytes == 64 << 20;
    lido_config_destroy(config);
    if (!right) return (void *)1;
  }
  return NULL;
}

TEST(config_use, threads_take_turns) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  lido_config_destroy(settings_read("soft_bytes = 64MiB pool a { flags = {zero, spread} }", NULL));
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, read_often, NULL), 0);
  void *failed = NULL;
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    if (result != NULL) failed = result;
  }
  CHECK_NULL(failed);
}
