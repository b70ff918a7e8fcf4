/* weak_test.c: handles and counts of objects in real pools. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/os/os.h"
#include "lib/refs/slots.h"
#include "lido/lido.h"
#include "tests/support/testing.h"

typedef struct conn {
  uint64_t number;
  char text[56];
} conn;

LIDO_WEAK_DEFINE(conn, conn)

static lido_pool *make_pool(unsigned flags) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "conn", .object_size = sizeof(conn), .flags = flags});
  CHECK(pool != NULL);
  return pool;
}

static lido_pool *with_handles(void) { return make_pool(LIDO_POOL_HANDLES); }

static void check_end(lido_pool *pool, size_t live) {
  CHECK_NULL(lido_pool_check(pool));
  CHECK_EQ(lido_pool_destroy(pool), live);
  CHECK_NULL(lido_weak_check());
}

TEST(weak, a_handle_leads_to_its_object_until_that_dies) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  CHECK(weak.bits != 0);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_LIVE);
  CHECK_SAME(lido_weak_get(weak), object);
  CHECK_SAME(lido_weak_acquire(weak), object);
  CHECK_EQ(lido_reference_count(object), 2);
  lido_release(object);
  CHECK_SAME(lido_weak_get(weak), object);
  lido_release(object);
  CHECK_NULL(lido_weak_get(weak));
  CHECK_NULL(lido_weak_acquire(weak));
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  check_end(pool, 0);
}

TEST(weak, the_same_object_has_the_same_handle_and_the_next_has_another) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  CHECK(lido_weak_equal(weak, lido_weak_make(object)));
  lido_release(object);
  conn *next = lido_pool_alloc(pool);
  CHECK_SAME(next, object); /* the memory is the same */
  lido_weak other = lido_weak_make(next);
  CHECK(!lido_weak_equal(weak, other));
  CHECK_NULL(lido_weak_get(weak));
  CHECK_SAME(lido_weak_get(other), next);
  lido_pool_free(pool, next);
  check_end(pool, 0);
}

TEST(weak, an_object_that_nobody_asked_about_uses_up_no_generation) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak first = lido_weak_make(object);
  lido_release(object);
  for (int i = 0; i < 1000; i++) lido_pool_free(pool, lido_pool_alloc(pool));
  for (int i = 0; i < 1000; i++) lido_release(lido_pool_alloc(pool));
  object = lido_pool_alloc(pool);
  CHECK_EQ(lido_weak_make(object).bits - first.bits, UINT64_C(1) << 32);
  lido_release(object);
  check_end(pool, 0);
}

TEST(weak, null_forged_and_random_values_are_answered) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  CHECK_EQ(lido_weak_state_get(lido_weak_from_u64(0)), LIDO_WEAK_NULL);
  CHECK_EQ(lido_weak_make(NULL).bits, 0);
  for (int bit = 0; bit < 64; bit++) {
    lido_weak forged = lido_weak_from_u64(weak.bits ^ UINT64_C(1) << bit);
    CHECK_NULL(lido_weak_get(forged));
    CHECK_NULL(lido_weak_acquire(forged));
    CHECK(!lido_weak_kill(forged));
    lido_weak_state state = lido_weak_state_get(forged);
    CHECK(state == LIDO_WEAK_STALE || state == LIDO_WEAK_NEVER_ISSUED);
  }
  uint64_t seed = 88172645463325252u;
  for (int i = 0; i < 100000; i++) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    CHECK_NULL(lido_weak_acquire(lido_weak_from_u64(seed | UINT64_C(1) << 63)));
  }
  CHECK_EQ(lido_weak_state_get(lido_weak_from_u64(UINT64_MAX)), LIDO_WEAK_NEVER_ISSUED);
  lido_release(object);
  check_end(pool, 0);
}

TEST(weak, a_killed_object_stays_for_those_who_hold_it) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  conn_weak weak = conn_weak_make(object);
  CHECK_SAME(conn_retain(object), object);
  CHECK(conn_weak_kill(weak));
  CHECK(!conn_weak_kill(weak));
  CHECK_EQ(conn_weak_state_get(weak), LIDO_WEAK_KILLED);
  CHECK_NULL(conn_weak_acquire(weak));
  CHECK_NULL(conn_weak_get(weak));
  CHECK(conn_weak_equal(weak, conn_weak_make(object)));
  conn_release(object);
  CHECK_EQ(conn_weak_state_get(weak), LIDO_WEAK_KILLED);
  CHECK(lido_pool_owns(pool, object));
  conn_release(object);
  CHECK_EQ(conn_weak_state_get(weak), LIDO_WEAK_STALE);
  CHECK(!lido_pool_owns(pool, object));
  check_end(pool, 0);
}

TEST(weak, a_reserved_handle_leads_nowhere_until_it_is_published) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_reserve(object);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_UNPUBLISHED);
  CHECK_NULL(lido_weak_get(weak));
  CHECK_NULL(lido_weak_acquire(weak));
  CHECK(!lido_weak_kill(weak));
  lido_weak_publish(object);
  CHECK_SAME(lido_weak_acquire(weak), object);
  CHECK(lido_weak_equal(weak, lido_weak_reserve(object)));
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_LIVE);
  lido_release_n(object, 2);
  object = lido_pool_alloc(pool); /* and one that is never published */
  weak = lido_weak_reserve(object);
  lido_release(object);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  check_end(pool, 0);
}

TEST(weak, references_in_numbers) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  CHECK_EQ(lido_reference_count(object), 1);
  CHECK_SAME(lido_retain_n(object, 1000), object);
  CHECK_EQ(lido_reference_count(object), 1001);
  CHECK_SAME(lido_retain_n(object, 0), object);
  lido_release_n(object, 0);
  lido_release_n(object, 900);
  for (int i = 0; i < 100; i++) lido_pool_free(pool, object);
  CHECK_EQ(lido_reference_count(object), 1);
  CHECK(lido_pool_owns(pool, object));
  lido_release(object);
  CHECK(!lido_pool_owns(pool, object));
  CHECK_NULL(lido_retain(NULL));
  lido_release(NULL);
  check_end(pool, 0);
}

static void count_misuse(const lido_misuse *misuse, void *context) {
  int *counts = context;
  counts[misuse->kind]++;
}

TEST(weak, a_count_that_runs_full_leaks_the_object) {
  int counts[32] = {0};
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  lido_misuse_handler_set(count_misuse, counts);
  for (int i = 0; i < 4; i++) CHECK_SAME(lido_retain_n(object, 1 << 24), object);
  CHECK_EQ(counts[LIDO_MISUSE_SATURATED], 1);
  CHECK_SAME(lido_retain(object), object);
  for (int i = 0; i < 10; i++) lido_release_n(object, 1 << 24);
  for (int i = 0; i < 10; i++) CHECK_SAME(lido_weak_acquire(weak), object);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_LIVE);
  CHECK_EQ(counts[LIDO_MISUSE_SATURATED], 1);
  CHECK_EQ(counts[LIDO_MISUSE_OVER_RELEASE], 0);
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  CHECK_EQ(stats.saturated, 1);
  lido_misuse_handler_set(NULL, NULL);
  check_end(pool, 1);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
}

TEST(weak, handles_as_numbers) {
  lido_pool *pool = make_pool(LIDO_POOL_HANDLES_53);
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  CHECK_EQ(lido_weak_from_u64(lido_weak_to_u64(weak)).bits, weak.bits);
  double number = lido_weak_to_double(weak);
  CHECK(number > 0 && number < 9007199254740992.0);
  CHECK_EQ(lido_weak_from_double(number).bits, weak.bits);
  CHECK_EQ(lido_weak_from_double(0).bits, 0);
  CHECK_EQ(lido_weak_from_double(-1).bits, 0);
  CHECK_EQ(lido_weak_from_double(1.5).bits, 0);
  CHECK_EQ(lido_weak_from_double(9007199254740992.0).bits, 0);
  CHECK_EQ(lido_weak_from_double(1e300).bits, 0);
  CHECK_EQ(lido_weak_from_double(0.0 / 0.0 * 1).bits, 0);
  errno = 0;
  CHECK(lido_weak_to_double(lido_weak_from_u64(UINT64_C(1) << 56)) == 0);
  CHECK_EQ(errno, EOVERFLOW);
  errno = 0;
  CHECK(lido_weak_to_double(lido_weak_from_u64((UINT64_C(1) << 32) + (1u << 29))) == 0);
  CHECK_EQ(errno, EOVERFLOW);
  lido_release(object);
  check_end(pool, 0);
}

TEST(weak, the_slots_of_a_slab_that_went_keep_their_generations) {
  enum { OBJECTS = 5000 };
  static lido_weak old[OBJECTS];
  static conn *objects[OBJECTS];
  lido_weak_stats before;
  lido_weak_stats after;
  for (int round = 0; round < 3; round++) {
    lido_pool *pool = with_handles();
    for (int i = 0; i < OBJECTS; i++) objects[i] = lido_pool_alloc(pool);
    for (int i = 0; i < OBJECTS && round > 0; i++) CHECK_NULL(lido_weak_acquire(old[i]));
    for (int i = 0; i < OBJECTS; i++) old[i] = lido_weak_make(objects[i]);
    for (int i = 0; i < OBJECTS; i++) lido_release(objects[i]);
    CHECK_GT(lido_pool_trim(pool), 0);
    for (int i = 0; i < OBJECTS; i++) CHECK_EQ(lido_weak_state_get(old[i]), LIDO_WEAK_STALE);
    check_end(pool, 0);
    lido_weak_stats_get(round == 0 ? &before : &after);
  }
  CHECK_EQ(before.slots, after.slots); /* they served again */
  CHECK_EQ(after.slots_in_use, before.slots_in_use);
}

static size_t destroyed;
static void on_destroy(void *object, void *context) {
  conn *c = object;
  CHECK_SAME(lido_weak_acquire(lido_weak_make(object)), NULL);
  destroyed += c->number;
  CHECK_SAME(context, &destroyed);
}

TEST(weak, the_destructor_runs_at_each_death) {
  destroyed = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(conn), .flags = LIDO_POOL_HANDLES, .destroy = on_destroy, .context = &destroyed});
  for (int i = 0; i < 10; i++) {
    conn *object = lido_pool_alloc(pool);
    object->number = 1;
    lido_pool_free(pool, object);
    object = lido_pool_alloc(pool);
    object->number = 100;
    lido_retain(object);
    lido_release(object);
    lido_release(object);
  }
  CHECK_EQ(destroyed, 1010);
  conn *left = lido_pool_alloc(pool);
  left->number = 10000;
  left = lido_pool_alloc(pool);
  left->number = 100000;
  lido_weak weak = lido_weak_make(left);
  CHECK_EQ(lido_pool_destroy(pool), 2);
  CHECK_EQ(destroyed, 111010);
  CHECK_NULL(lido_weak_acquire(weak));
}

TEST(weak, options_that_do_not_go_together) {
  static char buffer[1 << 20] __attribute__((aligned(4096)));
  lido_backing *backing = lido_backing_create_buffer(buffer, sizeof buffer);
  lido_pool_options bad[] = {
      {.object_size = 64, .flags = LIDO_POOL_HANDLES | LIDO_POOL_PASSTHROUGH},
      {.object_size = 64, .flags = LIDO_POOL_HANDLES_53 & ~(unsigned)LIDO_POOL_HANDLES},
      {.object_size = 64, .flags = LIDO_POOL_HANDLES, .backing = backing},
      {.object_size = 64, .cleanup_queue = (lido_cleanup_queue *)&buffer},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    errno = 0;
    CHECK_NULL(lido_pool_create(&bad[i]));
    CHECK_EQ(errno, EINVAL);
  }
  lido_backing_destroy(backing);
}

TEST(weak, passthrough_leaves_pools_with_handles_alone) {
  lido_pool_passthrough_set(true);
  lido_pool *pool = with_handles();
  lido_pool_passthrough_set(false);
  conn *object = lido_pool_alloc(pool);
  CHECK_SAME(lido_weak_get(lido_weak_make(object)), object);
  lido_release(object);
  check_end(pool, 0);
}

/* ---- A limit of addresses ---- */

enum { MOST = 32, LEAST = 16 };

/* In a child, as a limit can't be taken back by everyone. -> whether ranges are what fits into a sixteenth of
 * `limit`. */
static bool ranges_fit(size_t limit, unsigned slots, unsigned nodes) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    struct rlimit as;
    bool fit = getrlimit(RLIMIT_AS, &as) == 0;
    as.rlim_cur = limit;
    fit = fit && setrlimit(RLIMIT_AS, &as) == 0 && lido_os_address_limit() == limit;
    _exit(fit && lido_range_log2(MOST, LEAST, 24) == slots && lido_range_log2(26, LEAST, 64) == nodes ? 0 : 1);
  }
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(weak, a_process_with_a_limit_of_addresses_keeps_most_of_it) {
  const size_t mib = (size_t)1 << 20;
  CHECK(ranges_fit(256 * mib, 19, 18));
  CHECK(ranges_fit(1024 * mib, 21, 20));
  CHECK(ranges_fit(mib, LEAST, LEAST));
  CHECK(ranges_fit(1024 * 1024 * mib, 31, 26));
  if (lido_os_address_limit() == SIZE_MAX) CHECK_EQ(lido_range_log2(MOST, LEAST, 24), MOST);
}

/* ---- Failed acquires ---- */

static lido_weak_stats numbers_now(void) {
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  return stats;
}

#define CHECK_ONE_MORE(field, call)         \
  do {                                      \
    lido_weak_stats before = numbers_now(); \
    CHECK_NULL(call);                       \
    before.field++;                         \
    lido_weak_stats after = numbers_now();  \
    CHECK_EQ(before.field, after.field);    \
    CHECK(failures_equal(&before, &after)); \
  } while (0)

static bool failures_equal(const lido_weak_stats *a, const lido_weak_stats *b) {
  return a->failed_null == b->failed_null && a->failed_never_issued == b->failed_never_issued &&
         a->failed_unpublished == b->failed_unpublished && a->failed_killed == b->failed_killed &&
         a->failed_stale == b->failed_stale;
}

TEST(weak, an_acquire_that_fails_is_counted_by_why) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak reserved = lido_weak_reserve(object);
  CHECK_ONE_MORE(failed_unpublished, lido_weak_acquire(reserved));
  lido_weak weak = lido_weak_make(object);
  CHECK_ONE_MORE(failed_null, lido_weak_acquire((lido_weak){0}));
  CHECK_ONE_MORE(failed_never_issued, lido_weak_acquire((lido_weak){UINT64_MAX}));
  CHECK_ONE_MORE(failed_never_issued, lido_weak_acquire((lido_weak){weak.bits + (UINT64_C(1) << 32)}));
  CHECK_ONE_MORE(failed_never_issued, lido_weak_acquire((lido_weak){weak.bits & UINT32_MAX}));
  CHECK(lido_weak_kill(weak));
  CHECK_ONE_MORE(failed_killed, lido_weak_acquire(weak));
  lido_release(object);
  CHECK_ONE_MORE(failed_stale, lido_weak_acquire(weak));
  check_end(pool, 0);
}

TEST(weak, an_acquire_that_succeeds_and_a_get_are_not_counted) {
  lido_pool *pool = with_handles();
  conn *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  lido_weak_stats before = numbers_now();
  CHECK_SAME(lido_weak_acquire(weak), object);
  lido_release(object);
  lido_release(object);
  CHECK_NULL(lido_weak_get(weak));
  lido_weak_stats after = numbers_now();
  CHECK(failures_equal(&before, &after));
  check_end(pool, 0);
}
