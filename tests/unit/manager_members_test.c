/* manager_members_test.c: members that come and go while others look: find or create at once, an end while a pass is at
 * the member, changes in the middle of a walk, forks. */
#include <sched.h>

#include "pools/pool_core.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/managed.h"

/* ---- Find or create at once ---- */

enum { ASKERS = 4, KINDS = 3 };

typedef struct asking {
  lido_manager *manager;
  pthread_barrier_t together;
  size_t rounds;
} asking;

typedef struct asker {
  asking *shared;
  void *found[64][KINDS];
} asker;

static void *ask_for_all(void *argument) {
  asker *a = argument;
  lido_manager *manager = a->shared->manager;
  char name[32];
  for (size_t i = 0; i < a->shared->rounds; i++) {
    snprintf(name, sizeof name, "round %zu", i);
    pthread_barrier_wait(&a->shared->together);
    a->found[i][0] = lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = 64});
    a->found[i][1] = lido_manager_arena_class(manager, &(lido_arena_options){.name = name});
    a->found[i][2] = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = name});
  }
  return NULL;
}

static void check_same(const asker *askers, size_t rounds) {
  for (size_t i = 0; i < rounds; i++) {
    for (size_t kind = 0; kind < KINDS; kind++) {
      CHECK_NOT_NULL(askers[0].found[i][kind]);
      for (size_t t = 1; t < ASKERS; t++) CHECK_SAME(askers[t].found[i][kind], askers[0].found[i][kind]);
    }
  }
}

TEST(manager_members, threads_that_ask_at_once_get_the_same) {
  asking shared = {.manager = managed_manager(NULL), .rounds = 64};
  static asker askers[ASKERS];
  pthread_t threads[ASKERS];
  pthread_barrier_init(&shared.together, NULL, ASKERS);
  for (size_t t = 0; t < ASKERS; t++) {
    askers[t].shared = &shared;
    CHECK_EQ(pthread_create(&threads[t], NULL, ask_for_all, &askers[t]), 0);
  }
  for (size_t t = 0; t < ASKERS; t++) pthread_join(threads[t], NULL);
  pthread_barrier_destroy(&shared.together);
  check_same(askers, shared.rounds);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, shared.manager), 0);
  CHECK_EQ(snapshot->pool_count, shared.rounds);
  CHECK_EQ(snapshot->arena_class_count, shared.rounds);
  CHECK_EQ(snapshot->cleanup_queue_count, shared.rounds);
  lido_snapshot_destroy(snapshot);
  CHECK_NULL(lido_manager_check(shared.manager));
  CHECK_EQ(lido_manager_destroy(shared.manager), 0);
}

/* ---- What a walk finds ---- */

/* A queue with one cleanup that waits: a pass runs it while it is at the queue. */
typedef struct queued {
  lido_manager *manager;
  lido_pool *pool; /* with handles */
  const char *name;
  void (*act)(struct queued *self);
  char *order; /* first letters of the names, as they ran */
  int error;
  lido_cleanup_queue *queue;
} queued;

static void run_queued(void *argument) {
  queued *q = argument;
  q->order[strlen(q->order)] = q->name[0];
  if (q->act != NULL) q->act(q);
}

static void queue_up(queued *q) {
  q->queue = lido_manager_cleanup_queue(q->manager, &(lido_cleanup_queue_options){.name = q->name});
  CHECK_NOT_NULL(q->queue);
  void *object = lido_pool_alloc(q->pool);
  CHECK_NE(lido_cleanup_add_to(q->queue, object, run_queued, q).bits, 0);
  lido_release(object);
  CHECK_EQ(lido_cleanup_queue_pending(q->queue), 1);
}

static lido_pool *pool_with_handles(lido_manager *manager) {
  lido_pool *pool = lido_manager_pool(
      manager, &(lido_pool_options){.name = "handles", .object_size = 64, .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(pool);
  return pool;
}

static queued late;

static void add_another(queued *self) {
  late = (queued){.manager = self->manager, .pool = self->pool, .name = "d", .order = self->order};
  queue_up(&late);
}

static void end_itself(queued *self) { self->error = lido_manager_cleanup_queue_end(self->manager, self->queue); }

TEST(manager_members, a_pass_runs_what_waits_on_all_queues_and_on_those_that_come_meanwhile) {
  char order[16] = "";
  lido_manager *manager = managed_manager(NULL);
  lido_pool *pool = pool_with_handles(manager);
  queued queues[] = {{manager, pool, "e", NULL, order, 0, NULL},
                     {manager, pool, "c", add_another, order, 0, NULL},
                     {manager, pool, "a", end_itself, order, 0, NULL}};
  for (size_t i = 0; i < 3; i++) queue_up(&queues[i]);
  lido_reclaim_report report;
  lido_manager_reclaim(manager, &report);
  CHECK_TEXT(order, "acde");
  CHECK_EQ(report.cleanups, 4);
  CHECK_EQ(queues[2].error, EBUSY);
  CHECK(lido_manager_cleanup_queue_find(manager, "a") == queues[2].queue);
  CHECK_EQ(lido_manager_cleanup_queue_end(manager, queues[2].queue), 0);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK_EQ(snapshot->stats.cleanups_run, 4);
  CHECK_EQ(snapshot->stats.cleanups_pending, 0);
  lido_snapshot_destroy(snapshot);
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

static lido_cleanup_queue *other_queue;

static void end_the_other(queued *self) { self->error = lido_manager_cleanup_queue_end(self->manager, other_queue); }

TEST(manager_members, what_is_ended_in_the_middle_of_a_pass_is_not_visited) {
  char order[16] = "";
  lido_manager *manager = managed_manager(NULL);
  lido_pool *pool = pool_with_handles(manager);
  queued queues[] = {{manager, pool, "a", end_the_other, order, 0, NULL},
                     {manager, pool, "b", NULL, order, 0, NULL},
                     {manager, pool, "c", NULL, order, 0, NULL}};
  for (size_t i = 0; i < 3; i++) queue_up(&queues[i]);
  other_queue = queues[1].queue; /* its end runs what waits on it */
  lido_manager_reclaim(manager, NULL);
  CHECK_EQ(queues[0].error, 0);
  CHECK_TEXT(order, "abc");
  CHECK_NULL(lido_manager_cleanup_queue_find(manager, "b"));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* ---- The end of what a pass is at ---- */

/* A cleanup that waits at a gate, and a thread that is in the pass that runs it. */
typedef struct slow_pass {
  gate inside;
  lido_manager *manager;
  lido_cleanup_queue *queue;
  int over; /* atomic */
  pthread_t thread;
} slow_pass;

static void wait_inside(void *argument) {
  slow_pass *s = argument;
  gate_pass(&s->inside);
  __atomic_store_n(&s->over, 1, __ATOMIC_RELEASE);
}

static void *pass_there(void *argument) {
  lido_manager_reclaim(((slow_pass *)argument)->manager, NULL);
  return NULL;
}

static void slow_pass_begin(slow_pass *s) {
  *s = (slow_pass){.inside = GATE_SHUT, .manager = managed_manager(NULL)};
  lido_pool *pool = pool_with_handles(s->manager);
  s->queue = lido_manager_cleanup_queue(s->manager, &(lido_cleanup_queue_options){.name = "slow"});
  void *object = lido_pool_alloc(pool);
  CHECK_NE(lido_cleanup_add_to(s->queue, object, wait_inside, s).bits, 0);
  lido_release(object);
  CHECK_EQ(pthread_create(&s->thread, NULL, pass_there, s), 0);
  gate_await(&s->inside, 1);
}

static void slow_pass_end(slow_pass *s) {
  pthread_join(s->thread, NULL);
  CHECK_NULL(lido_manager_check(s->manager));
  CHECK_EQ(lido_manager_destroy(s->manager), 0);
}

typedef struct ender {
  slow_pass *pass;
  int error;
  int saw_over;
} ender;

static void *end_there(void *argument) {
  ender *e = argument;
  e->error = lido_manager_cleanup_queue_end(e->pass->manager, e->pass->queue);
  e->saw_over = __atomic_load_n(&e->pass->over, __ATOMIC_ACQUIRE);
  return NULL;
}

/* Until the ender has taken the queue out. */
static void await_taken_out(slow_pass *s) {
  while (lido_manager_cleanup_queue_find(s->manager, "slow") != NULL) sched_yield();
}

TEST(manager_members, the_end_of_a_member_waits_for_the_pass_that_is_at_it) {
  slow_pass s;
  slow_pass_begin(&s);
  ender e = {.pass = &s};
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, end_there, &e), 0);
  await_taken_out(&s);
  CHECK_EQ(lido_manager_cleanup_queue_end(s.manager, s.queue), ENOENT);
  /* The name is free, while the other one still ends. */
  CHECK_NOT_NULL(lido_manager_cleanup_queue(s.manager, &(lido_cleanup_queue_options){.name = "slow"}));
  gate_open(&s.inside);
  pthread_join(thread, NULL);
  CHECK_EQ(e.error, 0);
  CHECK_EQ(e.saw_over, 1);
  slow_pass_end(&s);
}

static void use_in_child(void *argument) {
  slow_pass *s = argument;
  IN_CHILD(lido_manager_check(s->manager) == NULL);
  lido_manager_tick(s->manager);
  IN_CHILD(lido_manager_pool_end(s->manager, lido_manager_pool_find(s->manager, "handles")) == 0);
  IN_CHILD(lido_manager_destroy(s->manager) == 0);
}

TEST(manager_members, the_child_of_a_fork_waits_for_nobody_of_its_parent) {
  slow_pass s;
  slow_pass_begin(&s);
  check_child(use_in_child, &s); /* a pass holds a member */
  ender e = {.pass = &s};
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, end_there, &e), 0);
  await_taken_out(&s);
  check_child(use_in_child, &s); /* and a thread waits for that */
  gate_open(&s.inside);
  pthread_join(thread, NULL);
  slow_pass_end(&s);
}

/* ---- Watched ---- */

TEST(manager_members, a_watched_pool_is_trimmed_and_counted_but_not_charged) {
  managed m = managed_begin(NULL);
  lido_pool *own = lido_pool_create(&(lido_pool_options){.name = "own", .object_size = MANAGED_OBJECT});
  object_list list = {0};
  objects_take_slabs(own, &list, 5);
  CHECK_EQ(lido_manager_pool_watch(m.manager, own), 0);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, m.manager), 0);
  CHECK_EQ(snapshot->stats.bytes_live, list.count * MANAGED_OBJECT);
  CHECK_TEXT(snapshot->pools[0].name, "own");
  CHECK(snapshot->pools[0].watched && !snapshot->pools[1].watched);
  CHECK_EQ(snapshot->budget.used, 0);
  objects_free_all(own, &list);
  CHECK_GT(lido_manager_reclaim(m.manager, NULL), 0);
  CHECK_LE(objects_stats(own).slabs, 1);
  CHECK_EQ(lido_manager_pool_unwatch(m.manager, own), 0);
  CHECK_EQ(lido_snapshot_take(snapshot, m.manager), 0);
  CHECK_EQ(snapshot->pool_count, 1);
  lido_snapshot_destroy(snapshot);
  CHECK_EQ(lido_pool_destroy(own), 0);
  object_list_end(&list);
  managed_end(&m);
}

TEST(manager_members, what_names_a_budget_of_its_own_is_charged_to_that) {
  managed m = managed_begin(NULL);
  lido_budget *own = lido_budget_create(&(lido_budget_options){0});
  lido_pool *pool = lido_manager_pool(m.manager, &(lido_pool_options){.name = "own", .object_size = 64, .budget = own});
  lido_pool_free(pool, lido_pool_alloc(pool));
  CHECK_GT(lido_budget_used(own), 0);
  CHECK_EQ(lido_budget_used(lido_manager_budget(m.manager)), 0);
  CHECK_EQ(lido_manager_pool_end(m.manager, pool), 0);
  CHECK_EQ(lido_budget_destroy(own), 0);
  managed_end(&m);
}

/* ---- Pools of one thread ---- */

typedef struct stranger {
  managed *m;
  gate done; /* it lives on behind it */
} stranger;

static void *pass_and_tick_there(void *argument) {
  stranger *s = argument;
  lido_manager_reclaim(s->m->manager, NULL);
  managed_tick(s->m);
  gate_pass(&s->done);
  return NULL;
}

static pthread_t stranger_begin(stranger *s, managed *m) {
  pthread_t thread;
  *s = (stranger){.m = m, .done = GATE_SHUT};
  CHECK_EQ(pthread_create(&thread, NULL, pass_and_tick_there, s), 0);
  gate_await(&s->done, 1);
  return thread;
}

static void stranger_end(stranger *s, pthread_t thread) {
  gate_open(&s->done);
  pthread_join(thread, NULL);
}

TEST(manager_members, a_pool_that_can_not_be_watched_stays_without_locks) {
  managed m = managed_begin(NULL);
  lido_pool *mine = lido_pool_create(
      &(lido_pool_options){.name = "pool", .object_size = MANAGED_OBJECT, .flags = LIDO_POOL_SINGLE_THREAD});
  CHECK_EQ(lido_manager_pool_watch(m.manager, mine), EEXIST);
  CHECK(!lido_core_of(mine)->slabs.locks);
  CHECK_EQ(lido_manager_pool_end(m.manager, m.pool), 0);
  CHECK_EQ(lido_manager_pool_watch(m.manager, mine), 0);
  CHECK(lido_core_of(mine)->slabs.locks);
  CHECK_EQ(lido_manager_pool_unwatch(m.manager, mine), 0);
  CHECK_EQ(lido_pool_destroy(mine), 0);
  m.pool = managed_pool(m.manager, "pool");
  managed_end(&m);
}

TEST(manager_members, strangers_leave_a_pool_of_one_thread_alone) {
  managed m = managed_begin(NULL);
  const lido_pool_options options = {
      .name = "mine", .object_size = MANAGED_OBJECT, .flags = LIDO_POOL_SINGLE_THREAD, .retain_bytes = SIZE_MAX / 2};
  lido_pool *mine = lido_manager_pool(m.manager, &options);
  misuse_log log;
  misuse_log_start(&log);
  stranger before;
  stranger after;
  pthread_t first = stranger_begin(&before, &m); /* before the first use: it must not become the stranger's */
  object_list list = {0};
  for (size_t i = 0; i < 200; i++) {
    void *object = lido_pool_alloc(mine);
    if (object != NULL) object_list_push(&list, object);
  }
  objects_free_all(mine, &list);
  uint64_t slabs = objects_stats(mine).slabs;
  pthread_t second = stranger_begin(&after, &m);
  CHECK_EQ(objects_stats(mine).slabs, slabs);
  CHECK_GT(lido_manager_reclaim(m.manager, NULL), 0);
  CHECK_LE(objects_stats(mine).slabs, 1);
  stranger_end(&before, first);
  stranger_end(&after, second);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  object_list_end(&list);
  managed_end(&m);
}
