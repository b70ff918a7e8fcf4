/* cleanup_threads_test.c: threads that add cleanups to each other's objects, stop each other's, release, drain, end
 * queues, exit and fork, all at once. Every cleanup has a cell that counts how it ended: it ran or was stopped, once.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"

enum { WORKERS = 4, BYTES = 64, SHELF = 16, CHILD_SECONDS = 30 };

static lido_pool *make_pool(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(pool);
  return pool;
}

static void check_rest(lido_pool *pool) {
  lido_weak_stats stats;
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  lido_weak_stats_get(&stats);
  CHECK_EQ(stats.cleanups, 0);
  CHECK_NULL(lido_weak_check());
}

static uint64_t get(const uint64_t *field) { return __atomic_load_n(field, __ATOMIC_ACQUIRE); }
static void set(uint64_t *field, uint64_t value) { __atomic_store_n(field, value, __ATOMIC_RELEASE); }
static void count(uint64_t *field) { __atomic_fetch_add(field, 1, __ATOMIC_ACQ_REL); }

/* ---- A graveyard: a shelf of objects that all threads reach, and a cell for each cleanup ---- */

typedef struct cell {
  uint64_t cleanup; /* atomic: its handle, when there is one */
  uint64_t ran;
  uint64_t stopped;
} cell;

typedef struct graveyard {
  lido_pool *pool;
  lido_cleanup_queue *drained; /* by whoever feels like it */
  lido_cleanup_queue *worked;  /* by a worker */
  uint64_t shelf[SHELF];       /* atomic: weak handles */
  cell *cells;
  size_t rounds; /* and cells of each worker */
  uint64_t notified;
  int over;
} graveyard;

static void note_run(void *arg) { count(&(*(cell **)arg)->ran); }

static void count_notify(void *context) { count(context); }

static void count_warning(size_t pending, void *context) {
  if (pending != 0) count(context);
}

static void stop_one(graveyard *yard, crew_member *me) {
  cell *c = &yard->cells[testing_below(&me->random, WORKERS * yard->rounds)];
  lido_cleanup cleanup = {get(&c->cleanup)};
  if (cleanup.bits == 0) return;
  lido_cleanup_outcome outcome = lido_cleanup_stop(cleanup);
  if (outcome == LIDO_CLEANUP_STOPPED) count(&c->stopped);
  if (outcome == LIDO_CLEANUP_RAN) CREW_HOLDS(me->crew, get(&c->ran) == 1 && get(&c->stopped) == 0);
}

static void add_one(graveyard *yard, crew_member *me, void *object, cell *c) {
  lido_cleanup_queue *queues[] = {NULL, yard->drained, yard->worked};
  lido_cleanup_queue *queue = queues[testing_below(&me->random, 3)];
  lido_cleanup cleanup = lido_cleanup_add_copy_to(queue, object, note_run, &c, sizeof c);
  if (CREW_HOLDS(me->crew, cleanup.bits != 0)) set(&c->cleanup, cleanup.bits);
  if (testing_below(&me->random, 8) == 0 && lido_cleanup_stop(cleanup) == LIDO_CLEANUP_STOPPED) count(&c->stopped);
}

/* Somebody's, or a new one instead of it. */
static void *an_object(graveyard *yard, crew_member *me) {
  uint64_t *place = &yard->shelf[testing_below(&me->random, SHELF)];
  void *object = lido_weak_acquire(lido_weak_from_u64(get(place)));
  if (object != NULL) return object;
  object = lido_pool_alloc(yard->pool);
  set(place, lido_weak_make(object).bits);
  return object;
}

static void bury(crew_member *me) {
  graveyard *yard = me->shared;
  void *held[4] = {NULL};
  for (size_t i = 0; i < yard->rounds && crew_goes_on(me->crew); i++) {
    void **place = &held[testing_below(&me->random, 4)];
    lido_release(*place);
    *place = an_object(yard, me);
    if (!CREW_HOLDS(me->crew, *place != NULL)) break;
    add_one(yard, me, *place, &yard->cells[me->index * yard->rounds + i]);
    stop_one(yard, me);
    if (i % 16 == 0) lido_cleanup_queue_drain(yard->drained, testing_below(&me->random, 20), 0);
  }
  for (size_t i = 0; i < 4; i++) lido_release(held[i]);
}

static void begin(graveyard *yard, size_t rounds) {
  *yard = (graveyard){.pool = make_pool(), .rounds = rounds, .cells = calloc(WORKERS * rounds, sizeof(cell))};
  yard->drained = lido_cleanup_queue_create(&(lido_cleanup_queue_options){.notify = count_notify,
                                                                          .on_high_water = count_warning,
                                                                          .high_water = 30,
                                                                          .assist_beyond = 50,
                                                                          .context = &yard->notified,
                                                                          .wants_eventfd = true});
  yard->worked = lido_cleanup_queue_create(NULL);
  CHECK_NOT_NULL(yard->cells);
  CHECK_NOT_NULL(yard->drained);
  CHECK_EQ(lido_cleanup_worker_start(yard->worked), 0);
}

static void end(graveyard *yard) {
  lido_cleanup_queue_destroy(yard->worked);
  lido_cleanup_queue_destroy(yard->drained);
  check_rest(yard->pool);
  size_t stopped = 0;
  for (size_t i = 0; i < WORKERS * yard->rounds; i++) {
    const cell *c = &yard->cells[i];
    if (c->cleanup == 0) continue;
    CHECK_EQ(c->ran + c->stopped, 1);
    stopped += c->stopped;
  }
  CHECK_GT(stopped, 0);
  free(yard->cells);
}

TEST(cleanup_threads, each_cleanup_runs_or_is_stopped_once) {
  static crew team;
  graveyard yard;
  begin(&yard, testing_scaled(200000));
  crew_start(&team, WORKERS, testing_seed(), bury, &yard);
  CHECK_CREW(&team);
  CHECK_GT(yard.notified, 0);
  end(&yard);
}

/* ---- Queues that end under load ---- */

enum { MOURNERS = 3, EACH = 50 };

typedef struct wake {
  lido_pool *pool;
  lido_cleanup_queue *queue;
  uint64_t ran;
  uint64_t notified;
  uint64_t late; /* notifications after the end */
  int over;
  bool hands_back;
} wake;

static void count_run(void *arg) { count(arg); }

static void note_notification(void *context) {
  wake *w = context;
  count(&w->notified);
  if (flag_get(&w->over)) count(&w->late);
}

static void take_over(lido_cleanup_function fn, void *arg, void *context) {
  (void)context;
  fn(arg);
}

static void end_queue(wake *w) {
  if (w->hands_back) {
    lido_cleanup_queue_destroy_with(w->queue, take_over, NULL);
  } else {
    lido_cleanup_queue_destroy(w->queue);
  }
  flag_set(&w->over, 1);
}

typedef struct inheritance {
  wake *w;
  void *objects[MOURNERS][EACH];
} inheritance;

/* The objects were made before. */
static void release_all_or_end(crew_member *me) {
  inheritance *all = me->shared;
  if (me->index == 0) {
    for (size_t i = testing_below(&me->random, 30); i > 0; i--) sched_yield();
    end_queue(all->w);
    return;
  }
  for (size_t i = 0; i < EACH; i++) lido_release(all->objects[me->index - 1][i]);
}

static void wake_once(uint64_t seed, bool has_worker, bool hands_back) {
  static crew team;
  wake w = {.pool = make_pool(), .hands_back = hands_back};
  inheritance all = {.w = &w};
  w.queue = lido_cleanup_queue_create(&(lido_cleanup_queue_options){
      .notify = note_notification, .context = &w, .assist_beyond = 10, .wants_eventfd = true});
  CHECK_NOT_NULL(w.queue);
  if (has_worker) CHECK_EQ(lido_cleanup_worker_start(w.queue), 0);
  for (size_t m = 0; m < MOURNERS; m++) {
    for (size_t i = 0; i < EACH; i++) {
      all.objects[m][i] = lido_pool_alloc(w.pool);
      CHECK_NE(lido_cleanup_add_to(w.queue, all.objects[m][i], count_run, &w.ran).bits, 0);
    }
  }
  crew_start(&team, MOURNERS + 1, seed, release_all_or_end, &all);
  CHECK_CREW(&team);
  CHECK_EQ(w.ran, MOURNERS * EACH);
  CHECK_EQ(w.late, 0);
  check_rest(w.pool);
}

TEST(cleanup_threads, queues_end_while_others_push) {
  uint64_t seed = testing_seed();
  for (size_t i = 0, rounds = testing_scaled(1500); i < rounds; i++) wake_once(seed + i, i % 2, i % 3 == 0);
}

/* ---- Short threads ---- */

static void live_shortly(crew_member *me) {
  graveyard *yard = me->shared;
  cell *c = &yard->cells[me->index];
  void *object = lido_pool_alloc(yard->pool);
  for (int i = 0; i < 200; i++) {
    lido_cleanup cleanup = lido_cleanup_add_copy_to(i % 2 ? yard->drained : NULL, object, note_run, &c, sizeof c);
    CREW_HOLDS(me->crew, cleanup.bits != 0);
    if (i % 3 == 0) CREW_HOLDS(me->crew, lido_cleanup_stop(cleanup) == LIDO_CLEANUP_STOPPED);
  }
  lido_release(object);
}

static int64_t short_threads(size_t rounds) {
  static crew team;
  graveyard yard;
  begin(&yard, 1);
  for (size_t round = 0; round < rounds; round++) {
    crew_start(&team, WORKERS, round, live_shortly, &yard);
    CHECK_CREW(&team);
  }
  lido_cleanup_queue_destroy(yard.drained);
  lido_cleanup_queue_destroy(yard.worked);
  uint64_t ran = 0;
  for (size_t i = 0; i < WORKERS; i++) ran += yard.cells[i].ran;
  CHECK_EQ(ran, rounds * WORKERS * 133);
  check_rest(yard.pool);
  free(yard.cells);
  return objects_bytes_held();
}

TEST(cleanup_threads, short_threads_leave_nothing) {
  short_threads(1);
  int64_t before = short_threads(1);
  CHECK_EQ(short_threads(testing_scaled(500)), before);
}

/* ---- Forks ---- */

static void live_on_in_child(graveyard *yard) {
  uint64_t ran = 0;
  alarm(CHILD_SECONDS);
  signal(SIGALRM, SIG_DFL);
  void *object = lido_pool_alloc(yard->pool);
  if (object == NULL) _exit(10);
  if (lido_cleanup_add_to(yard->drained, object, count_run, &ran).bits == 0) _exit(11);
  if (lido_cleanup_add_to(NULL, object, count_run, &ran).bits == 0) _exit(12);
  lido_release(object);
  if (ran != 1) _exit(13);
  size_t pending = lido_cleanup_queue_pending(yard->drained);
  size_t there = lido_cleanup_queue_drain(yard->drained, 0, 0);
  if (ran != 2 || there == 0 || there > pending) _exit(14);
  if (lido_cleanup_queue_pending(yard->drained) != 0) _exit(15);
  if (lido_cleanup_worker_stop(yard->worked) != ESRCH) _exit(16);
  lido_cleanup_queue_destroy(yard->drained);
  lido_cleanup_queue_destroy(yard->worked);
  _exit(0);
}

static void bury_until_over(crew_member *me) {
  graveyard *yard = me->shared;
  while (!flag_get(&yard->over) && crew_goes_on(me->crew)) {
    void *object = an_object(yard, me);
    cell *c = &yard->cells[me->index];
    lido_cleanup_queue *queue = testing_below(&me->random, 2) ? yard->drained : yard->worked;
    lido_cleanup cleanup = lido_cleanup_add_copy_to(queue, object, note_run, &c, sizeof c);
    if (testing_below(&me->random, 4) == 0) lido_cleanup_stop(cleanup);
    lido_release(object);
    if (testing_below(&me->random, 8) == 0) lido_cleanup_queue_drain(yard->drained, 5, 0);
  }
}

TEST(cleanup_threads, forks_under_load) {
  static crew team;
  graveyard yard;
  begin(&yard, 1);
  crew_start(&team, WORKERS, testing_seed(), bury_until_over, &yard);
  for (size_t i = 0, forks = testing_scaled(40); i < forks; i++) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) live_on_in_child(&yard);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
  }
  flag_set(&yard.over, 1);
  CHECK_CREW(&team);
  lido_cleanup_queue_destroy(yard.worked);
  lido_cleanup_queue_destroy(yard.drained);
  check_rest(yard.pool);
  free(yard.cells);
}
