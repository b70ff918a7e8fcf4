/* config_read_test.c: what files say, and what is said of wrong ones. */
#include "tests/support/settings.h"
#include "tests/support/testing.h"

static lido_manager_options applied(const char *text) {
  lido_message message;
  lido_config *config = settings_read(text, &message);
  if (config == NULL) TESTING_FAIL("%s", message.text);
  CHECK_TEXT(message.text, "");
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  options.name = NULL; /* is the config's */
  lido_config_destroy(config);
  return options;
}

static size_t soft_bytes(const char *value) {
  char text[128];
  snprintf(text, sizeof text, "soft_bytes = %s\n", value);
  return applied(text).soft_bytes;
}

TEST(config_read, an_empty_file_gives_nothing) {
  lido_manager_options options = applied("");
  CHECK_EQ(options.soft_bytes, 0);
  CHECK_EQ(options.policy, LIDO_POLICY_NONE);
  options = applied("\n# nothing but a comment\n// and another\n/* and\nanother */\n");
  CHECK_EQ(options.hard_bytes, 0);
}

TEST(config_read, sizes_have_units) {
  CHECK_EQ(soft_bytes("4096"), 4096);
  CHECK_EQ(soft_bytes("4096B"), 4096);
  CHECK_EQ(soft_bytes("64KiB"), 64 << 10);
  CHECK_EQ(soft_bytes("64MiB"), 64 << 20);
  CHECK_EQ(soft_bytes("1GB"), 1000000000);
  CHECK_EQ(soft_bytes("'3 kB'"), 3000);
  CHECK_EQ(soft_bytes("1.5GiB"), 3LL << 29);
  CHECK_EQ(soft_bytes("2TB"), 2000000000000LL);
  CHECK_EQ(soft_bytes("16TiB"), 16LL << 40);
  CHECK_EQ(soft_bytes("0.25mib"), 256 << 10);
  CHECK_EQ(soft_bytes("0"), 0);
  CHECK_EQ(soft_bytes("\"18446744073709551615\"") == SIZE_MAX, true);
}

TEST(config_read, every_field_of_a_manager_can_be_given) {
  lido_message message;
  lido_config *config = settings_read(
      "name = 'a server'\n"
      "soft_bytes = 64MiB   # a comment\n"
      "hard_bytes = 96MiB\n"
      "retain_percent = 25%\n"
      "policy = low_latency\n"
      "samples = 500\n"
      "interval_ns = 1.5s\n"
      "passthrough = yes\n",
      &message);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {.name = "other", .context = &message};
  lido_config_apply(config, &options);
  CHECK_TEXT(options.name, "a server");
  CHECK_EQ(options.soft_bytes, 64 << 20);
  CHECK_EQ(options.hard_bytes, 96 << 20);
  CHECK_EQ(options.retain_percent, 25);
  CHECK_EQ(options.policy, LIDO_POLICY_LOW_LATENCY);
  CHECK_EQ(options.samples, 500);
  CHECK_SAME(options.context, &message);
  CHECK_EQ(lido_config_interval_ns(config, 7), 1500000000);
  CHECK(lido_config_passthrough(config, false));
  lido_config_destroy(config);
}

TEST(config_read, every_policy_goes_by_its_name) {
#define CHECK_POLICY(constant, name, text) CHECK_EQ(applied("policy = " #name).policy, constant);
  LIDO_POLICIES(CHECK_POLICY)
#undef CHECK_POLICY
}

TEST(config_read, what_is_not_given_stays_as_it_was) {
  lido_config *config = settings_read("policy = adaptive", NULL);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {.name = "own", .soft_bytes = 5, .samples = 9};
  lido_config_apply(config, &options);
  CHECK_TEXT(options.name, "own");
  CHECK_EQ(options.soft_bytes, 5);
  CHECK_EQ(options.samples, 9);
  CHECK_EQ(options.policy, LIDO_POLICY_ADAPTIVE);
  CHECK_EQ(lido_config_interval_ns(config, 7), 7);
  CHECK(lido_config_passthrough(config, true));
  CHECK(!lido_config_passthrough(config, false));
  lido_config_destroy(config);
}

TEST(config_read, every_field_of_a_pool_can_be_given) {
  lido_config *config = settings_read(
      "pool conns {\n"
      "  object_size = 96 align = 128\n"
      "  max_objects = 10000 prealloc = 100\n"
      "  growth_factor = 1.25\n"
      "  flags = {zero, spread}\n"
      "  on_exhausted = wait wait_ns = 10ms\n"
      "  cache_bytes = none retain_bytes = 2MiB\n"
      "}\n",
      NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options options = {.name = "conns", .flags = LIDO_POOL_HUGE_PAGES, .context = config};
  CHECK_EQ(lido_config_pool_options(config, "conns", &options, NULL), 0);
  CHECK_EQ(options.object_size, 96);
  CHECK_EQ(options.align, 128);
  CHECK_EQ(options.max_objects, 10000);
  CHECK_EQ(options.prealloc, 100);
  CHECK(options.growth_factor == 1.25);
  CHECK_EQ(options.flags, LIDO_POOL_ZERO | LIDO_POOL_SPREAD | LIDO_POOL_HUGE_PAGES);
  CHECK_EQ(options.on_exhausted, LIDO_EXHAUSTED_WAIT);
  CHECK_EQ(options.wait_ns, 10000000);
  CHECK(options.cache_bytes == SIZE_MAX);
  CHECK_EQ(options.retain_bytes, 2 << 20);
  CHECK_SAME(options.context, config);
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  lido_pool_destroy(pool);
  lido_config_destroy(config);
}

TEST(config_read, every_flag_of_a_pool_can_be_given) {
  lido_config *config = settings_read(
      "pool a { flags = {zero, single_thread, spread, huge_pages, passthrough, handles, handles_53, guarded,\n"
      "  populate} }\n"
      "pool b { flags = populate }\n",
      NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options all = {.flags = LIDO_POOL_SINGLE_THREAD};
  CHECK_EQ(lido_config_pool_options(config, "a", &all, NULL), 0);
  CHECK_EQ(all.flags, LIDO_POOL_ZERO | LIDO_POOL_SINGLE_THREAD | LIDO_POOL_SPREAD | LIDO_POOL_HUGE_PAGES |
                          LIDO_POOL_PASSTHROUGH | LIDO_POOL_HANDLES_53 | LIDO_POOL_GUARDED | LIDO_POOL_POPULATE);
  lido_pool_options one = {0};
  CHECK_EQ(lido_config_pool_options(config, "b", &one, NULL), 0);
  CHECK_EQ(one.flags, LIDO_POOL_POPULATE);
  lido_config_destroy(config);
}

TEST(config_read, every_field_of_an_arena_can_be_given) {
  lido_config *config = settings_read(
      "arena \"requests\" { chunk_bytes = 16KiB chunk_bytes_max = 128KiB max_bytes = 1MiB retain = all\n"
      "  flags = reuse }\n"
      "arena \"others\" { reserve_bytes = 1GiB retain = 4KiB }\n",
      NULL);
  CHECK_NOT_NULL(config);
  lido_arena_options options = {.name = "requests"};
  CHECK_EQ(lido_config_arena_options(config, "requests", &options, NULL), 0);
  CHECK_EQ(options.chunk_bytes, 16 << 10);
  CHECK_EQ(options.chunk_bytes_max, 128 << 10);
  CHECK_EQ(options.max_bytes, 1 << 20);
  CHECK(options.retain == LIDO_ARENA_RETAIN_ALL);
  CHECK_EQ(options.flags, LIDO_ARENA_REUSE);
  CHECK_EQ(options.reserve_bytes, 0);
  CHECK_EQ(lido_config_arena_options(config, "others", &options, NULL), 0);
  CHECK_EQ(options.reserve_bytes, 1 << 30);
  CHECK_EQ(options.retain, 4096);
  lido_config_destroy(config);
}

TEST(config_read, sections_are_told_in_the_order_of_the_file) {
  lido_config *config = settings_read("pool b {} arena x {} pool a {} pool 'c d' {}", NULL);
  CHECK_NOT_NULL(config);
  CHECK_TEXT(lido_config_pool_name(config, 0), "b");
  CHECK_TEXT(lido_config_pool_name(config, 1), "a");
  CHECK_TEXT(lido_config_pool_name(config, 2), "c d");
  CHECK_NULL(lido_config_pool_name(config, 3));
  CHECK_TEXT(lido_config_arena_name(config, 0), "x");
  CHECK_NULL(lido_config_arena_name(config, 1));
  lido_config_destroy(config);
}

TEST(config_read, lists_may_be_written_in_several_ways) {
  lido_config *config = settings_read(
      "pool a { flags = {} } pool b { flags = handles flags += guarded } pool c { flags = {\nzero\n,\n'spread' } }",
      NULL);
  CHECK_NOT_NULL(config);
  lido_pool_options options = {0};
  CHECK_EQ(lido_config_pool_options(config, "a", &options, NULL), 0);
  CHECK_EQ(options.flags, 0);
  CHECK_EQ(lido_config_pool_options(config, "b", &options, NULL), 0);
  CHECK_EQ(options.flags, LIDO_POOL_HANDLES | LIDO_POOL_GUARDED);
  lido_config_destroy(config);
}

TEST(config_read, escapes_for_other_bytes_than_zero_are_read) {
  lido_config *config = settings_read("name = \"a\\x01\\x4a\\101\\060\\\\0\\\\x00\"", NULL);
  CHECK_NOT_NULL(config);
  lido_manager_options options = {0};
  lido_config_apply(config, &options);
  CHECK_TEXT(options.name, "a\x01JA0\\0\\x00");
  lido_config_destroy(config);
}

TEST(config_read, an_empty_list_replaces_another_ones_flags) {
  lido_config *first = settings_read("pool a { flags = zero } pool b { flags = zero }", NULL);
  lido_config *second = settings_read("pool a { flags = {} } pool b { max_objects = 5 }", NULL);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  CHECK_EQ(lido_config_merge(first, second), 0);
  lido_pool_options a = {0};
  lido_pool_options b = {0};
  CHECK_EQ(lido_config_pool_options(first, "a", &a, NULL), 0);
  CHECK_EQ(lido_config_pool_options(first, "b", &b, NULL), 0);
  CHECK_EQ(a.flags, 0);
  CHECK_EQ(b.flags, LIDO_POOL_ZERO);
  lido_config_destroy(second);
  lido_config_destroy(first);
}

/* ---- Wrong ones ---- */

typedef struct wrong_file {
  const char *text;
  const char *message;
} wrong_file;

static const wrong_file wrong_files[] = {
    /* Keys. */
    {"soft_byte = 1", "app.conf:1: soft_byte: there is no such key; is soft_bytes meant?"},
    {"\n\npolcy = adaptive\n", "app.conf:3: polcy: there is no such key; is policy meant?"},
    {"colour = red", "app.conf:1: colour: there is no such key"},
    {"object_size = 9", "app.conf:1: object_size: this key stands in a pool"},
    {"chunk_bytes = 9", "app.conf:1: chunk_bytes: this key stands in an arena"},
    {"pool a {\n policy = adaptive }", "app.conf:2: policy: this key stands outside of sections"},
    {"pool a {\n max_object = 3 }", "app.conf:2: max_object: there is no such key; is max_objects meant?"},
    {"arena a { max_objects = 3 }", "app.conf:1: max_objects: this key stands in a pool"},
    {"policy = none\n\npolicy = adaptive", "app.conf:3: policy: given in line 1 already"},
    {"pool a { flags = zero\n flags = spread }", "app.conf:2: pool \"a\": flags: given in line 1 already"},
    {"pool a {\n flags = {zero}\n flags = {}\n}", "app.conf:4: pool \"a\": flags: given in line 2 already"},
    {"pool a {} pool|align = 64", "app.conf:1: align: this key stands in a section"},
    {"__end = 1", "app.conf:1: __end: there is no such key"},
    /* Sizes. */
    {"soft_bytes = 64QB", "app.conf:1: soft_bytes: \"64QB\" is no size: its unit is none of B, KiB to TiB, kB to TB"},
    {"soft_bytes = 64M", "app.conf:1: soft_bytes: \"64M\" is no size: its unit is none of B, KiB to TiB, kB to TB"},
    {"soft_bytes = -5", "app.conf:1: soft_bytes: \"-5\" is negative"},
    {"soft_bytes = ''", "app.conf:1: soft_bytes: \"\" is empty"},
    {"soft_bytes = nan", "app.conf:1: soft_bytes: \"nan\" is no number"},
    {"soft_bytes = 0x10", "app.conf:1: soft_bytes: \"0x10\" is no size: its unit is none of B, KiB to TiB, kB to TB"},
    {"soft_bytes = 1e6", "app.conf:1: soft_bytes: \"1e6\" is no size: its unit is none of B, KiB to TiB, kB to TB"},
    {"soft_bytes = ' 5'", "app.conf:1: soft_bytes: \" 5\" is no number"},
    {"soft_bytes = 18446744073709551616", "app.conf:1: soft_bytes: \"18446744073709551616\" is too large"},
    {"soft_bytes = 16777216TiB", "app.conf:1: soft_bytes: \"16777216TiB\" is too large"},
    {"soft_bytes = 1.5", "app.conf:1: soft_bytes: \"1.5\" is not whole"},
    {"soft_bytes = 0.0001KiB", "app.conf:1: soft_bytes: \"0.0001KiB\" is not whole"},
    {"soft_bytes = 1.KiB", "app.conf:1: soft_bytes: \"1.KiB\" is no number: there is nothing behind the point"},
    {"soft_bytes = 1.1234567KiB",
     "app.conf:1: soft_bytes: \"1.1234567KiB\" is no number: it has more than six digits behind the point"},
    {"soft_bytes = '1\x01\n2'",
     "app.conf:2: soft_bytes: \"1??2\" is no size: its unit is none of B, KiB to TiB, kB to TB"},
    {"soft_bytes = 2MiB\nhard_bytes = 1MiB\n\n", "app.conf:2: hard_bytes: 1048576 is less than soft_bytes, 2097152"},
    /* Letters that a terminal obeys: CSI in two bytes, and what may become it; broken letters. */
    {"soft_bytes = '\xc2\x9b"
     "5\xc2\xa0'",
     "app.conf:1: soft_bytes: \"??5\xc2\xa0\" is no number"},
    {"soft_bytes = '\x9b\xe0\x82\x9b\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc3'",
     "app.conf:1: soft_bytes: \"????\xe2\x82\xac\xf0\x9f\x98\x80??\" is no number"},
    /* Other values. */
    {"policy = fast",
     "app.conf:1: policy: \"fast\" is none of none, low_latency, high_throughput, memory_efficient, adaptive"},
    {"policy = ''",
     "app.conf:1: policy: \"\" is none of none, low_latency, high_throughput, memory_efficient, adaptive"},
    {"retain_percent = 1001%", "app.conf:1: retain_percent: \"1001%\" is out of range: 1 to 1000"},
    {"retain_percent = 25MiB", "app.conf:1: retain_percent: \"25MiB\" is no share: only a % may follow the number"},
    {"samples = 1", "app.conf:1: samples: \"1\" is out of range: 2 to 1000000"},
    {"samples = 10s", "app.conf:1: samples: \"10s\" is no number"},
    {"interval_ns = 10", "app.conf:1: interval_ns: \"10\" is out of range: 1000000 to 18446744073709551615"},
    {"interval_ns = 10 sec", "app.conf:1: interval_ns: \"10\" is out of range: 1000000 to 18446744073709551615"},
    {"interval_ns = 10sec",
     "app.conf:1: interval_ns: \"10sec\" is no time: its unit is none of ns, us, ms, s, min, h, d"},
    {"passthrough = maybe", "app.conf:1: passthrough: \"maybe\" is neither true nor false"},
    {"passthrough = ''", "app.conf:1: passthrough: \"\" is empty"},
    {"name = ''", "app.conf:1: name: \"\" is empty"},
    {"name = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "app.conf:1: name: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is too long"},
    /* Pools and arenas. */
    {"pool a {\n object_size = 2MiB }", "app.conf:2: pool \"a\": object_size: \"2MiB\" is out of range: 1 to 1048576"},
    {"pool a { align = 48 }", "app.conf:1: pool \"a\": align: \"48\" is no power of two"},
    {"pool a { align = 8192 }", "app.conf:1: pool \"a\": align: \"8192\" is out of range: 1 to 4096"},
    {"pool a { growth_factor = 0.5 }", "app.conf:1: pool \"a\": growth_factor: \"0.5\" is out of range: 1 to 16"},
    {"pool a { growth_factor = inf }", "app.conf:1: pool \"a\": growth_factor: \"inf\" is no number"},
    {"pool a { flags = {zero, zerro} }",
     "app.conf:1: pool \"a\": flags: \"zerro\" is none of zero, single_thread, spread, huge_pages, passthrough, "
     "handles, "
     "handles_53, guarded, populate"},
    {"pool a { on_exhausted = die }", "app.conf:1: pool \"a\": on_exhausted: \"die\" is none of fail, fallback, wait"},
    {"pool a {\n prealloc = 9\n max_objects = 5\n}\n",
     "app.conf:3: pool \"a\": max_objects: 5 is less than prealloc, 9"},
    {"arena a { chunk_bytes = 100 }",
     "app.conf:1: arena \"a\": chunk_bytes: \"100\" is out of range: 256 to 1073741824"},
    {"pool '' {}", "app.conf:1: pool: the name is empty"},
    {"pool a {}\npool a {}", "app.conf:2: found duplicate title 'a'"},
    /* The language. */
    {"name", "app.conf:1: missing equal sign after option 'name'"},
    {"name =", "app.conf:1: name: has no value"},
    {"name = = 5", "app.conf:1: unexpected token '='"},
    {"policy += none", "app.conf:1: attempt to append to non-list option 'policy'"},
    {"pool {}", "app.conf:1: missing title for section 'pool'"},
    {"pool a {\n align = 64\n", "app.conf:2: pool \"a\" has no closing brace"},
    {"pool a { flags = {zero", "app.conf:1: the file ends too early"},
    {"}", "app.conf:1: unexpected closing brace"},
    {"\nname = \"abc\n\n", "app.conf:3: premature end of file"},
    {"\nname = 'abc\n\n", "app.conf:3: unterminated string constant"},
    {"policy = none /* not closed\nsamples = 9\n", "app.conf:2: a comment is not closed"},
    {"name = ${HOME}", "app.conf:1: ${...}: the environment is not read by a file"},
    {"\nname = \"${HOME}\"", "app.conf:2: ${...}: the environment is not read by a file"},
    {"name = \"abc\\x00def\"", "app.conf:1: an escape for a byte of zero: this is no text"},
    {"\nname = \"abc\\x0g\"", "app.conf:2: an escape for a byte of zero: this is no text"},
    {"name = \"abc\\0\"", "app.conf:1: an escape for a byte of zero: this is no text"},
    {"name = \"abc\\\\\\000\"", "app.conf:1: an escape for a byte of zero: this is no text"},
    {"include('other.conf')", "app.conf:1: include: there is no such key"},
};

TEST(config_read, wrong_files_are_told_with_their_line) {
  enum { COUNT = sizeof wrong_files / sizeof *wrong_files };
  for (size_t i = 0; i < COUNT; i++) {
    lido_message message;
    CHECK_FAILS(settings_read(wrong_files[i].text, &message), EINVAL);
    CHECK_TEXT(message.text, wrong_files[i].message);
  }
}

TEST(config_read, nobody_needs_to_take_the_message) { CHECK_FAILS(settings_read("policy = 5", NULL), EINVAL); }

TEST(config_read, a_good_file_is_read_after_any_wrong_one) {
  enum { COUNT = sizeof wrong_files / sizeof *wrong_files };
  for (size_t i = 0; i < COUNT; i++) {
    CHECK_FAILS(settings_read(wrong_files[i].text, NULL), EINVAL);
    CHECK_EQ(applied("soft_bytes = 77").soft_bytes, 77);
  }
}
