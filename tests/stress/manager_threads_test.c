/* manager_threads_test.c: threads find, create, use and end members of managers, while others look, reclaim, tick, set
 * limits and policies, add and remove rules, and fork. What is used never passes the hard limit; at the end nothing is
 * live, and a manager goes while threads that have just used it still live.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"
#include "tests/support/gate.h"

enum { USERS = 2, SHARED = 4, HELD = 64, OBJECT = 1024, MEBI = 1 << 20, CHILD_SECONDS = 30, RULES = 4 };

#define HARD ((size_t)8 * MEBI)

typedef struct world {
  lido_manager *manager;
  size_t rounds;
  gate stopped;
  int over;
  uint64_t fired;    /* atomic */
  uint64_t resolved; /* atomic */
  uint64_t misorder; /* atomic: edges that did not alternate */
  uint64_t last[RULES];
} world;

/* ---- Users ---- */

typedef struct held {
  lido_pool *pool;
  void *object;
} held;

static lido_pool *shared_pool(world *w, crew_member *me) {
  char name[32];
  snprintf(name, sizeof name, "shared %zu", testing_below(&me->random, SHARED));
  return lido_manager_pool(w->manager, &(lido_pool_options){.name = name, .object_size = OBJECT});
}

/* Refused is fine: there is a limit. */
static void hold_one(world *w, crew_member *me, held *h) {
  lido_pool *pool = shared_pool(w, me);
  void *object = pool != NULL ? lido_pool_alloc(pool) : NULL;
  if (object == NULL) return;
  stamp_put(object, OBJECT, me->index + 1, 0);
  *h = (held){pool, object};
}

static void let_go(crew_member *me, held *h) {
  if (h->object == NULL) return;
  CREW_HOLDS(me->crew, stamp_is_of(h->object, OBJECT, me->index + 1));
  lido_pool_free(h->pool, h->object);
  *h = (held){0};
}

/* A pool that only this thread knows, from its beginning to its end. */
static void use_own(world *w, crew_member *me) {
  char name[32];
  snprintf(name, sizeof name, "own %zu %zu", me->index, testing_below(&me->random, 3));
  lido_pool *pool = lido_manager_pool(w->manager, &(lido_pool_options){.name = name, .object_size = 200});
  if (pool == NULL) return;
  CREW_HOLDS(me->crew, lido_manager_pool_find(w->manager, name) == pool);
  for (int i = 0; i < 50; i++) {
    void *object = lido_pool_alloc(pool);
    if (object != NULL) lido_pool_free(pool, object);
  }
  CREW_HOLDS(me->crew, lido_manager_pool_end(w->manager, pool) == 0);
}

static void use_watched(world *w, crew_member *me) {
  char name[32];
  snprintf(name, sizeof name, "watched %zu", me->index);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = name, .object_size = 200});
  if (!CREW_HOLDS(me->crew, pool != NULL && lido_manager_pool_watch(w->manager, pool) == 0)) return;
  lido_pool_free(pool, lido_pool_alloc(pool));
  CREW_HOLDS(me->crew, lido_manager_pool_unwatch(w->manager, pool) == 0);
  lido_pool_destroy(pool);
}

static void use_arena(world *w, crew_member *me) {
  lido_arena_class *cls = lido_manager_arena_class(w->manager, &(lido_arena_options){.name = "requests"});
  if (!CREW_HOLDS(me->crew, cls != NULL)) return;
  lido_arena *arena = lido_arena_acquire(cls);
  if (arena == NULL) return;
  for (int i = 0; i < 10; i++) {
    char *bytes = lido_arena_alloc(arena, 1 + testing_below(&me->random, 10000));
    if (bytes != NULL) bytes[0] = 1;
  }
  lido_arena_release(arena);
}

static void count_cleanup(void *argument) { __atomic_fetch_add((uint64_t *)argument, 1, __ATOMIC_ACQ_REL); }

static void use_queue(world *w, crew_member *me) {
  static uint64_t ran;
  lido_cleanup_queue *queue = lido_manager_cleanup_queue(w->manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_pool *pool = lido_manager_pool(
      w->manager, &(lido_pool_options){.name = "handles", .object_size = 64, .flags = LIDO_POOL_HANDLES});
  if (!CREW_HOLDS(me->crew, queue != NULL && pool != NULL)) return;
  void *object = lido_pool_alloc(pool);
  if (object == NULL) return;
  lido_cleanup_add_to(queue, object, count_cleanup, &ran);
  lido_release(object);
}

static void use(world *w, crew_member *me, held *mine) {
  held *h = &mine[testing_below(&me->random, HELD)];
  switch (testing_below(&me->random, 20)) {
    case 0:
      use_own(w, me);
      break;
    case 1:
      use_watched(w, me);
      break;
    case 2:
      use_arena(w, me);
      break;
    case 3:
      use_queue(w, me);
      break;
    default:
      let_go(me, h);
      hold_one(w, me, h);
  }
}

/* ---- Those that look after it ---- */

static void on_change(const lido_alert_event *event, void *context) {
  world *w = context;
  bool fired = event->edge == LIDO_ALERT_FIRING;
  __atomic_fetch_add(fired ? &w->fired : &w->resolved, 1, __ATOMIC_ACQ_REL);
  uint64_t *last = &w->last[event->name[0] - '0'];
  if (*last == (uint64_t)event->edge) __atomic_fetch_add(&w->misorder, 1, __ATOMIC_ACQ_REL);
  *last = (uint64_t)event->edge; /* calls of one manager never overlap: a plain store */
}

static void ignore(const lido_alert_event *event, void *context) { (void)event, (void)context; }

/* A rule that lives for a tick or so; its context is on the stack. */
static void use_rule(world *w, crew_member *me) {
  int context = 0;
  lido_alert alert = lido_alert_add(w->manager, &(lido_alert_rule){.name = "guest",
                                                                   .pool = "shared 0",
                                                                   .pool_field = "live",
                                                                   .above = true,
                                                                   .threshold = (double)testing_below(&me->random, 50),
                                                                   .on_change = ignore,
                                                                   .context = &context});
  lido_manager_tick(w->manager);
  CREW_HOLDS(me->crew, lido_alert_remove(w->manager, alert));
}

static void check_samples(world *w, crew_member *me) {
  lido_sample samples[5];
  size_t count = lido_samples_get(w->manager, samples, 5);
  for (size_t i = 1; i < count; i++) {
    CREW_HOLDS(me->crew, samples[i].number + 1 == samples[i - 1].number);
    CREW_HOLDS(me->crew, samples[i].now_ns <= samples[i - 1].now_ns);
    CREW_HOLDS(me->crew, samples[i].values[LIDO_SAMPLE_ticks] <= samples[i - 1].values[LIDO_SAMPLE_ticks]);
  }
}

static void set_limits(world *w, crew_member *me) {
  size_t soft = (1 + testing_below(&me->random, 8)) * (HARD / 16);
  CREW_HOLDS(me->crew, lido_manager_limits_set(w->manager, soft, HARD) == 0);
  lido_manager_policy_set(w->manager, (lido_policy)testing_below(&me->random, LIDO_POLICY_COUNT));
}

static void look_after(world *w, crew_member *me, lido_snapshot *snapshot) {
  switch (testing_below(&me->random, 6)) {
    case 0:
      lido_manager_reclaim(w->manager, NULL);
      break;
    case 1:
      use_rule(w, me);
      break;
    case 2:
      set_limits(w, me);
      break;
    case 3:
      lido_manager_tick(w->manager);
      check_samples(w, me);
      break;
    case 4:
      if (lido_monitor_start(w->manager, 1000000) == 0) lido_manager_tick(w->manager);
      lido_monitor_stop(w->manager);
      break;
    default:
      CREW_HOLDS(me->crew, lido_snapshot_take(snapshot, w->manager) == 0);
      for (size_t i = 1; i < snapshot->pool_count; i++) {
        CREW_HOLDS(me->crew, strcmp(snapshot->pools[i - 1].name, snapshot->pools[i].name) < 0);
      }
  }
  CREW_HOLDS(me->crew, lido_budget_used(lido_manager_budget(w->manager)) <= HARD);
}

/* ---- Forks ---- */

static void use_in_child(world *w, crew_member *me) {
  held mine[HELD] = {0};
  lido_snapshot *snapshot = lido_snapshot_create();
  alarm(CHILD_SECONDS);
  for (int i = 0; i < 20; i++) use(w, me, mine);
  lido_manager_tick(w->manager);
  lido_manager_reclaim(w->manager, NULL);
  bool sound = lido_snapshot_take(snapshot, w->manager) == 0 && crew_goes_on(me->crew);
  sound = sound && lido_monitor_stop(w->manager) == ESRCH;
  lido_manager_destroy(w->manager); /* with what the parent's threads held */
  _exit(sound ? 0 : 1);
}

static void fork_one(world *w, crew_member *me) {
  pid_t child = fork();
  if (child == 0) use_in_child(w, me);
  int status = 1;
  CREW_HOLDS(me->crew, waitpid(child, &status, 0) == child && status == 0);
}

/* ---- The crew ---- */

static void work_as_user(world *w, crew_member *me) {
  held mine[HELD] = {0};
  for (size_t i = 0; i < w->rounds && crew_goes_on(me->crew); i++) use(w, me, mine);
  for (size_t i = 0; i < HELD; i++) let_go(me, &mine[i]);
}

static void work_as_keeper(world *w, crew_member *me) {
  lido_snapshot *snapshot = lido_snapshot_create();
  for (size_t i = 0; i < w->rounds / 40 && crew_goes_on(me->crew); i++) look_after(w, me, snapshot);
  lido_snapshot_destroy(snapshot);
}

static void work(crew_member *me) {
  world *w = me->shared;
  if (me->index < USERS) {
    work_as_user(w, me);
  } else {
    work_as_keeper(w, me);
  }
  gate_pass(&w->stopped); /* the thread lives on while the manager goes */
}

static world world_begin(const lido_manager_options *options) {
  world w = {.stopped = GATE_SHUT, .rounds = testing_scaled(200000)};
  w.manager = lido_manager_create(options, NULL);
  CHECK_NOT_NULL(w.manager);
  return w;
}

static void add_rules(world *w) {
  for (int i = 0; i < RULES; i++) {
    char name[] = {(char)('0' + i), '\0'};
    CHECK_NE(lido_alert_add(w->manager, &(lido_alert_rule){.name = name,
                                                           .field = LIDO_SAMPLE_bytes_live,
                                                           .above = i % 2 == 0,
                                                           .threshold = 20.0 * OBJECT * (i + 1),
                                                           .on_change = on_change,
                                                           .context = w}),
             0);
  }
}

/* All have stopped, and none has ended. */
static void world_end(world *w, crew *team) {
  gate_await(&w->stopped, team->count);
  lido_manager_tick(w->manager); /* nothing is live: what looks downwards has fired by now */
  const char *broken = lido_manager_check(w->manager);
  size_t live = lido_manager_destroy(w->manager);
  gate_open(&w->stopped);
  CHECK_CREW(team);
  CHECK_NULL(broken);
  CHECK_EQ(live, 0);
  CHECK_EQ(w->misorder, 0);
  CHECK_GT(w->fired, 0);
  CHECK_LE(w->resolved, w->fired);
}

TEST(manager_threads, all_use_it_and_it_ends_while_they_live) {
  static crew team;
  world w = world_begin(&(lido_manager_options){.soft_bytes = HARD / 2, .hard_bytes = HARD, .samples = 10});
  add_rules(&w);
  watchdog_on(250);
  crew_start(&team, USERS + 2, testing_seed(), work, &w);
  world_end(&w, &team);
  watchdog_off();
}

TEST(manager_threads, with_passes_at_ticks) {
  static crew team;
  world w = world_begin(&(lido_manager_options){
      .soft_bytes = HARD / 2, .hard_bytes = HARD, .samples = 10, .flags = LIDO_MANAGER_RECLAIM_AT_TICKS});
  add_rules(&w);
  watchdog_on(250);
  crew_start(&team, USERS + 2, testing_seed(), work, &w);
  world_end(&w, &team);
  watchdog_off();
}

TEST(manager_threads, two_managers_at_once) {
  static crew teams[2];
  watchdog_on(250);
  world a = world_begin(&(lido_manager_options){.name = "a", .hard_bytes = HARD, .samples = 10});
  world b = world_begin(&(lido_manager_options){.name = "b", .hard_bytes = HARD, .policy = LIDO_POLICY_ADAPTIVE});
  a.rounds = b.rounds = testing_scaled(100000);
  add_rules(&a);
  add_rules(&b);
  CHECK_EQ(lido_monitor_start(b.manager, 1000000), 0);
  crew_start(&teams[0], USERS + 1, testing_seed(), work, &a);
  crew_start(&teams[1], USERS + 1, testing_seed(), work, &b);
  world_end(&a, &teams[0]);
  world_end(&b, &teams[1]);
  watchdog_off();
}

static void work_and_fork(crew_member *me) {
  world *w = me->shared;
  if (me->index != 0) {
    work(me);
    return;
  }
  for (size_t i = 0; i < 20 && crew_goes_on(me->crew); i++) fork_one(w, me);
  gate_pass(&w->stopped);
}

TEST(manager_threads, forks_in_between) {
  static crew team;
  fflush(stdout);
  world w = world_begin(&(lido_manager_options){.hard_bytes = HARD, .samples = 10});
  w.rounds = testing_scaled(100000);
  add_rules(&w);
  watchdog_on(250);
  crew_start(&team, USERS + 2, testing_seed(), work_and_fork, &w);
  world_end(&w, &team);
  watchdog_off();
}

/* ---- Pools of one thread ---- */

static void work_alone(crew_member *me) {
  world *w = me->shared;
  char name[32];
  snprintf(name, sizeof name, "alone %zu", me->index);
  lido_pool *pool = lido_manager_pool(
      w->manager, &(lido_pool_options){.name = name, .object_size = OBJECT, .flags = LIDO_POOL_SINGLE_THREAD});
  void *objects[HELD * 4] = {0};
  for (size_t i = 0; i < w->rounds && CREW_HOLDS(me->crew, pool != NULL); i++) {
    void **place = &objects[testing_below(&me->random, HELD * 4)];
    lido_pool_free(pool, *place);
    *place = lido_pool_alloc(pool);
    CREW_HOLDS(me->crew, *place != NULL);
  }
  for (size_t i = 0; i < HELD * 4; i++) lido_pool_free(pool, objects[i]);
  lido_pool_trim(pool);
  gate_pass(&w->stopped);
}

TEST(manager_threads, ticks_look_at_pools_of_one_thread_while_that_uses_them) {
  static crew team;
  watchdog_on(250);
  world w = world_begin(&(lido_manager_options){.policy = LIDO_POLICY_MEMORY_EFFICIENT, .samples = 10});
  add_rules(&w);
  CHECK_EQ(lido_monitor_start(w.manager, 1000000), 0);
  crew_start(&team, USERS, testing_seed(), work_alone, &w);
  for (size_t i = 0; i < testing_scaled(200); i++) {
    lido_manager_tick(w.manager);
    lido_manager_reclaim(w.manager, NULL);
    lido_manager_policy_set(w.manager, (lido_policy)(i % LIDO_POLICY_COUNT));
    lido_sample sample;
    CHECK_EQ(lido_samples_get(w.manager, &sample, 1), 1);
    CHECK_LE(sample.values[LIDO_SAMPLE_bytes_live], USERS * HELD * 4 * OBJECT);
  }
  world_end(&w, &team);
  watchdog_off();
}
