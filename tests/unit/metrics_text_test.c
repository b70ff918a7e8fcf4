/* metrics_text_test.c: a snapshot as text for Prometheus and OpenMetrics. */
#include "tests/unit/made_snapshot.h"

static const lido_metrics_format PROMETHEUS = LIDO_METRICS_PROMETHEUS;
static const lido_metrics_format OPENMETRICS = LIDO_METRICS_OPENMETRICS;

static const lido_metrics_format formats[] = {LIDO_METRICS_PROMETHEUS, LIDO_METRICS_OPENMETRICS};

/* ---- Families ---- */

TEST(metrics_text, a_gauge_is_the_same_in_both_formats) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", 2);
  made.pools[0].stats.live = 7;
  made.pools[1].name = "users";
  made.pools[1].stats.live = UINT64_MAX;
  static const char family[] =
      "# HELP lido_pool_live_objects objects in the program's hands\n"
      "# TYPE lido_pool_live_objects gauge\n"
      "lido_pool_live_objects{pool=\"conns\"} 7\n"
      "lido_pool_live_objects{pool=\"users\"} 18446744073709551615\n"
      "# HELP";
  CHECK_HAS(snapshot, PROMETHEUS, family);
  CHECK_HAS(snapshot, OPENMETRICS, family);
}

TEST(metrics_text, a_counters_family_ends_in_total_for_prometheus_only) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", 1);
  made.pools[0].stats.frees = 12;
  CHECK_HAS(snapshot, PROMETHEUS,
            "# HELP lido_pool_frees_total objects given back\n"
            "# TYPE lido_pool_frees_total counter\n"
            "lido_pool_frees_total{pool=\"conns\"} 12\n");
  CHECK_HAS(snapshot, OPENMETRICS,
            "# HELP lido_pool_frees objects given back\n"
            "# TYPE lido_pool_frees counter\n"
            "lido_pool_frees_total{pool=\"conns\"} 12\n");
}

TEST(metrics_text, openmetrics_says_units_and_where_it_ends) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.snapshot.stats.freed_bytes = 4096;
  CHECK_HAS(snapshot, OPENMETRICS,
            "# TYPE lido_manager_freed_bytes counter\n"
            "# UNIT lido_manager_freed_bytes bytes\n"
            "lido_manager_freed_bytes_total 4096\n");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "# UNIT");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "# EOF");
  char *text = made_text(snapshot, LIDO_METRICS_OPENMETRICS);
  const char *end = strstr(text, "# EOF\n");
  CHECK_NOT_NULL(end);
  CHECK_EQ(strlen(end), 6);
  free(text);
}

TEST(metrics_text, nanoseconds_are_seconds) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.snapshot.guard.oldest_ns = UINT64_C(1234567890123456789);
  made.snapshot.wall_ns = UINT64_C(1700000000500000000);
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_guard_oldest_seconds 1234567890.123456789\n");
  CHECK_HAS(snapshot, OPENMETRICS, "# UNIT lido_guard_oldest_seconds seconds\n");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_snapshot_timestamp_seconds 1700000000.5\n");
  made.snapshot.guard.oldest_ns = 1;
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_guard_oldest_seconds 0.000000001\n");
  made.snapshot.guard.oldest_ns = 3000000000;
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_guard_oldest_seconds 3\n");
}

TEST(metrics_text, a_histogram_adds_up_bucket_by_bucket) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  for (size_t i = 0; i < LIDO_DURATION_BUCKETS; i++) made.snapshot.passes.buckets[i] = i + 1;
  made.snapshot.passes.count = 1000; /* of another moment */
  made.snapshot.passes.sum_ns = 2500000000;
  static const char samples[] =
      "lido_reclaim_duration_seconds_bucket{le=\"0.000001024\"} 1\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.000004096\"} 3\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.000016384\"} 6\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.000065536\"} 10\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.000262144\"} 15\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.001048576\"} 21\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.004194304\"} 28\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.016777216\"} 36\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.067108864\"} 45\n"
      "lido_reclaim_duration_seconds_bucket{le=\"0.268435456\"} 55\n"
      "lido_reclaim_duration_seconds_bucket{le=\"1.073741824\"} 66\n"
      "lido_reclaim_duration_seconds_bucket{le=\"+Inf\"} 78\n"
      "lido_reclaim_duration_seconds_count 78\n"
      "lido_reclaim_duration_seconds_sum 2.5\n"
      "# HELP";
  CHECK_HAS(snapshot, PROMETHEUS, samples);
  CHECK_HAS(snapshot, OPENMETRICS, samples);
}

TEST(metrics_text, what_there_is_once_is_an_info) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.pools[0].watched = true;
  CHECK_HAS(snapshot, PROMETHEUS,
            "# TYPE lido_manager_info gauge\n"
            "lido_manager_info{manager=\"m\"} 1\n");
  CHECK_HAS(snapshot, OPENMETRICS,
            "# TYPE lido_manager info\n"
            "lido_manager_info{manager=\"m\"} 1\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_pool_info{pool=\"conns\",made_by=\"program\"} 1\n");
  char version[64];
  snprintf(version, sizeof version, "lido_build_info{version=\"%s\"} 1\n", lido_version());
  CHECK_HAS(snapshot, PROMETHEUS, version);
}

TEST(metrics_text, one_policy_is_1) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.snapshot.policy = LIDO_POLICY_ADAPTIVE;
  made.snapshot.chosen = LIDO_POLICY_LOW_LATENCY;
  CHECK_HAS(snapshot, PROMETHEUS,
            "lido_policy{policy=\"none\"} 0\n"
            "lido_policy{policy=\"low_latency\"} 0\n"
            "lido_policy{policy=\"high_throughput\"} 0\n"
            "lido_policy{policy=\"memory_efficient\"} 0\n"
            "lido_policy{policy=\"adaptive\"} 1\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_policy_chosen{policy=\"low_latency\"} 1\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_policy_chosen{policy=\"adaptive\"} 0\n");
}

TEST(metrics_text, what_policies_cost_is_a_share_of_a_processors_time) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.snapshot.scores[0] =
      (lido_policy_score){.policy = LIDO_POLICY_LOW_LATENCY, .slow_ns = 1500000, .stall_ns = 1e9, .total_ns = 1.0015e9};
  made.snapshot.scores[1] = (lido_policy_score){.policy = LIDO_POLICY_HIGH_THROUGHPUT, .idle_ns = 7};
  made.snapshot.pressure.stalled = 0.125;
  CHECK_HAS(snapshot, PROMETHEUS, "lido_policy_cost_ratio{policy=\"low_latency\",cost=\"slow\"} 0.0015\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_policy_cost_ratio{policy=\"low_latency\",cost=\"stall\"} 1\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_policy_cost_ratio{policy=\"high_throughput\",cost=\"idle\"} 0.000000007\n");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_memory_stalled_ratio 0.125\n");
}

/* ---- Derived families ---- */

TEST(metrics_text, the_states_of_a_pools_bytes_add_up) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", 1);
  made.pools[0].stats =
      (lido_pool_stats){.bytes_reserved = 1000, .bytes_live = 500, .bytes_cached = 200, .bytes_metadata = 20};
  CHECK_HAS(snapshot, PROMETHEUS,
            "lido_pool_bytes{pool=\"conns\",state=\"live\"} 500\n"
            "lido_pool_bytes{pool=\"conns\",state=\"cached\"} 200\n"
            "lido_pool_bytes{pool=\"conns\",state=\"free\"} 280\n"
            "lido_pool_bytes{pool=\"conns\",state=\"metadata\"} 20\n");
  made.pools[0].stats.bytes_live = 2000; /* read at another moment */
  CHECK_HAS(snapshot, PROMETHEUS, "lido_pool_bytes{pool=\"conns\",state=\"free\"} 0\n");
}

TEST(metrics_text, the_paths_of_a_pools_allocs_add_up) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", 1);
  made.pools[0].stats = (lido_pool_stats){
      .allocs = 1000, .refills_depot = 20, .refills_slab = 7, .refills_backing = 4, .allocs_direct = 3, .fallbacks = 2};
  CHECK_HAS(snapshot, PROMETHEUS,
            "lido_pool_allocs_total{pool=\"conns\",path=\"thread_cache\"} 964\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"depot\"} 20\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"slab\"} 7\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"backing\"} 4\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"direct\"} 3\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"fallback\"} 2\n");
  /* Without caches */
  made.pools[0].stats = (lido_pool_stats){.allocs = 1000, .allocs_direct = 1000, .fallbacks = 2};
  CHECK_HAS(snapshot, PROMETHEUS,
            "lido_pool_allocs_total{pool=\"conns\",path=\"thread_cache\"} 0\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"depot\"} 0\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"slab\"} 0\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"backing\"} 0\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"direct\"} 998\n"
            "lido_pool_allocs_total{pool=\"conns\",path=\"fallback\"} 2\n");
}

TEST(metrics_text, ratios_are_there_when_something_was_asked) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "\nlido_pool_hit_ratio{");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "\nlido_cache_hit_ratio{");
  made.pools[0].stats.allocs = 2;
  made.pools[0].stats.frees = 1;
  made.pools[0].stats.misses = 1;
  made.caches[0].stats.hits = 5;
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_pool_hit_ratio{pool=\"conns\"} 0.666666666\n");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_cache_hit_ratio{cache=\"fonts\"} 1\n");
  CHECK_HAS(snapshot, OPENMETRICS, "# UNIT lido_cache_hit_ratio ratio\n");
  made.pools[0].stats.misses = 4; /* more than there were: read at another moment */
  made.caches[0].stats.misses = 5;
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_pool_hit_ratio{pool=\"conns\"} 0\n");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_cache_hit_ratio{cache=\"fonts\"} 0.5\n");
}

TEST(metrics_text, limits_are_there_when_they_are_set) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "lido_budget_limit_bytes");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "\nlido_pool_limit_objects{");
  made.snapshot.budget.hard = 4096;
  made.pools[0].max_objects = 9;
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_budget_limit_bytes{limit=\"hard\"} 4096\n");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "limit=\"soft\"");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_pool_limit_objects{pool=\"conns\"} 9\n");
}

/* ---- Nothing is forgotten ---- */

/* Each number of each struct gets another value, and each value is looked for. */

static void fill(void *stats, size_t bytes, uint64_t *next) {
  uint64_t *numbers = stats;
  for (size_t i = 0; i < bytes / sizeof *numbers; i++) numbers[i] = ++*next * UINT64_C(1000000007);
}

static bool shows(const char *text, uint64_t number) {
  char line[32];
  snprintf(line, sizeof line, " %llu\n", (unsigned long long)number);
  return strstr(text, line) != NULL;
}

static bool shows_seconds(const char *text, uint64_t ns) {
  char line[40];
  snprintf(line, sizeof line, " %llu.%09llu", (unsigned long long)(ns / 1000000000),
           (unsigned long long)(ns % 1000000000));
  return strstr(text, line) != NULL;
}

/* Sums of others, and numbers that are shown as part of another: these have tests of their own. */
static bool is_elsewhere(const char *subject, const char *name) {
  static const char *const elsewhere[] = {"pool bytes_reserved",      "pool allocs",        "manager bytes_live",
                                          "manager bytes_cached",     "manager bytes_idle", "manager bytes_reserved",
                                          "manager allocs",           "manager frees",      "manager misses",
                                          "manager acquires",         "manager cache_hits", "manager cache_misses",
                                          "manager cleanups_pending", "manager slabs_made"};
  char both[64];
  snprintf(both, sizeof both, "%s %s", subject, name);
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    if (strcmp(elsewhere[i], both) == 0) return true;
  }
  return false;
}

static void check_shown(const char *text, const char *subject, const char *name, const char *unit, uint64_t number) {
  bool shown = strcmp(unit, "nanoseconds") == 0 ? shows_seconds(text, number) : shows(text, number);
  if (shown == is_elsewhere(subject, name)) TESTING_FAIL("%s %s is %s", subject, name, shown ? "shown" : "not shown");
}

#define CHECK_POOL(name, kind, unit, text) check_shown(all, "pool", #name, #unit, made.pools[0].stats.name);
#define CHECK_CLASS(name, kind, unit, text) \
  check_shown(all, "arena_class", #name, #unit, made.arena_classes[0].stats.name);
#define CHECK_CACHE(name, kind, unit, text) check_shown(all, "cache", #name, #unit, made.caches[0].stats.name);
#define CHECK_REASON(constant, name, text) check_shown(all, "cache", #name, "objects", made.caches[0].stats.name);
#define CHECK_MANAGER(name, kind, unit, text) check_shown(all, "manager", #name, #unit, made.snapshot.stats.name);
#define CHECK_BUDGET(name, kind, unit, text) check_shown(all, "budget", #name, #unit, made.snapshot.budget.name);
#define CHECK_WEAK(name, kind, unit, text) check_shown(all, "handle", #name, #unit, made.snapshot.weak.name);
#define CHECK_GUARD(name, kind, unit, text) check_shown(all, "guard", #name, #unit, made.snapshot.guard.name);

TEST(metrics_text, every_statistic_is_shown_once_or_known_to_be_elsewhere) {
  made_snapshot made;
  made_with_all(&made);
  uint64_t next = 0;
  fill(&made.pools[0].stats, sizeof made.pools[0].stats, &next);
  fill(&made.arena_classes[0].stats, sizeof made.arena_classes[0].stats, &next);
  fill(&made.caches[0].stats, sizeof made.caches[0].stats, &next);
  fill(&made.snapshot.stats, sizeof made.snapshot.stats, &next);
  fill(&made.snapshot.budget, sizeof made.snapshot.budget, &next);
  fill(&made.snapshot.weak, sizeof made.snapshot.weak, &next);
  fill(&made.snapshot.guard, sizeof made.snapshot.guard, &next);
  made.queues[0].pending = ++next;
  char *all = made_text(&made.snapshot, LIDO_METRICS_PROMETHEUS);
  LIDO_POOL_STATISTICS(CHECK_POOL)
  LIDO_ARENA_CLASS_STATISTICS(CHECK_CLASS)
  LIDO_CACHE_STATISTICS(CHECK_CACHE)
  LIDO_CACHE_REASONS(CHECK_REASON)
  LIDO_MANAGER_STATISTICS(CHECK_MANAGER)
  LIDO_BUDGET_STATISTICS(CHECK_BUDGET)
  LIDO_WEAK_STATISTICS(CHECK_WEAK)
  LIDO_GUARD_STATISTICS(CHECK_GUARD)
  CHECK(shows(all, made.queues[0].pending));
  free(all);
}

/* ---- The shape of the whole ---- */

/* Is the line, up to its end, a sample of this family? */
static bool is_sample_of(const char *line, const char *family, size_t bytes) {
  return strncmp(line, family, bytes) == 0 && strchr("{ _", line[bytes]) != NULL;
}

/* Does a line that begins so come more than once? */
static bool comes_again(const char *text, const char *line, size_t bytes) {
  char *copy = strndup(line, bytes);
  CHECK_NOT_NULL(copy);
  const char *first = strstr(text, copy);
  bool again = strstr(first + 1, copy) != NULL;
  free(copy);
  return again;
}

static const char *next_line(const char *line) { return strchr(line, '\n') + 1; }

TEST(metrics_text, each_family_stands_in_one_place_and_no_sample_comes_twice) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  made.pools[1] = made.pools[0];
  made.pools[1].name = "users";
  made.snapshot.pool_count = 2;
  for (size_t i = 0; i < 2; i++) {
    char *text = made_text(snapshot, formats[i]);
    const char *family = NULL;
    size_t bytes = 0, families = 0;
    for (const char *line = text; *line != '\0' && strcmp(line, "# EOF\n") != 0; line = next_line(line)) {
      if (strncmp(line, "# HELP ", 7) == 0) {
        family = line + 7;
        bytes = strcspn(family, " ");
        families++;
        CHECK(!comes_again(text, line, 7 + bytes + 1));
        CHECK(strncmp(family, "lido_", 5) == 0);
      } else if (*line == '#') {
        CHECK(strncmp(line + 7, family, bytes) == 0 && line[7 + bytes] == ' ');
        CHECK(!comes_again(text, line, 7 + bytes + 1));
      } else {
        CHECK(is_sample_of(line, family, bytes));
        CHECK(!comes_again(text, line - 1, 1 + strcspn(line, " ") + 1)); /* from the end of the line before */
      }
    }
    CHECK_GT(families, 60);
    free(text);
  }
}

TEST(metrics_text, texts_and_names_need_no_escapes) {
  made_snapshot made;
  for (size_t i = 0; i < 2; i++) {
    char *text = made_text(made_with_all(&made), formats[i]);
    CHECK_NULL(strchr(text, '\\'));
    CHECK_NULL(strstr(text, "NaN"));
    free(text);
  }
}

TEST(metrics_text, what_nobody_has_has_no_family) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", 0);
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "lido_pool");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "lido_arena_class");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "lido_cache");
  CHECK_HAS_NOT(snapshot, PROMETHEUS, "lido_cleanup_queue");
  CHECK_HAS(snapshot, PROMETHEUS, "lido_handle_slots 0\n");
}

/* ---- Names ---- */

static void check_label(const char *name, const char *shown) {
  made_snapshot made;
  char line[256];
  snprintf(line, sizeof line, "\nlido_pool_live_objects{pool=\"%s\"} 0\n", shown);
  CHECK_HAS(made_with_pools(&made, name, 1), PROMETHEUS, line);
}

TEST(metrics_text, what_labels_may_not_have_is_escaped) {
  check_label("", "");
  check_label("plain name", "plain name");
  check_label("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
  check_label("\n", "\\n");
  check_label("\\", "\\\\");
  check_label("tab\there", "tab\there");
}

TEST(metrics_text, characters_of_all_lengths_stay_as_they_are) {
  check_label("\xc3\xa9", "\xc3\xa9");
  check_label("\xe2\x82\xac", "\xe2\x82\xac");
  check_label("\xf0\x9f\x8f\x96", "\xf0\x9f\x8f\x96");
  check_label("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"); /* the last one */
  check_label("\xed\x9f\xbf", "\xed\x9f\xbf");         /* before the surrogates */
}

#define BROKEN "\xef\xbf\xbd"

TEST(metrics_text, bytes_that_are_no_utf8_are_replaced_and_told_apart) {
  check_label("a\xff z", "a" BROKEN "ff z");
  check_label("\x80", BROKEN "80");
  check_label("\xc3", BROKEN "c3"); /* the end comes too early */
  check_label("\xe2\x82", BROKEN "e2" BROKEN "82");
  check_label("\xf0\x9f\x8f\"", BROKEN "f0" BROKEN "9f" BROKEN "8f\\\"");
  check_label("\xc0\x80", BROKEN "c0" BROKEN "80"); /* overlong */
  check_label("\xe0\x9f\xbf", BROKEN "e0" BROKEN "9f" BROKEN "bf");
  check_label("\xed\xa0\x80", BROKEN "ed" BROKEN "a0" BROKEN "80"); /* a surrogate */
  check_label("\xf4\x90\x80\x80", BROKEN "f4" BROKEN "90" BROKEN "80" BROKEN "80");
  check_label("\xf5\x80\x80\x80", BROKEN "f5" BROKEN "80" BROKEN "80" BROKEN "80");
}

TEST(metrics_text, a_name_of_any_length_is_whole) {
  static char name[3 * 4096 + 1];
  memset(name, 'n', sizeof name - 1);
  made_snapshot made;
  char *text = made_text(made_with_pools(&made, name, 1), LIDO_METRICS_PROMETHEUS);
  const char *at = strstr(text, "lido_pool_objects{pool=\"");
  CHECK_NOT_NULL(at);
  CHECK_EQ(strspn(strchr(at, '"') + 1, "n"), sizeof name - 1);
  free(text);
}

/* ---- A real manager ---- */

TEST(metrics_text, a_real_managers_numbers_are_in_the_text) {
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "server", .soft_bytes = 64 << 20}, NULL);
  CHECK_NOT_NULL(manager);
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 96});
  CHECK_NOT_NULL(pool);
  void *objects[5];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 5), 5);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_NOT_NULL(snapshot);
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_pool_live_objects{pool=\"conns\"} 5\n");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_budget_limit_bytes{limit=\"soft\"} 67108864\n");
  CHECK_HAS(snapshot, PROMETHEUS, "\nlido_manager_info{manager=\"server\"} 1\n");
  lido_pool_free_batch(pool, objects, 5);
  lido_snapshot_destroy(snapshot);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}
