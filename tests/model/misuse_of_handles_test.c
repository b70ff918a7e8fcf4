/* misuse_of_handles_test.c: wrong calls on objects and handles, with a handler that returns. Each is one misuse of the
 * right kind, and had no effect: counts, handles and statistics are what they were.
 */
#include <pthread.h>
#include <stdlib.h>

#include "lib/refs/counts.h"
#include "tests/model/watch.h"

enum { BYTES = 64, PINNED = 1 << 26, STEP = 1 << 24 };

static lido_pool *pool_named(const char *name, unsigned flags) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = name, .object_size = BYTES, .flags = flags});
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_pool *with_handles(void) { return pool_named("conn", LIDO_POOL_HANDLES); }

static void check_end(lido_pool *pool, size_t live) {
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), live);
  CHECK_NULL(lido_weak_check());
}

/* ---- All calls that take an object ---- */

enum { MAKE, RESERVE, PUBLISH, RETAIN, RETAIN_N, RELEASE, RELEASE_N, COUNT, CALLS };

/* -> whether it gave what a misuse gives. */
static bool call(int which, void *object) {
  switch (which) {
    case MAKE:
      return lido_weak_make(object).bits == 0;
    case RESERVE:
      return lido_weak_reserve(object).bits == 0;
    case PUBLISH:
      lido_weak_publish(object);
      return true;
    case RETAIN:
      return lido_retain(object) == NULL;
    case RETAIN_N:
      return lido_retain_n(object, STEP + 5) == NULL;
    case RELEASE:
      lido_release(object);
      return true;
    case RELEASE_N:
      lido_release_n(object, 7);
      return true;
    default:
      return lido_reference_count(object) == 0;
  }
}

/* A call that is one misuse and nothing else. `known`: it is told by the pool's name. */
static void call_wrongly(lido_pool *pool, int which, void *object, lido_misuse_kind kind, bool known) {
  lido_pool_stats before = objects_stats(pool);
  lido_weak_stats weak_before;
  lido_weak_stats_get(&weak_before);
  misuse_log_start(&seen);
  errno = EXDEV;
  bool gave = call(which, object);
  int after_errno = errno;
  misuse_log_stop();
  CHECK(gave);
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, kind);
  CHECK_SAME(seen.last.address, object);
  CHECK_TEXT(seen.pool, known ? lido_pool_name(pool) : "no pool with handles");
  CHECK_EQ(after_errno, EXDEV);
  lido_pool_stats after = objects_stats(pool);
  CHECK_EQ(memcmp(&before, &after, sizeof after), 0);
  lido_weak_stats weak_after;
  lido_weak_stats_get(&weak_after);
  CHECK_EQ(memcmp(&weak_before, &weak_after, sizeof weak_after), 0);
  CHECK_SOUND(pool);
}

static void all_calls_wrongly(lido_pool *pool, void *object, lido_misuse_kind kind, bool known) {
  for (int which = 0; which < CALLS; which++) call_wrongly(pool, which, object, kind, known);
}

TEST(misuse_of_handles, but_null_is_none) {
  misuse_log_start(&seen);
  lido_weak_release((lido_weak){0});
  for (int which = 0; which < COUNT; which++) call(which, NULL);
  misuse_log_stop();
  CHECK_EQ(seen.count, 0);
  CHECK_NULL(lido_weak_check());
}

TEST(misuse_of_handles, addresses_that_are_no_objects) {
  static _Alignas(64) char fixed[64];
  _Alignas(64) char local[64];
  lido_pool *pool = with_handles();
  lido_pool *plain = pool_named("plain", 0);
  void *object = lido_pool_alloc(pool);
  void *block = malloc(4096);
  void *other = lido_pool_alloc(plain);
  CHECK(block != NULL && other != NULL);
  void *const foreign[] = {fixed, fixed + 1, local, block, other, pool, (void *)8, (void *)64, (void *)UINTPTR_MAX};
  static const uintptr_t far[] = {0x1234567812345678, 0xffff888000000000, INTPTR_MAX};
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
    all_calls_wrongly(pool, foreign[i], LIDO_MISUSE_FOREIGN, false);
  for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
    all_calls_wrongly(pool, (void *)far[i], LIDO_MISUSE_FOREIGN, false);
  /* In a region's header, and behind the last object of a slab. */
  char *region = (char *)((uintptr_t)object & ~(uintptr_t)((16 << 20) - 1));
  all_calls_wrongly(pool, region, LIDO_MISUSE_FOREIGN, false);
  free(block);
  check_end(plain, 1);
  check_end(pool, 1);
}

TEST(misuse_of_handles, addresses_inside_objects) {
  static const size_t sizes[] = {1, 24, 64, 100, 3000, 65536, 1 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    lido_pool *pool = lido_pool_create(
        &(lido_pool_options){.name = "conn", .object_size = sizes[i], .align = 8, .flags = LIDO_POOL_HANDLES});
    CHECK_NOT_NULL(pool);
    size_t stride = objects_stride(sizes[i], 8);
    lido_pool_alloc(pool);
    char *object = lido_pool_alloc(pool);
    for (size_t offset = 1; offset < stride; offset += offset < 16 ? 1 : offset / 2) {
      all_calls_wrongly(pool, object + offset, LIDO_MISUSE_INTERIOR, true);
      CHECK_EQ(seen.last.offset, offset);
      CHECK_NE(seen.last.object, LIDO_NO_OBJECT);
    }
    check_end(pool, 2);
  }
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

static void use_of_the_dead(lido_pool *pool, void *object) {
  for (int which = MAKE; which <= RETAIN_N; which++) call_wrongly(pool, which, object, LIDO_MISUSE_DEAD_OBJECT, true);
  call_wrongly(pool, RELEASE, object, LIDO_MISUSE_DOUBLE_FREE, true);
  call_wrongly(pool, RELEASE_N, object, LIDO_MISUSE_OVER_RELEASE, true);
}

static void use_of_the_dead_in(unsigned flags) {
  lido_pool *pool = pool_named("conn", flags);
  void *keeper = lido_pool_alloc(pool);
  void *never = lido_pool_alloc(pool); /* one that was never counted, and one that was */
  void *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  lido_pool_free(pool, never);
  use_of_the_dead(pool, never);
  lido_release(object);
  use_of_the_dead(pool, object);
  lido_thread_flush();
  use_of_the_dead(pool, never);
  use_of_the_dead(pool, object);
  lido_pool_trim(pool);
  use_of_the_dead(pool, object); /* the keeper keeps the slab */
  lido_reserve *reserve = lido_reserve_create(pool, objects_stats(pool).objects - 1);
  CHECK_NOT_NULL(reserve);
  use_of_the_dead(pool, object);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  lido_pool_free(pool, keeper);
  check_end(pool, 0);
}

TEST(misuse_of_handles, objects_that_are_dead) { use_of_the_dead_in(LIDO_POOL_HANDLES); }
TEST(misuse_of_handles, zeroed_objects_that_are_dead) { use_of_the_dead_in(LIDO_POOL_HANDLES | LIDO_POOL_ZERO); }
TEST(misuse_of_handles, dead_objects_of_one_thread) {
  use_of_the_dead_in(LIDO_POOL_HANDLES_53 | LIDO_POOL_SINGLE_THREAD);
}

/* Its slab went back: then the address is nobody's. */
TEST(misuse_of_handles, objects_whose_slab_is_gone) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  lido_release(object);
  CHECK_GT(lido_pool_trim(pool), 0);
  all_calls_wrongly(pool, object, LIDO_MISUSE_FOREIGN, false);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  check_end(pool, 0);
}

/* A free of a counted object to a pool that is not its own. */
TEST(misuse_of_handles, a_counted_object_of_another_pool) {
  for (int flags = 0; flags <= LIDO_POOL_HANDLES; flags += LIDO_POOL_HANDLES) {
    lido_pool *pool = pool_named("conn", (unsigned)flags);
    lido_pool *other = pool_named("other", LIDO_POOL_HANDLES);
    void *object = lido_pool_alloc(other);
    lido_weak weak = lido_weak_make(object);
    lido_pool_free(pool, lido_pool_alloc(pool));
    watch w = watch_start(pool);
    lido_pool_free(pool, object);
    watch_end(&w, LIDO_MISUSE_WRONG_POOL, object);
    CHECK_TEXT(seen.other_pool, "other");
    CHECK_SAME(lido_weak_get(weak), object);
    CHECK_EQ(lido_reference_count(object), 1);
    check_end(pool, 0);
    check_end(other, 1);
  }
}

#endif

/* ---- While the pool comes and goes ---- */

typedef struct passing {
  void *object;  /* atomic: of the pool that is or was there */
  size_t rounds; /* atomic: still to come */
} passing;

static void *make_and_destroy(void *argument) {
  passing *p = argument;
  for (size_t left = testing_scaled(4000); left != 0; left--) {
    lido_pool *pool = with_handles();
    __atomic_store_n(&p->object, lido_pool_alloc(pool), __ATOMIC_RELAXED);
    CHECK_EQ(lido_pool_destroy(pool), 1);
    __atomic_store_n(&p->rounds, left - 1, __ATOMIC_RELEASE);
  }
  return NULL;
}

/* A report says either all of a pool or nothing. */
static void misuse_in_passing(char *object) {
  size_t before = seen.count;
  lido_retain(object + 1);
  CHECK_EQ(seen.count, before + 1);
  bool known = seen.last.object != LIDO_NO_OBJECT;
  CHECK_EQ(seen.last.kind, known ? LIDO_MISUSE_INTERIOR : LIDO_MISUSE_FOREIGN);
  CHECK_EQ(seen.last.offset, known ? 1 : 0);
  CHECK_TEXT(seen.pool, known ? "conn" : "no pool with handles");
}

TEST(misuse_of_handles, reports_do_not_follow_a_pool_that_goes) {
  passing p = {.rounds = 1};
  pthread_t thread;
  misuse_log_start(&seen);
  CHECK_EQ(pthread_create(&thread, NULL, make_and_destroy, &p), 0);
  while (__atomic_load_n(&p.rounds, __ATOMIC_ACQUIRE) != 0) {
    char *object = __atomic_load_n(&p.object, __ATOMIC_RELAXED);
    if (object != NULL) misuse_in_passing(object);
  }
  pthread_join(thread, NULL);
  misuse_log_stop();
  CHECK_NULL(lido_weak_check());
}

/* ---- Releases too many ---- */

static void release_too_many(lido_pool *pool, void *object, size_t count) {
  watch w = watch_start(pool);
  lido_release_n(object, count);
  watch_end(&w, LIDO_MISUSE_OVER_RELEASE, object);
  CHECK_EQ(seen.last.offset, 0);
  CHECK_NE(seen.last.object, LIDO_NO_OBJECT);
}

TEST(misuse_of_handles, more_releases_than_references) {
  static const size_t too_many[] = {1000000, STEP,           STEP + 1,        STEP + 5, PINNED - 1,
                                    PINNED,  PINNED * 4 + 1, (size_t)1 << 36, SIZE_MAX};
  lido_pool *pool = with_handles();
  for (int state = 0; state < 4; state++) {
    void *object = lido_pool_alloc(pool);
    lido_weak weak = {0};
    if (state == 1) weak = lido_weak_reserve(object);
    if (state >= 2) weak = lido_weak_make(object);
    if (state == 3) lido_weak_kill(weak);
    for (size_t references = 1; references < 6; references++) {
      release_too_many(pool, object, references + 1);
      for (size_t i = 0; i < sizeof too_many / sizeof *too_many; i++) release_too_many(pool, object, too_many[i]);
      CHECK_EQ(lido_reference_count(object), references);
      CHECK(lido_pool_owns(pool, object));
      if (state == 2) CHECK_SAME(lido_weak_get(weak), object);
      CHECK_SAME(lido_retain(object), object);
    }
    lido_release_n(object, 6);
    CHECK(!lido_pool_owns(pool, object));
  }
  check_end(pool, 0);
}

static void weak_release_too_many(lido_pool *pool, lido_weak weak, const void *about) {
  watch w = watch_start(pool);
  lido_weak_release(weak);
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, LIDO_MISUSE_OVER_RELEASE);
  CHECK_SAME(seen.last.address, about);
  lido_pool_stats after = objects_stats(pool);
  CHECK_EQ(memcmp(&w.before, &after, sizeof after), 0);
  CHECK_SOUND(pool);
  CHECK_NULL(lido_weak_check());
}

TEST(misuse_of_handles, releases_by_a_handle_of_another_life) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  lido_weak first = lido_weak_make(object);
  lido_release(object);
  weak_release_too_many(pool, first, object); /* nobody's */
  CHECK_SAME(lido_pool_alloc(pool), object);
  weak_release_too_many(pool, first, object); /* of one that nobody counts */
  lido_weak second = lido_weak_reserve(object);
  for (size_t references = 1; references < 4; references++) {
    weak_release_too_many(pool, first, object);
    CHECK_EQ(lido_reference_count(object), references);
    lido_retain(object);
  }
  lido_weak_publish(object);
  weak_release_too_many(pool, first, object);
  CHECK_SAME(lido_weak_get(second), object);
  lido_weak third = lido_weak_from_u64(second.bits + (UINT64_C(1) << LIDO_GENERATION_SHIFT));
  weak_release_too_many(pool, third, object); /* of one that is not born yet */
  lido_weak_kill(second);
  weak_release_too_many(pool, first, object);
  lido_release_n(object, 4);
  weak_release_too_many(pool, first, object);
  weak_release_too_many(pool, second, object);
  weak_release_too_many(pool, third, object); /* of a life that might come */
  CHECK_GT(lido_pool_trim(pool), 0);
  weak_release_too_many(pool, first, NULL);
  weak_release_too_many(pool, second, NULL);
  check_end(pool, 0);
}

TEST(misuse_of_handles, releases_by_handles_that_never_were) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  uint64_t bits = lido_weak_make(object).bits;
  weak_release_too_many(pool, lido_weak_from_u64(UINT64_MAX), NULL);
  weak_release_too_many(pool, lido_weak_from_u64(bits >> 32 << 32), NULL); /* slot 0 */
  weak_release_too_many(pool, lido_weak_from_u64((uint32_t)bits), object); /* generation 0 */
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  weak_release_too_many(pool, lido_weak_from_u64(stats.slots), NULL); /* memory, but no slot yet */
  weak_release_too_many(pool, lido_weak_from_u64(stats.slots | UINT64_C(1) << 32), NULL);
  CHECK_EQ(lido_reference_count(object), 1);
  check_end(pool, 1);
}

/* ---- In a destructor ---- */

typedef struct death {
  lido_pool *pool;
  lido_weak weak;
  size_t deaths;
  int what;
  bool gave;
  size_t ended;
} death;

enum { IN_RETAIN, IN_RETAIN_N, IN_RELEASE, IN_RELEASE_N, IN_FREE, IN_WEAK_RELEASE, IN_DESTROY, IN_MISUSES };

static void misuse_in_death(void *object, void *context) {
  death *d = context;
  if (d->deaths++ != 0) return;
  switch (d->what) {
    case IN_RETAIN:
      d->gave = lido_retain(object) == NULL;
      break;
    case IN_RETAIN_N:
      d->gave = lido_retain_n(object, 100) == NULL;
      break;
    case IN_RELEASE:
      lido_release(object);
      break;
    case IN_RELEASE_N:
      lido_release_n(object, 3);
      break;
    case IN_FREE:
      lido_pool_free(d->pool, object);
      break;
    case IN_WEAK_RELEASE:
      lido_weak_release(d->weak);
      break;
    default:
      d->ended = lido_pool_destroy(d->pool);
  }
}

static void misuse_in_a_destructor(int what, lido_misuse_kind kind) {
  death d = {.what = what, .gave = true};
  d.pool = lido_pool_create(&(lido_pool_options){
      .name = "conn", .object_size = BYTES, .flags = LIDO_POOL_HANDLES, .destroy = misuse_in_death, .context = &d});
  CHECK_NOT_NULL(d.pool);
  void *before = lido_pool_alloc(d.pool);
  void *object = lido_pool_alloc(d.pool);
  void *after = lido_pool_alloc(d.pool);
  lido_weak weaks[] = {lido_weak_make(before), lido_weak_make(after)};
  d.weak = lido_weak_make(object);
  misuse_log_start(&seen);
  errno = EXDEV;
  lido_release(object);
  int after_errno = errno;
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, kind);
  CHECK_SAME(seen.last.address, what == IN_DESTROY ? (void *)d.pool : object);
  CHECK_TEXT(seen.pool, "conn");
  CHECK_EQ(after_errno, EXDEV);
  CHECK(d.gave);
  CHECK_EQ(d.deaths, 1);
  CHECK_EQ(d.ended, 0);
  CHECK_EQ(lido_weak_state_get(d.weak), LIDO_WEAK_STALE);
  CHECK_SAME(lido_weak_get(weaks[0]), before);
  CHECK_SAME(lido_weak_get(weaks[1]), after);
  CHECK_EQ(objects_stats(d.pool).live, 2);
  void *next = lido_pool_alloc(d.pool);
  CHECK_EQ(lido_weak_make(next).bits - d.weak.bits, next == object ? UINT64_C(1) << LIDO_GENERATION_SHIFT : 0);
  check_end(d.pool, 3);
  CHECK_EQ(d.deaths, 4);
}

TEST(misuse_of_handles, a_new_reference_in_a_destructor) {
  misuse_in_a_destructor(IN_RETAIN, LIDO_MISUSE_DYING);
  misuse_in_a_destructor(IN_RETAIN_N, LIDO_MISUSE_DYING);
}

TEST(misuse_of_handles, a_release_in_a_destructor) {
  for (int what = IN_RELEASE; what <= IN_WEAK_RELEASE; what++) misuse_in_a_destructor(what, LIDO_MISUSE_OVER_RELEASE);
}

TEST(misuse_of_handles, the_end_of_the_pool_in_a_destructor) {
  misuse_in_a_destructor(IN_DESTROY, LIDO_MISUSE_REENTRY);
}

/* What is allowed there: the object's own handle, to take it out of tables; it leads nowhere. */
static void ask_in_death(void *object, void *context) {
  death *d = context;
  d->gave = lido_weak_make(object).bits == d->weak.bits && lido_weak_reserve(object).bits == d->weak.bits;
  d->gave &= lido_weak_get(d->weak) == NULL && lido_weak_acquire(d->weak) == NULL && !lido_weak_kill(d->weak);
  d->gave &= lido_weak_state_get(d->weak) == LIDO_WEAK_STALE && lido_reference_count(object) == 0;
  lido_weak_publish(object);
  d->deaths++;
}

TEST(misuse_of_handles, questions_in_a_destructor_are_none) {
  death d = {0};
  d.pool = lido_pool_create(
      &(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HANDLES, .destroy = ask_in_death, .context = &d});
  CHECK_NOT_NULL(d.pool);
  for (int made = 0; made < 2; made++) {
    void *object = lido_pool_alloc(d.pool);
    d.weak = made ? lido_weak_make(object) : lido_weak_reserve(object);
    lido_release(object);
    CHECK(d.gave);
  }
  CHECK_EQ(d.deaths, 2);
  check_end(d.pool, 0);
}

/* ---- Too many references ---- */

static size_t saturated(void) {
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  return stats.saturated;
}

/* However the limit is met, it is reported once, and the object stays whatever is released. */
static void saturate(int how) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  size_t before = saturated();
  misuse_log_start(&seen);
  for (int i = 0; i < 3; i++) CHECK_SAME(lido_retain_n(object, STEP), object);
  CHECK_SAME(lido_retain_n(object, STEP - 2), object);
  CHECK_EQ(seen.count, 0);
  CHECK_EQ(lido_reference_count(object), PINNED - 1);
  if (how == 0) CHECK_SAME(lido_retain(object), object);
  if (how == 1) CHECK_SAME(lido_weak_acquire(weak), object);
  if (how == 2) CHECK_SAME(lido_retain_n(object, STEP * 3), object);
  if (how == 3) CHECK_SAME(lido_retain_n(object, SIZE_MAX), object);
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, LIDO_MISUSE_SATURATED);
  CHECK_SAME(seen.last.address, object);
  CHECK_EQ(saturated(), before + 1);
  for (int i = 0; i < 40; i++) {
    CHECK_SAME(lido_retain_n(object, STEP), object);
    CHECK_SAME(lido_retain_n(object, SIZE_MAX), object);
    CHECK_SAME(lido_weak_acquire(weak), object);
    lido_release_n(object, SIZE_MAX);
    lido_release_n(object, STEP);
    lido_release_n(object, STEP - 1);
    lido_release(object);
    lido_weak_release(weak);
    lido_pool_free(pool, object);
  }
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(saturated(), before + 1);
  CHECK_SAME(lido_weak_get(weak), object);
  CHECK(lido_weak_kill(weak));
  check_end(pool, 1);
}

TEST(misuse_of_handles, too_many_retains_are_told_once) { saturate(0); }
TEST(misuse_of_handles, too_many_acquires_are_told_once) { saturate(1); }
TEST(misuse_of_handles, too_many_at_once_are_told_once) { saturate(2); }
TEST(misuse_of_handles, as_many_as_can_be_said_are_told_once) { saturate(3); }

/* By the first count that is kept of it. */
TEST(misuse_of_handles, too_many_from_the_first_are_told_once) {
  static const size_t counts[] = {PINNED - 1, PINNED, (size_t)1 << 28, (size_t)1 << 32, SIZE_MAX - 1, SIZE_MAX};
  lido_pool *pool = with_handles();
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    void *object = lido_pool_alloc(pool);
    size_t before = saturated();
    misuse_log_start(&seen);
    CHECK_SAME(lido_retain_n(object, counts[i]), object);
    CHECK_EQ(seen.count, 1);
    CHECK_EQ(seen.last.kind, LIDO_MISUSE_SATURATED);
    CHECK_SAME(seen.last.address, object);
    lido_release_n(object, counts[i]);
    lido_release_n(object, 2);
    misuse_log_stop();
    CHECK_EQ(seen.count, 1);
    CHECK_EQ(saturated(), before + 1);
    CHECK(lido_pool_owns(pool, object));
  }
  check_end(pool, sizeof counts / sizeof *counts);
}

TEST(misuse_of_handles, the_most_references_that_are_counted_go_at_once) {
  lido_pool *pool = with_handles();
  for (int first = 0; first < 2; first++) {
    void *object = lido_pool_alloc(pool);
    if (!first) lido_weak_make(object);
    misuse_log_start(&seen);
    CHECK_SAME(lido_retain_n(object, PINNED - 2), object);
    CHECK_EQ(lido_reference_count(object), PINNED - 1);
    lido_release_n(object, PINNED - 2);
    CHECK_EQ(lido_reference_count(object), 1);
    lido_retain_n(object, PINNED - 2);
    lido_release_n(object, PINNED - 1);
    misuse_log_stop();
    CHECK_EQ(seen.count, 0);
    CHECK(!lido_pool_owns(pool, object));
  }
  check_end(pool, 0);
}

TEST(misuse_of_handles, a_count_just_below_the_limit_counts) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  misuse_log_start(&seen);
  for (int i = 0; i < 3; i++) lido_retain_n(object, STEP);
  lido_retain_n(object, STEP - 3);
  for (int i = 0; i < 10; i++) {
    CHECK_SAME(lido_weak_acquire(weak), object);
    lido_weak_release(weak);
    CHECK_SAME(lido_retain(object), object);
    lido_release(object);
  }
  for (int i = 0; i < 3; i++) lido_release_n(object, STEP);
  lido_release_n(object, STEP - 3);
  CHECK_EQ(lido_reference_count(object), 1);
  lido_release(object);
  misuse_log_stop();
  CHECK_EQ(seen.count, 0);
  check_end(pool, 0);
}
