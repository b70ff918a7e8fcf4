/* policies_test.c: what policies set, how ADAPTIVE chooses, and what the system tells of its memory. Clock and pressure
 * are the test's. */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/os/os.h"
#include "lido/lido.h"
#include "tests/support/objects.h"

enum { OBJECT = 1024, SLAB = 64 << 10 };
static const uint64_t SECOND = 1000000000;

typedef struct world {
  uint64_t now;
  lido_pressure pressure;
  int pressure_error;
  size_t asked;
  size_t changes;
  lido_policy from;
  lido_policy to;
} world;

static uint64_t now_of(void *context) { return ((world *)context)->now; }

static int pressure_of(lido_pressure *out, void *context) {
  world *w = context;
  w->asked++;
  *out = w->pressure;
  return w->pressure_error;
}

static void on_policy(lido_manager *manager, lido_policy from, lido_policy to, void *context) {
  world *w = context;
  lido_policy chosen;
  lido_manager_policy(manager, &chosen);
  CHECK_EQ(chosen, to);
  w->changes++;
  w->from = from;
  w->to = to;
}

static lido_manager *manager_in(world *w, lido_policy policy) {
  lido_manager *manager = lido_manager_create(
      &(lido_manager_options){
          .policy = policy, .on_policy = on_policy, .pressure = pressure_of, .now = now_of, .context = w},
      NULL);
  CHECK_NOT_NULL(manager);
  return manager;
}

static void ticks(lido_manager *manager, world *w, int count) {
  for (int i = 0; i < count; i++) {
    w->now += SECOND;
    lido_manager_tick(manager);
  }
}

static lido_policy chosen_of(lido_manager *manager) {
  lido_policy chosen;
  lido_manager_policy(manager, &chosen);
  return chosen;
}

static lido_pool *pool_in(lido_manager *manager, const char *name) {
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = OBJECT});
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_pool_tuning tuning_of(const lido_pool *pool) {
  lido_pool_tuning tuning;
  lido_pool_tuning_get(pool, &tuning);
  return tuning;
}

/* ---- The table ---- */

TEST(policies, have_names) {
  for (unsigned policy = 0; policy < LIDO_POLICY_COUNT; policy++) {
    CHECK_GT(strlen(lido_policy_name((lido_policy)policy)), 0);
    CHECK_EQ(lido_policy_by_name(lido_policy_name((lido_policy)policy)), policy);
  }
  CHECK_EQ(lido_policy_by_name("lowlatency"), LIDO_POLICY_COUNT);
  CHECK_EQ(strlen(lido_policy_name(LIDO_POLICY_COUNT)), 0);
}

TEST(policies, three_have_settings) {
  lido_policy_settings settings;
  CHECK_EQ(lido_policy_settings_get(LIDO_POLICY_NONE, &settings), EINVAL);
  CHECK_EQ(lido_policy_settings_get(LIDO_POLICY_ADAPTIVE, &settings), EINVAL);
  CHECK_EQ(lido_policy_settings_get(LIDO_POLICY_COUNT, &settings), EINVAL);
  for (unsigned policy = LIDO_POLICY_LOW_LATENCY; policy < LIDO_POLICY_ADAPTIVE; policy++) {
    CHECK_EQ(lido_policy_settings_get((lido_policy)policy, &settings), 0);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = OBJECT});
    CHECK_EQ(lido_pool_tune(pool, &settings.tuning), 0); /* all of them in range */
    lido_pool_destroy(pool);
  }
}

TEST(policies, pools_follow_the_policy_whenever_they_come) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_NONE);
  lido_pool *before = pool_in(manager, "before");
  CHECK_EQ(tuning_of(before).magazine_objects, 0);
  lido_manager_policy_set(manager, LIDO_POLICY_MEMORY_EFFICIENT);
  CHECK_EQ(w.changes, 1);
  CHECK_EQ(w.from, LIDO_POLICY_NONE);
  CHECK_EQ(w.to, LIDO_POLICY_MEMORY_EFFICIENT);
  lido_pool *after = pool_in(manager, "after");
  lido_policy_settings settings;
  lido_policy_settings_get(LIDO_POLICY_MEMORY_EFFICIENT, &settings);
  CHECK_EQ(tuning_of(before).magazine_objects, settings.tuning.magazine_objects);
  CHECK_EQ(tuning_of(after).magazine_objects, settings.tuning.magazine_objects);
  lido_manager_policy_set(manager, LIDO_POLICY_MEMORY_EFFICIENT);
  lido_manager_policy_set(manager, LIDO_POLICY_COUNT);
  CHECK_EQ(w.changes, 1);
  lido_manager_policy_set(manager, LIDO_POLICY_NONE);
  CHECK_EQ(tuning_of(before).magazine_objects, 0);
  CHECK_EQ(w.asked, 0); /* only ADAPTIVE asks for the pressure */
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, a_share_of_its_own_takes_the_place_of_the_policys) {
  lido_manager *manager =
      lido_manager_create(&(lido_manager_options){.retain_percent = 7, .policy = LIDO_POLICY_LOW_LATENCY}, NULL);
  lido_pool *pool = pool_in(manager, "pool");
  CHECK_EQ(tuning_of(pool).retain_percent, 7);
  CHECK_LT(tuning_of(pool).retain_bytes, SLAB);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* ---- Ticks ---- */

TEST(policies, low_latency_makes_slabs_ready_ahead) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_LOW_LATENCY);
  lido_pool *pool = pool_in(manager, "pool");
  ticks(manager, &w, 1);
  CHECK_EQ(objects_stats(pool).slabs, 0); /* a pool that nobody uses gets nothing */
  object_list list = {0};
  objects_take_slabs(pool, &list, 16);
  ticks(manager, &w, 1);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_GE(stats.slabs_ready, 4);
  uint64_t made = stats.slabs_made;
  objects_take_slabs(pool, &list, 18);
  CHECK_EQ(objects_stats(pool).slabs_made, made);
  objects_free_all(pool, &list);
  CHECK_EQ(objects_stats(pool).slabs_released, 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

TEST(policies, memory_efficient_keeps_next_to_nothing) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_MEMORY_EFFICIENT);
  lido_pool *pool = pool_in(manager, "pool");
  object_list list = {0};
  objects_take_slabs(pool, &list, 64);
  objects_free_all(pool, &list);
  ticks(manager, &w, 1);
  CHECK_LE(objects_stats(pool).slabs, 1);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

static void count_cleanup(void *arg) { ++*(size_t *)arg; }

TEST(policies, a_tick_runs_pending_cleanups) {
  world w = {.now = SECOND};
  size_t ran = 0;
  lido_manager *manager = manager_in(&w, LIDO_POLICY_HIGH_THROUGHPUT);
  lido_cleanup_queue *queue = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_pool *pool = lido_manager_pool(
      manager,
      &(lido_pool_options){.name = "pool", .object_size = 64, .flags = LIDO_POOL_HANDLES, .cleanup_queue = queue});
  for (int i = 0; i < 10; i++) {
    void *object = lido_pool_alloc(pool);
    lido_cleanup_add(object, count_cleanup, &ran);
    lido_release(object);
  }
  CHECK_EQ(ran, 0);
  ticks(manager, &w, 1);
  CHECK_EQ(ran, 10);
  lido_sample sample;
  CHECK_EQ(lido_samples_get(manager, &sample, 1), 1);
  CHECK_EQ(sample.values[LIDO_SAMPLE_cleanups_pending], 10); /* a sample is what the tick finds */
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* ---- ADAPTIVE ---- */

static void count_ring(const lido_alert_event *event, void *context) {
  (void)event;
  ++*(size_t *)context;
}

TEST(policies, adaptive_needs_ticks_that_agree) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  lido_policy first = chosen_of(manager);
  ticks(manager, &w, 20);
  CHECK_EQ(w.changes, 0); /* nothing happens: no clear advantage */
  w.pressure = (lido_pressure){.stalled = 0.2};
  ticks(manager, &w, 2);
  CHECK_EQ(chosen_of(manager), first);
  ticks(manager, &w, 1);
  CHECK_EQ(chosen_of(manager), LIDO_POLICY_MEMORY_EFFICIENT);
  CHECK_EQ(w.changes, 1);
  CHECK_EQ(lido_manager_policy(manager, NULL), LIDO_POLICY_ADAPTIVE);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, adaptive_does_not_follow_a_pressure_that_comes_and_goes) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  for (int i = 0; i < 100; i++) {
    w.pressure.stalled = i % 3 == 0 ? 0 : 0.3;
    ticks(manager, &w, 1);
  }
  CHECK_EQ(w.changes, 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* Misses without end, by going round through more objects than caches hold. */
static void load(lido_pool *pool, object_list *list) {
  objects_take_slabs(pool, list, 200);
  objects_free_all(pool, list);
}

TEST(policies, adaptive_goes_to_low_latency_when_allocs_wait_for_slabs) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  lido_pool *pool = pool_in(manager, "pool");
  object_list list = {0};
  for (int i = 0; i < 40; i++) {
    load(pool, &list);
    if (chosen_of(manager) != LIDO_POLICY_LOW_LATENCY) lido_pool_trim(pool);
    ticks(manager, &w, 1);
  }
  CHECK_EQ(chosen_of(manager), LIDO_POLICY_LOW_LATENCY);
  lido_policy_score scores[LIDO_POLICY_CHOICES];
  lido_manager_policy_scores(manager, scores);
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    CHECK(scores[i].total_ns == scores[i].slow_ns + scores[i].growth_ns + scores[i].stall_ns + scores[i].idle_ns);
  }
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

TEST(policies, adaptive_stays_a_while_with_what_it_has_chosen) {
  world w = {.now = SECOND, .pressure = {.stalled = 0.5}};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  lido_pool *pool = pool_in(manager, "pool");
  object_list list = {0};
  ticks(manager, &w, 12);
  CHECK_EQ(chosen_of(manager), LIDO_POLICY_MEMORY_EFFICIENT);
  w.pressure = (lido_pressure){0};
  uint64_t since = w.now;
  while (chosen_of(manager) == LIDO_POLICY_MEMORY_EFFICIENT && w.now - since < 60 * SECOND) {
    load(pool, &list);
    ticks(manager, &w, 1);
  }
  CHECK_NE(chosen_of(manager), LIDO_POLICY_MEMORY_EFFICIENT);
  CHECK_EQ(w.changes, 2);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

TEST(policies, a_full_machine_counts_before_anybody_waits) {
  world w = {.now = SECOND, .pressure = {.bytes = 99, .bytes_most = 100}};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  ticks(manager, &w, 15);
  CHECK_EQ(chosen_of(manager), LIDO_POLICY_MEMORY_EFFICIENT);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, adaptive_works_where_the_system_tells_nothing) {
  world w = {.now = SECOND, .pressure = {.stalled = 1}, .pressure_error = ENOTSUP};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  ticks(manager, &w, 30);
  CHECK_EQ(w.changes, 0);
  CHECK_GT(w.asked, 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, a_clock_that_stands_still_decides_nothing) {
  world w = {.now = SECOND, .pressure = {.stalled = 1}};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  for (int i = 0; i < 50; i++) lido_manager_tick(manager);
  CHECK_EQ(w.changes, 0);
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, the_pressure_is_in_samples_and_can_ring) {
  world w = {.now = SECOND, .pressure = {.stalled = 0.25}};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  size_t rings = 0;
  lido_alert alert = lido_alert_add(manager, &(lido_alert_rule){.name = "stalls",
                                                                .field = LIDO_SAMPLE_pressure_stalled_ppm,
                                                                .above = true,
                                                                .threshold = 249999,
                                                                .on_change = count_ring,
                                                                .context = &rings});
  CHECK_NE(alert, 0);
  ticks(manager, &w, 3); /* the second one asks, what it hears is in the third one's sample */
  lido_sample sample;
  CHECK_EQ(lido_samples_get(manager, &sample, 1), 1);
  CHECK_EQ(sample.values[LIDO_SAMPLE_pressure_stalled_ppm], 250000);
  CHECK_EQ(rings, 1);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

static void check_no_scores(lido_manager *manager, lido_snapshot *snapshot) {
  static const lido_policy_score none[LIDO_POLICY_CHOICES];
  lido_policy_score scores[LIDO_POLICY_CHOICES];
  lido_manager_policy_scores(manager, scores);
  CHECK(memcmp(scores, none, sizeof scores) == 0);
  static char text[1 << 16];
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK(snapshot->pressure.stalled == 0);
  CHECK_LT(lido_metrics_write_buffer(snapshot, LIDO_METRICS_PROMETHEUS, text, sizeof text), sizeof text);
  CHECK_NULL(strstr(text, "lido_policy_cost_ratio"));
  CHECK_NULL(strstr(text, "lido_memory_stalled_ratio"));
}

static void check_scores(lido_manager *manager, lido_snapshot *snapshot) {
  static char text[1 << 16];
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK_LT(lido_metrics_write_buffer(snapshot, LIDO_METRICS_PROMETHEUS, text, sizeof text), sizeof text);
  CHECK_NOT_NULL(strstr(text, "lido_policy_cost_ratio"));
  CHECK_NOT_NULL(strstr(text, "lido_memory_stalled_ratio"));
}

TEST(policies, without_adaptive_there_are_no_scores_and_no_pressure) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  lido_snapshot *snapshot = lido_snapshot_create();
  check_no_scores(manager, snapshot);
  ticks(manager, &w, 2);
  check_scores(manager, snapshot); /* that nothing costs anything is a score, too */
  w.pressure.stalled = 0.5;
  ticks(manager, &w, 1);
  check_scores(manager, snapshot);
  lido_manager_policy_set(manager, LIDO_POLICY_LOW_LATENCY);
  check_no_scores(manager, snapshot);
  ticks(manager, &w, 2);
  check_no_scores(manager, snapshot);
  lido_sample sample;
  CHECK_EQ(lido_samples_get(manager, &sample, 1), 1);
  CHECK_EQ(sample.values[LIDO_SAMPLE_pressure_stalled_ppm], 0);
  lido_snapshot_destroy(snapshot);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(policies, stalls_that_nobody_knows_are_no_metric) {
  static char text[1 << 16];
  for (int error = 0; error <= ENOTSUP; error += ENOTSUP) {
    world w = {.now = SECOND, .pressure = {.stalled_is_unknown = error == 0}, .pressure_error = error};
    lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
    lido_snapshot *snapshot = lido_snapshot_create();
    ticks(manager, &w, 2);
    CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
    CHECK_LT(lido_metrics_write_buffer(snapshot, LIDO_METRICS_PROMETHEUS, text, sizeof text), sizeof text);
    CHECK_NOT_NULL(strstr(text, "lido_policy_cost_ratio"));
    CHECK_NULL(strstr(text, "lido_memory_stalled_ratio"));
    lido_snapshot_destroy(snapshot);
    CHECK_EQ(lido_manager_destroy(manager), 0);
  }
}

TEST(policies, a_pressure_that_is_nonsense_is_none_or_all) {
  static const double said[] = {-1, NAN, 7, INFINITY};
  static const double meant[] = {0, 0, 1, 1};
  for (size_t i = 0; i < 4; i++) {
    world w = {.now = SECOND, .pressure = {.stalled = said[i]}};
    lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
    lido_snapshot *snapshot = lido_snapshot_create();
    ticks(manager, &w, 2);
    CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
    CHECK(snapshot->pressure.stalled == meant[i]);
    CHECK(snapshot->scores[0].stall_ns == meant[i] * 1e9);
    lido_snapshot_destroy(snapshot);
    CHECK_EQ(lido_manager_destroy(manager), 0);
  }
}

TEST(policies, what_lives_outside_of_slabs_is_not_free) {
  world w = {.now = SECOND};
  lido_manager *manager = manager_in(&w, LIDO_POLICY_ADAPTIVE);
  lido_pool *pool = lido_manager_pool(
      manager, &(lido_pool_options){.name = "outside", .object_size = OBJECT, .flags = LIDO_POOL_PASSTHROUGH});
  object_list list = {0};
  for (int i = 0; i < 200; i++) object_list_push(&list, lido_pool_alloc(pool));
  ticks(manager, &w, 2);
  lido_policy_score scores[LIDO_POLICY_CHOICES];
  lido_manager_policy_scores(manager, scores);
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    CHECK_NE(scores[i].policy, LIDO_POLICY_NONE);
    CHECK(scores[i].idle_ns >= 0 && scores[i].total_ns >= 0);
  }
  objects_free_all(pool, &list);
  object_list_end(&list);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* A tick inside of another one's question for the pressure: both see the same two samples, the outer one late. */
typedef struct nested_world {
  world w; /* must be first */
  lido_manager *manager;
  bool nests;
} nested_world;

static int pressure_and_tick(lido_pressure *out, void *context) {
  nested_world *n = context;
  *out = (lido_pressure){.stalled = 0.2};
  if (!n->nests) return 0;
  n->nests = false;
  ticks(n->manager, &n->w, 1);
  n->nests = true;
  return 0;
}

TEST(policies, of_ticks_at_once_only_one_counts) {
  nested_world n = {.w = {.now = SECOND}};
  n.manager = lido_manager_create(&(lido_manager_options){.policy = LIDO_POLICY_ADAPTIVE,
                                                          .on_policy = on_policy,
                                                          .pressure = pressure_and_tick,
                                                          .now = now_of,
                                                          .context = &n},
                                  NULL);
  lido_manager_tick(n.manager);
  n.w.now += 20 * SECOND; /* it may change its mind */
  n.nests = true;
  ticks(n.manager, &n.w, 2);
  lido_policy_score scores[LIDO_POLICY_CHOICES];
  lido_manager_policy_scores(n.manager, scores);
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    if (scores[i].policy == LIDO_POLICY_MEMORY_EFFICIENT) CHECK_EQ(scores[i].agreeing_ticks, 2);
  }
  CHECK_EQ(n.w.changes, 0);
  ticks(n.manager, &n.w, 1);
  CHECK_EQ(n.w.changes, 1);
  CHECK_EQ(lido_manager_destroy(n.manager), 0);
}

/* ---- What the system tells ---- */

static void write_text(const char *root, const char *name, const char *text) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    *slash = '/';
  }
  FILE *file = fopen(path, "w");
  CHECK_NOT_NULL(file);
  CHECK(fputs(text, file) >= 0);
  CHECK_EQ(fclose(file), 0);
}

static void in_root(void (*check)(const char *root)) {
  char root[] = P_tmpdir "/lido_pressure_XXXXXX";
  CHECK_NOT_NULL(mkdtemp(root));
  check(root);
  char command[100];
  snprintf(command, sizeof command, "rm -r %s", root);
  CHECK_EQ(system(command), 0);
}

static void check_cgroup(const char *root) {
  lido_os_memory memory;
  write_text(root, "proc/self/cgroup", "0::/app/web\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.current", "5000000\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.max", "max\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.high", "8000000\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.pressure",
             "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK(memory.knows_stalled && memory.stalled == 0.125);
  CHECK_EQ(memory.bytes, 5000000);
  CHECK_EQ(memory.bytes_most, 8000000);
  write_text(root, "sys/fs/cgroup/app/web/memory.max", "6000000\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK_EQ(memory.bytes_most, 6000000);
}

/* What can be dropped is not in use; a limit further up may be the one that is met first. */
static void check_cgroups_above(const char *root) {
  lido_os_memory memory;
  write_text(root, "proc/self/cgroup", "0::/app/web\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.current", "5000000\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.stat", "anon 1000000\nfile 4000000\ninactive_file 3000000\n");
  write_text(root, "sys/fs/cgroup/app/web/memory.max", "max\n");
  write_text(root, "sys/fs/cgroup/app/memory.current", "9000000\n");
  write_text(root, "sys/fs/cgroup/app/memory.max", "10000000\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK_EQ(memory.bytes, 9000000);
  CHECK_EQ(memory.bytes_most, 10000000);
  write_text(root, "sys/fs/cgroup/app/web/memory.max", "2100000\n"); /* 95 % of it are in use */
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK_EQ(memory.bytes, 2000000);
  CHECK_EQ(memory.bytes_most, 2100000);
  write_text(root, "sys/fs/cgroup/app/memory.high", "0\n"); /* nothing may be used */
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK_GT(memory.bytes, memory.bytes_most);
}

static void check_machine(const char *root) {
  lido_os_memory memory;
  CHECK_EQ(lido_os_memory_read(root, &memory), ENOTSUP);
  write_text(root, "proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK(!memory.knows_stalled);
  CHECK_EQ(memory.bytes, 750 * 1024);
  CHECK_EQ(memory.bytes_most, 1000 * 1024);
  write_text(root, "proc/pressure/memory", "some avg10=100.00 avg60=0 avg300=0 total=0\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK(memory.knows_stalled && memory.stalled == 1);
  write_text(root, "proc/self/cgroup", "12:memory:/old\n0::/\n"); /* a group without limits: the machine counts */
  CHECK_EQ(lido_os_memory_read(root, &memory), 0);
  CHECK_EQ(memory.bytes_most, 1000 * 1024);
}

static void check_nonsense(const char *root) {
  static const char *const texts[] = {"", "some avg10=", "some avg10=-1 ", "some avg10=nan", "some avg10=101", "full"};
  lido_os_memory memory;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    write_text(root, "proc/pressure/memory", texts[i]);
    CHECK_EQ(lido_os_memory_read(root, &memory), ENOTSUP);
  }
  write_text(root, "proc/self/cgroup", "nothing\n");
  write_text(root, "proc/meminfo", "MemTotal: 5 kB\n");
  CHECK_EQ(lido_os_memory_read(root, &memory), ENOTSUP);
}

TEST(policies, the_pressure_is_the_cgroups) { in_root(check_cgroup); }
TEST(policies, the_fullest_cgroup_counts_without_what_can_be_dropped) { in_root(check_cgroups_above); }
TEST(policies, without_a_limited_cgroup_it_is_the_machines) { in_root(check_machine); }
TEST(policies, nonsense_of_the_system_is_no_pressure) { in_root(check_nonsense); }

TEST(policies, this_system_tells_something_or_says_that_it_does_not) {
  lido_pressure pressure;
  int error = lido_pressure_read(&pressure);
  CHECK(error == 0 || error == ENOTSUP);
  CHECK(pressure.stalled >= 0 && pressure.stalled <= 1);
  lido_os_memory memory;
  lido_os_memory_read("", &memory);
  CHECK_EQ(pressure.stalled_is_unknown, !memory.knows_stalled);
}
