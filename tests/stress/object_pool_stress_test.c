/* object_pool_stress_test.c: threads get, hand over and put objects of one pool while others trim, flush, exit and
 * fork. Who has an object has it alone, and finds it as it was reset; none is lost, and none is destroyed twice.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"

enum { HELD = 40, HANDED = 16, WORKERS = 4, CHILD_SECONDS = 30, ITEMS_OF_CHILD = 400 };

/* The workshop's objects: a stamp shows who has it. */
typedef struct item {
  stamp mark;
  int clean; /* plain: who else looks at it is a race */
  size_t bytes;
} item;

typedef struct yard {
  lido_object_pool *pool;
  size_t rounds;        /* 0: until it is over */
  void *handed[HANDED]; /* objects on their way from one thread to another */
  uint64_t created;     /* atomic, as all below */
  uint64_t destroyed;
  uint64_t finished; /* threads */
  int over;
  bool trims; /* workers trim, too */
} yard;

typedef struct hands {
  crew_member *me;
  yard *yard;
  item *items[HELD];
  size_t count;
  uint64_t serial;
} hands;

static void count_one(uint64_t *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* AddressSanitizer does not hold its malloc's locks over a fork, so the child of one has items of its own, and frees
 * none. */
static bool is_child;
static item items_of_child[ITEMS_OF_CHILD];
static size_t made_by_child;

static item *item_memory(void) {
  if (!is_child) return calloc(1, sizeof(item));
  return made_by_child < ITEMS_OF_CHILD ? &items_of_child[made_by_child++] : NULL;
}

static void *item_new(void *context) {
  item *made = item_memory();
  if (made == NULL) return NULL;
  made->clean = 1;
  count_one(&((yard *)context)->created);
  return made;
}

static void item_reset(void *object, void *context) {
  (void)context;
  ((item *)object)->clean = 1;
}

static void item_end(void *object, void *context) {
  memset(object, 0xdd, sizeof(item));
  if (!is_child) free(object);
  count_one(&((yard *)context)->destroyed);
}

static size_t item_size(const void *object, void *context) {
  (void)context;
  return ((const item *)object)->bytes;
}

/* ---- What the threads do ---- */

static void put_one(hands *h, size_t chosen) {
  item *mine = h->items[chosen];
  h->items[chosen] = h->items[--h->count];
  CREW_HOLDS(h->me->crew, stamp_is_whole(mine, sizeof mine->mark));
  CREW_HOLDS(h->me->crew, mine->clean == 0);
  if (h->yard->pool != NULL) lido_object_pool_put(h->yard->pool, mine);
}

static void keep(hands *h, item *mine) {
  if (h->count == HELD) put_one(h, testing_below(&h->me->random, HELD));
  h->items[h->count++] = mine;
}

static void get_one(hands *h) {
  item *mine = lido_object_pool_get(h->yard->pool);
  if (!CREW_HOLDS(h->me->crew, mine != NULL)) return;
  CREW_HOLDS(h->me->crew, mine->clean == 1);
  mine->clean = 0;
  mine->bytes = testing_below(&h->me->random, 200);
  stamp_put(mine, sizeof mine->mark, h->me->index, ++h->serial);
  keep(h, mine);
}

static void hand_over(hands *h) {
  void *mine = h->count != 0 ? h->items[--h->count] : NULL;
  void *other = slot_exchange(&h->yard->handed[testing_below(&h->me->random, HANDED)], mine);
  if (other != NULL) keep(h, other);
}

static void look_at_statistics(hands *h) {
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(h->yard->pool, &stats);
  CREW_HOLDS(h->me->crew, stats.reuses <= stats.gets);
  CREW_HOLDS(h->me->crew, stats.victims <= stats.kept);
}

static void visit(hands *h) {
  size_t what = testing_below(&h->me->random, 100);
  if (what < 48) {
    get_one(h);
  } else if (what < 92) {
    if (h->count != 0) put_one(h, testing_below(&h->me->random, h->count));
  } else {
    hand_over(h);
  }
  size_t rare = testing_below(&h->me->random, 300);
  if (rare == 0 && h->yard->trims) lido_object_pool_trim(h->yard->pool);
  if (rare == 1) lido_thread_flush();
  if (rare == 2) look_at_statistics(h);
}

static void work(crew_member *me) {
  hands h = {.me = me, .yard = me->shared};
  yard *y = h.yard;
  for (size_t round = 0; y->rounds == 0 ? !flag_get(&y->over) : round < y->rounds; round++) {
    if (!crew_goes_on(me->crew)) break;
    visit(&h);
  }
  while (h.count != 0) put_one(&h, 0);
  count_one(&y->finished);
}

static void open_yard(yard *y, lido_object_pool_options options) {
  *y = (yard){.trims = true};
  options.create = item_new;
  options.reset = item_reset;
  options.destroy = item_end;
  options.context = y;
  y->pool = lido_object_pool_create(&options);
  CHECK_NOT_NULL(y->pool);
}

static void check_sound(lido_object_pool *pool) {
  const char *broken = lido_object_pool_check(pool);
  if (broken != NULL) TESTING_FAIL("%s", broken);
}

static void close_yard(yard *y) {
  for (size_t i = 0; i < HANDED; i++) lido_object_pool_put(y->pool, y->handed[i]);
  check_sound(y->pool);
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(y->pool, &stats);
  CHECK_EQ(stats.out, 0);
  CHECK_EQ(stats.created, y->created);
  CHECK_EQ(stats.created - stats.kept, y->destroyed);
  CHECK_EQ(lido_object_pool_destroy(y->pool), 0);
  CHECK_EQ(y->created, y->destroyed);
}

static void work_in(lido_object_pool_options options, size_t threads, size_t rounds) {
  static crew team;
  static yard y;
  open_yard(&y, options);
  y.rounds = testing_scaled(rounds);
  crew_start(&team, threads, testing_seed(), work, &y);
  CHECK_CREW(&team);
  close_yard(&y);
}

TEST(object_pool_stress, two_threads) { work_in((lido_object_pool_options){0}, 2, 4000000); }
TEST(object_pool_stress, eight_threads) { work_in((lido_object_pool_options){0}, 8, 1000000); }
TEST(object_pool_stress, few_objects_kept) { work_in((lido_object_pool_options){.keep_objects = 30}, 4, 1000000); }
TEST(object_pool_stress, sizes_that_are_not_counted) {
  work_in((lido_object_pool_options){.size = item_size, .keep_bytes_each = 190}, 4, 1000000);
}
TEST(object_pool_stress, few_bytes_kept) {
  work_in((lido_object_pool_options){.size = item_size, .keep_bytes_each = 190, .keep_bytes = 4000}, 4, 1000000);
}

/* ---- A trim all the time, against owners that never wait ---- */

LIDO_OBJECT_POOL_DECLARE(plain_item, item)

static yard plain_yard;

LIDO_OBJECT_POOL_IMPLEMENT(plain_item, item, .create = item_new, .destroy = item_end, .context = &plain_yard)

/* Few calls between two of one thread: get, get, put, put, in all orders, so that each step of the fast paths meets a
 * trim. */
static void get_and_put(crew_member *me) {
  yard *y = me->shared;
  item *mine[8];
  for (size_t round = 0; round < y->rounds && crew_goes_on(me->crew); round++) {
    size_t count = 1 + testing_below(&me->random, 8);
    for (size_t i = 0; i < count; i++) {
      mine[i] = plain_item_get();
      stamp_put(mine[i], sizeof mine[i]->mark, me->index, round);
    }
    for (size_t i = 0; i < count; i++) {
      CREW_HOLDS(me->crew, stamp_is_of(mine[i], sizeof mine[i]->mark, me->index));
      plain_item_put(mine[i]);
    }
  }
  count_one(&y->finished);
}

static void trim_or_work(crew_member *me) {
  yard *y = me->shared;
  if (me->index != 0) {
    get_and_put(me);
    return;
  }
  while (__atomic_load_n(&y->finished, __ATOMIC_RELAXED) + 1 < me->crew->count)
    lido_object_pool_trim(plain_item_objects());
}

TEST(object_pool_stress, one_thread_trims_all_the_time) {
  static crew team;
  plain_yard = (yard){.rounds = testing_scaled(500000)};
  CHECK_NOT_NULL(plain_item_objects());
  crew_start(&team, 4, testing_seed(), trim_or_work, &plain_yard);
  CHECK_CREW(&team);
  plain_yard.pool = plain_item_objects();
  close_yard(&plain_yard);
}

/* ---- Threads that come and go, pools that come and go ---- */

static void live_briefly(crew_member *me) {
  hands h = {.me = me, .yard = me->shared};
  for (size_t i = 0; i < 60; i++) visit(&h);
  while (h.count != 0) put_one(&h, 0);
}

TEST(object_pool_stress, threads_come_and_go) {
  static crew team;
  static yard y;
  size_t rounds = testing_scaled(200);
  open_yard(&y, (lido_object_pool_options){0});
  for (size_t round = 0; round < rounds; round++) {
    crew_start(&team, 8, round, live_briefly, &y);
    CHECK_CREW(&team);
    check_sound(y.pool);
  }
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(y.pool, &stats);
  CHECK_LE(stats.stores, 1);
  close_yard(&y);
}

/* Destroy comes after the last call on the pool, but not after the exits of those who called. */
static void leave_and_exit(crew_member *me) {
  yard *y = me->shared;
  void *first = lido_object_pool_get(y->pool);
  lido_object_pool_put(y->pool, lido_object_pool_get(y->pool));
  lido_object_pool_put(y->pool, first);
  __atomic_fetch_add(&y->finished, 1, __ATOMIC_RELEASE);
}

TEST(object_pool_stress, a_pool_ends_while_its_threads_exit) {
  static crew team;
  static yard y;
  size_t rounds = testing_scaled(1000);
  for (size_t round = 0; round < rounds; round++) {
    open_yard(&y, (lido_object_pool_options){0});
    crew_start(&team, 4, round, leave_and_exit, &y);
    while (__atomic_load_n(&y.finished, __ATOMIC_ACQUIRE) != 4) sched_yield();
    CHECK_EQ(lido_object_pool_destroy(y.pool), 0);
    CHECK_CREW(&team);
    CHECK_EQ(y.created, y.destroyed);
  }
}

/* ---- Forks ---- */

enum child_status { FINE, UNSOUND, NOT_ALONE, NOT_CLEAN, NOT_ENDED };

static int live_as_a_child(yard *y) {
  void *mine[200];
  if (lido_object_pool_check(y->pool) != NULL) return UNSOUND;
  for (size_t i = 0; i < 200; i++) {
    item *got = mine[i] = lido_object_pool_get(y->pool);
    if (got->clean != 1) return NOT_CLEAN;
    got->clean = 2;
    stamp_put(got, sizeof got->mark, 99, i);
  }
  for (size_t i = 0; i < 200; i++) {
    const item *got = mine[i];
    if (got->mark.serial != i) return NOT_ALONE;
    lido_object_pool_put(y->pool, mine[i]);
  }
  lido_object_pool_trim(y->pool);
  if (lido_object_pool_check(y->pool) != NULL) return UNSOUND;
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(y->pool, &stats);
  return lido_object_pool_destroy(y->pool) == stats.out ? FINE : NOT_ENDED;
}

static int fork_once(yard *y) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    is_child = true;
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(live_as_a_child(y));
  }
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

TEST(object_pool_stress, the_child_of_a_fork_is_whole) {
  static crew team;
  static yard y;
  int status = 0;
  open_yard(&y, (lido_object_pool_options){0});
  crew_start(&team, WORKERS, testing_seed(), work, &y);
  size_t forks = testing_scaled(200);
  for (size_t done = 0; done < forks && status == 0 && crew_goes_on(&team); done++) status = fork_once(&y);
  flag_set(&y.over, 1);
  CHECK_CREW(&team);
  if (status != 0)
    TESTING_FAIL("the child's status is %d (signal %d, exit %d)", status, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  close_yard(&y);
}
