/* manager_callbacks_test.c: what functions of the program do while a manager calls them: ask for more of the same,
 * change what is just being followed, wait for each other, end their thread. Each of these once broke it.
 */
#include <pthread.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/managed.h"

enum { MEBI = 1 << 20, SLAB = 64 << 10 };

static uint64_t used_by(const lido_manager *manager) { return lido_budget_used(lido_manager_budget(manager)); }

static lido_manager_stats stats_of(lido_manager *manager) {
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  lido_manager_stats stats = snapshot->stats;
  lido_snapshot_destroy(snapshot);
  return stats;
}

/* ---- Again and again ---- */

typedef struct repeater {
  size_t depth;
  size_t deepest;
} repeater;

static void ask_again(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  repeater *r = context;
  (void)report;
  if (++r->depth > r->deepest) r->deepest = r->depth;
  lido_reclaim_report nested;
  CHECK_EQ(lido_manager_reclaim(manager, &nested), 0);
  CHECK_EQ(nested.reason, LIDO_RECLAIM_ASKED);
  r->depth--;
}

TEST(manager_callbacks, a_pass_in_a_pass_does_nothing) {
  repeater r = {0};
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = MEBI, .on_pressure = ask_again, .context = &r});
  managed_live(&m, 3 * MEBI / MANAGED_OBJECT);
  lido_manager_reclaim(m.manager, NULL);
  CHECK_EQ(r.deepest, 1);
  managed_end(&m);
}

/* ---- What a policy is changed to while a tick follows it ---- */

static void make_efficient(void *manager) { lido_manager_policy_set(manager, LIDO_POLICY_MEMORY_EFFICIENT); }

TEST(manager_callbacks, a_policy_set_in_a_tick_is_every_pools) {
  managed m = managed_begin(&(lido_manager_options){.policy = LIDO_POLICY_LOW_LATENCY});
  lido_cleanup_queue *queue = lido_manager_cleanup_queue(m.manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_pool *pool = lido_manager_pool(
      m.manager,
      &(lido_pool_options){.name = "handled", .object_size = 64, .flags = LIDO_POOL_HANDLES, .cleanup_queue = queue});
  void *object = lido_pool_alloc(pool);
  lido_cleanup_add(object, make_efficient, m.manager);
  lido_release(object);
  managed_live(&m, 1000);
  managed_tick(&m);
  lido_policy_settings wanted;
  CHECK_EQ(lido_policy_settings_get(LIDO_POLICY_MEMORY_EFFICIENT, &wanted), 0);
  lido_pool_tuning tuning;
  lido_pool_tuning_get(m.pool, &tuning);
  CHECK_EQ(tuning.magazine_objects, wanted.tuning.magazine_objects);
  CHECK_EQ(tuning.retain_bytes, wanted.tuning.retain_bytes);
  managed_end(&m);
}

/* ---- Two that wait for each other ---- */

typedef struct crossing {
  lido_manager *manager;
  lido_cleanup_queue *queue;
  lido_alert alert;
  gate in_change;
  gate in_cleanup;
  int end_error;
  bool removed;
} crossing;

static void remove_the_rule(void *arg) {
  crossing *c = arg;
  gate_arrive(&c->in_cleanup);
  gate_await(&c->in_change, 1);
  c->removed = lido_alert_remove(c->manager, c->alert);
}

static void end_the_queue(const lido_alert_event *event, void *context) {
  crossing *c = context;
  if (event->edge != LIDO_ALERT_FIRING) return;
  gate_arrive(&c->in_change);
  gate_await(&c->in_cleanup, 1);
  c->end_error = lido_manager_cleanup_queue_end(c->manager, c->queue);
}

static void *tick(void *argument) {
  lido_manager_tick(((crossing *)argument)->manager);
  return NULL;
}

static void *reclaim(void *argument) {
  lido_manager_reclaim(((crossing *)argument)->manager, NULL);
  return NULL;
}

TEST(manager_callbacks, an_alert_and_a_cleanup_do_not_wait_for_each_other) {
  managed m = managed_begin(NULL);
  crossing c = {.manager = m.manager, .in_change = GATE_SHUT, .in_cleanup = GATE_SHUT};
  c.queue = lido_manager_cleanup_queue(m.manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_pool *pool = lido_manager_pool(
      m.manager,
      &(lido_pool_options){.name = "handled", .object_size = 64, .flags = LIDO_POOL_HANDLES, .cleanup_queue = c.queue});
  c.alert = lido_alert_add(m.manager, &(lido_alert_rule){.name = "any",
                                                         .field = LIDO_SAMPLE_ticks,
                                                         .above = true,
                                                         .threshold = 0.5,
                                                         .on_change = end_the_queue,
                                                         .context = &c});
  CHECK_NE(c.alert, 0);
  void *object = lido_pool_alloc(pool);
  lido_cleanup_add(object, remove_the_rule, &c);
  lido_release(object);
  managed_wait(MANAGED_SECOND);
  pthread_t threads[2];
  CHECK_EQ(pthread_create(&threads[0], NULL, reclaim, &c), 0);
  CHECK_EQ(pthread_create(&threads[1], NULL, tick, &c), 0);
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  CHECK(c.end_error == EBUSY || c.end_error == 0); /* by who was first; that both came to their end is the point */
  CHECK(c.removed);
  managed_end(&m);
}

/* ---- Threads that end in a call ---- */

typedef struct leaver {
  managed m;
  size_t calls;
} leaver;

static void leave_once(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  leaver *l = context;
  (void)manager;
  (void)report;
  if (l->calls++ == 0) pthread_exit(NULL);
}

static void *take_too_much(void *argument) {
  managed_live(&((leaver *)argument)->m, 2 * MEBI / MANAGED_OBJECT);
  return NULL;
}

TEST(manager_callbacks, a_thread_that_ends_in_on_pressure_leaves_passes_to_others) {
  leaver l = {0};
  l.m = managed_begin(&(lido_manager_options){.soft_bytes = MEBI, .on_pressure = leave_once, .context = &l});
  objects_in_thread(take_too_much, &l);
  CHECK_EQ(l.calls, 1);
  uint64_t before = stats_of(l.m.manager).passes_soft;
  managed_live(&l.m, 4 * MEBI / MANAGED_OBJECT);
  CHECK_GT(stats_of(l.m.manager).passes_soft, before);
  CHECK_GT(l.calls, 1);
  managed_end(&l.m);
}

/* ---- Deep inside ---- */

#if defined(__SANITIZE_THREAD__) /* its search for deadlocks follows no more than 64 locks, and a fork takes all */
enum { DEEP = 4 };
#else
enum { DEEP = 24 };
#endif

/* Each manager's pass runs a cleanup that has the next one's pass run; the last one forks. */
typedef struct well {
  lido_manager *managers[DEEP];
  lido_cleanup_queue *queues[DEEP];
  size_t depth;
  pid_t child;
} well;

static void go_deeper(void *argument) {
  well *w = argument;
  if (w->depth < DEEP) {
    lido_manager_reclaim(w->managers[w->depth++], NULL);
  } else {
    w->child = fork();
  }
}

static bool is_whole(well *w) {
  bool whole = true;
  for (size_t i = 0; i < DEEP; i++) {
    whole &= lido_manager_check(w->managers[i]) == NULL;
    whole &= lido_manager_cleanup_queue_end(w->managers[i], w->queues[i]) == 0;
  }
  return whole;
}

TEST(manager_callbacks, however_deep_a_fork_is_in_passes_the_child_comes_out_of_all_of_them) {
  well w = {.child = -1};
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES});
  for (size_t i = 0; i < DEEP; i++) {
    w.managers[i] = managed_manager(NULL);
    w.queues[i] = lido_manager_cleanup_queue(w.managers[i], &(lido_cleanup_queue_options){.name = "deeper"});
    void *object = lido_pool_alloc(pool);
    lido_cleanup_add_to(w.queues[i], object, go_deeper, &w);
    lido_release(object);
  }
  fflush(stdout);
  go_deeper(&w);
  if (w.child == 0) {
    alarm(20);
    _exit(is_whole(&w) ? 0 : 1);
  }
  int status = 1;
  CHECK_EQ(waitpid(w.child, &status, 0), w.child);
  CHECK_EQ(status, 0);
  CHECK(is_whole(&w));
  for (size_t i = 0; i < DEEP; i++) CHECK_EQ(lido_manager_destroy(w.managers[i]), 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Arenas that outlive their manager ---- */

typedef struct survivor {
  lido_arena *arena;
  bool stop; /* atomic */
  bool failed;
} survivor;

static void *use_the_arena(void *argument) {
  survivor *s = argument;
  while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
    s->failed |= lido_arena_alloc(s->arena, 300000) == NULL;
    lido_arena_reset(s->arena);
  }
  return NULL;
}

/* Each alloc is beyond the soft limit, so the manager is called all the time. */
TEST(manager_callbacks, a_manager_ends_while_an_arena_of_it_is_used) {
  for (int round = 0; round < 20; round++) {
    lido_manager *manager = managed_manager(&(lido_manager_options){.soft_bytes = SLAB});
    for (char name[] = "a"; name[0] <= 'z'; name[0]++) CHECK_NOT_NULL(managed_pool(manager, name));
    lido_arena_class *cls =
        lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests", .retain = LIDO_ARENA_RETAIN_NONE});
    survivor s = {.arena = lido_arena_acquire(cls)};
    lido_arena_hand_over(s.arena);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, use_the_arena, &s), 0);
    CHECK_EQ(lido_manager_destroy(manager), 1);
    __atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(!s.failed);
    lido_arena_hand_over(s.arena);
    lido_arena_release(s.arena);
    CHECK_EQ(lido_arena_class_destroy(cls), 0);
  }
}

/* ---- Limits ---- */

TEST(manager_callbacks, a_limit_set_below_what_is_used_is_followed_at_once) {
  managed m = managed_begin(NULL);
  lido_pool *idle = lido_manager_pool(
      m.manager, &(lido_pool_options){.name = "idle", .object_size = MANAGED_OBJECT, .retain_bytes = SIZE_MAX / 2});
  object_list list = {0};
  objects_take_slabs(idle, &list, 64);
  objects_free_all(idle, &list);
  CHECK_GE(used_by(m.manager), 64 * SLAB);
  CHECK_EQ(lido_manager_limits_set(m.manager, MEBI, 0), 0);
  CHECK_LE(used_by(m.manager), MEBI);
  CHECK_EQ(stats_of(m.manager).passes_soft, 1);
  object_list_end(&list);
  managed_end(&m);
}

static void spoil_errno(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  (void)manager, (void)report;
  ++*(size_t *)context;
  errno = EDOM;
}

static void spoil_errno_too(lido_manager *manager, lido_policy from, lido_policy to, void *context) {
  (void)from, (void)to;
  spoil_errno(manager, NULL, context);
}

TEST(manager_callbacks, limits_and_policies_that_are_set_spoil_no_errno) {
  size_t calls = 0;
  managed m = managed_begin(
      &(lido_manager_options){.on_pressure = spoil_errno, .on_policy = spoil_errno_too, .context = &calls});
  managed_live(&m, 2 * MEBI / MANAGED_OBJECT);
  errno = ERANGE;
  CHECK_EQ(lido_manager_limits_set(m.manager, MEBI, 0), 0);
  CHECK_EQ(errno, ERANGE);
  CHECK_EQ(calls, 1);
  lido_manager_policy_set(m.manager, LIDO_POLICY_LOW_LATENCY);
  CHECK_EQ(errno, ERANGE);
  CHECK_EQ(calls, 2);
  managed_end(&m);
}

TEST(manager_callbacks, a_small_piece_of_an_arena_asks_once) {
  managed m = managed_begin(&(lido_manager_options){.hard_bytes = MEBI});
  managed_live(&m, 15 * SLAB / MANAGED_OBJECT);
  lido_arena_class *cls = lido_manager_arena_class(
      m.manager, &(lido_arena_options){.name = "requests", .chunk_bytes = 512 << 10, .chunk_bytes_max = 512 << 10});
  lido_arena *arena = lido_arena_acquire(cls);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 16)); /* from a smaller block than was due */
  CHECK_EQ(stats_of(m.manager).passes_hard, 0);
  CHECK_FAILS(lido_arena_alloc(arena, 100000), ENOMEM);
  CHECK_EQ(stats_of(m.manager).passes_hard, 1);
  lido_budget_stats stats;
  lido_budget_stats_get(lido_manager_budget(m.manager), &stats);
  CHECK_EQ(stats.refusals, 1);
  lido_arena_release(arena);
  managed_end(&m);
}

/* ---- Pages ---- */

static uint64_t dirty_of(lido_backing *backing) {
  lido_backing_stats stats;
  lido_backing_stats_get(backing, &stats);
  return stats.bytes_dirty;
}

TEST(manager_callbacks, delays_go_by_the_managers_clock_on_every_backing) {
  managed m = managed_begin(NULL);
  lido_backing *others[] = {lido_backing_default(), lido_backing_pages()};
  object_list list = {0};
  for (size_t i = 0; i < 2; i++) {
    char name[] = {(char)('a' + i), '\0'};
    lido_pool *pool = lido_manager_pool(
        m.manager, &(lido_pool_options){.name = name, .object_size = MANAGED_OBJECT, .backing = others[i]});
    CHECK_EQ(lido_pool_tune(pool, &(lido_pool_tuning){.purge_delay_ns = 100 * MANAGED_SECOND}), 0);
    objects_take_slabs(pool, &list, 40);
    objects_free_all(pool, &list);
    lido_pool_trim_to(pool, 0);
    CHECK_GT(dirty_of(others[i]), 0);
  }
  managed_tick(&m);
  for (size_t i = 0; i < 2; i++) CHECK_GT(dirty_of(others[i]), 0);
  managed_wait(200 * MANAGED_SECOND);
  managed_tick(&m);
  for (size_t i = 0; i < 2; i++) CHECK_EQ(dirty_of(others[i]), 0);
  CHECK_GT(stats_of(m.manager).purged_bytes, 0);
  object_list_end(&list);
  managed_end(&m);
}
