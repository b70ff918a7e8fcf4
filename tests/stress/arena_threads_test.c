/* arena_threads_test.c: arenas of classes that are acquired here and released there, threads that exit with idle
 * shelves and live scratch, late uses, shared budgets, forks, short threads. At the end as many bytes are held as at
 * the start.
 */
#include <sys/wait.h>

#include "lido/arena.h"
#include "tests/stress/crew.h"

enum {
  WORKERS = 4,
  SLOTS = 8,
  PIECE = 64,
  ROUNDS = CREW_TSAN ? 3 : 4, /* of destructors: see late_frees_test.c */
  SHORT_AT_ONCE = 16,
  CHILD_SECONDS = 30,
};

static lido_arena_class *class_with(lido_arena_options options) {
  lido_arena_class *cls = lido_arena_class_create(&options);
  CHECK_NOT_NULL(cls);
  return cls;
}

static lido_arena_class_stats class_stats(const lido_arena_class *cls) {
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(cls, &stats);
  return stats;
}

/* ---- One request ---- */

static void bump(void *count) { __atomic_fetch_add((int *)count, 1, __ATOMIC_RELAXED); }

static bool request(lido_arena *arena, testing_random *random, uint64_t owner) {
  void *pieces[40];
  size_t count = 1 + testing_below(random, 40);
  for (size_t i = 0; i < count; i++) {
    pieces[i] = lido_arena_alloc(arena, PIECE + testing_below(random, 200));
    if (pieces[i] == NULL) return false;
    stamp_put(pieces[i], PIECE, owner, i);
  }
  if (testing_below(random, 16) == 0 && lido_arena_alloc(arena, 40000) == NULL) return false;
  for (size_t i = 0; i < count; i++) {
    if (!stamp_is_of(pieces[i], PIECE, owner)) return false;
  }
  return lido_arena_check(arena) == NULL;
}

/* ---- Hand-over ---- */

typedef struct market {
  lido_arena_class *classes[2];
  void *slots[SLOTS];
  int cleanups_wanted;
  int cleanups_run;
  int over;
} market;

static void trade(crew_member *me) {
  market *at = me->shared;
  size_t rounds = testing_scaled(20000);
  for (size_t i = 0; i < rounds && crew_goes_on(me->crew); i++) {
    lido_arena *arena = lido_arena_acquire(at->classes[testing_below(&me->random, 2)]);
    if (!CREW_HOLDS(me->crew, arena != NULL)) return;
    CREW_HOLDS(me->crew, request(arena, &me->random, me->index));
    if (testing_below(&me->random, 4) == 0) {
      bump(&at->cleanups_wanted);
      CREW_HOLDS(me->crew, lido_arena_on_reset(arena, bump, &at->cleanups_run) == 0);
    }
    if (testing_below(&me->random, 3) != 0) {
      lido_arena_hand_over(arena);
      arena = slot_exchange(&at->slots[testing_below(&me->random, SLOTS)], arena);
    }
    lido_arena_release(arena);
    if (testing_below(&me->random, 500) == 0) lido_arena_trim();
  }
}

static void *watch(void *argument) {
  market *at = argument;
  size_t odd = 0;
  while (!flag_get(&at->over)) {
    lido_arena_class_stats stats = class_stats(at->classes[0]);
    odd += stats.live > 1000 || stats.idle > 100000 || stats.idle_bytes > 1u << 30;
  }
  return (void *)odd;
}

static void market_end(market *at) {
  for (size_t i = 0; i < SLOTS; i++) lido_arena_release(at->slots[i]);
  lido_arena_trim();
  CHECK_EQ(at->cleanups_run, at->cleanups_wanted);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(class_stats(at->classes[i]).live, 0);
    CHECK_EQ(class_stats(at->classes[i]).idle, 0);
    CHECK_EQ(class_stats(at->classes[i]).idle_bytes, 0);
    CHECK_EQ(lido_arena_class_destroy(at->classes[i]), 0);
  }
}

static int64_t trade_once(void) {
  static crew team;
  market at = {.classes = {class_with((lido_arena_options){0}), class_with((lido_arena_options){.chunk_bytes = 512})}};
  pthread_t watcher;
  void *odd = NULL;
  crew_start(&team, WORKERS, testing_seed(), trade, &at);
  CHECK_EQ(pthread_create(&watcher, NULL, watch, &at), 0);
  const char *complaint = crew_end(&team);
  flag_set(&at.over, 1);
  pthread_join(watcher, &odd);
  if (complaint != NULL) TESTING_FAIL("%s", complaint);
  CHECK_EQ((uintptr_t)odd, 0);
  market_end(&at);
  return objects_bytes_held();
}

TEST(arena_threads, arenas_are_acquired_here_and_released_there) {
  int64_t before = trade_once();
  CHECK_EQ(trade_once(), before);
}

/* ---- Exits ---- */

static void count_and_use(void *argument) {
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  if (scratch.arena != NULL) (void)lido_arena_alloc(scratch.arena, 1000);
  lido_scratch_end(scratch);
  bump(argument);
}

typedef struct leaver {
  lido_arena_class *cls;
  int run;
} leaver;

/* Idle arenas, a scratch that nobody ends, clean-ups that run in the exit. */
static void leave(crew_member *me) {
  leaver *l = me->shared;
  lido_arena *arenas[5];
  for (int i = 0; i < 5; i++) {
    arenas[i] = lido_arena_acquire(l->cls);
    if (!CREW_HOLDS(me->crew, arenas[i] != NULL && request(arenas[i], &me->random, 1))) return;
  }
  for (int i = 0; i < 5; i++) lido_arena_release(arenas[i]);
  lido_scratch outer = lido_scratch_begin(NULL, 0);
  lido_scratch inner = lido_scratch_begin(&outer.arena, 1);
  CREW_HOLDS(me->crew, outer.arena != NULL && inner.arena != NULL && inner.arena != outer.arena);
  CREW_HOLDS(me->crew, lido_arena_on_reset(outer.arena, count_and_use, &l->run) == 0);
  CREW_HOLDS(me->crew, lido_arena_on_reset(inner.arena, count_and_use, &l->run) == 0);
  (void)lido_arena_alloc(inner.arena, 100000);
}

static int64_t leave_once(void) {
  static crew team;
  leaver l = {.cls = class_with((lido_arena_options){0})};
  for (size_t round = 0; round < testing_scaled(100); round++) {
    l.run = 0;
    crew_start(&team, WORKERS, round, leave, &l);
    CHECK_CREW(&team);
    CHECK_EQ(l.run, 2 * WORKERS);
    CHECK_EQ(class_stats(l.cls).live, 0);
    CHECK_EQ(class_stats(l.cls).idle, 0);
    CHECK_EQ(class_stats(l.cls).acquires, (round + 1) * WORKERS * 5);
  }
  CHECK_EQ(lido_arena_class_destroy(l.cls), 0);
  return objects_bytes_held();
}

TEST(arena_threads, threads_exit_with_idle_shelves_and_live_scratch) {
  int64_t before = leave_once();
  CHECK_EQ(leave_once(), before);
}

/* ---- Late uses: in destructors of keys older and younger than Lido's, in every round ---- */

typedef struct visit {
  lido_arena_class *cls;
  pthread_key_t key;
  bool uses_before;
  unsigned first_use;
  unsigned round;
  lido_arena *kept; /* from one round to the next */
  bool broken;
} visit;

static pthread_key_t key_before;
static pthread_key_t key_after;

static void use_late(visit *v) {
  lido_arena *fresh = lido_arena_acquire(v->cls);
  lido_scratch scratch = lido_scratch_begin(&fresh, 1);
  lido_scratch nested = lido_scratch_begin(&scratch.arena, 1);
  testing_random random = {v->round};
  v->broken |= fresh == NULL || scratch.arena == NULL || nested.arena == NULL;
  if (v->broken) return;
  v->broken |= !request(fresh, &random, 3) || !request(scratch.arena, &random, 4) || !request(nested.arena, &random, 5);
  lido_scratch_end(nested);
  lido_scratch_end(scratch);
  lido_arena_release(v->kept);
  v->kept = fresh;
  lido_arena_trim();
}

static void on_exit_round(void *value) {
  visit *v = value;
  v->round++;
  if (v->round >= v->first_use) use_late(v);
  if (v->round < ROUNDS) {
    pthread_setspecific(v->key, v);
  } else {
    lido_arena_release(v->kept);
    v->kept = NULL;
  }
}

__attribute__((constructor)) static void make_key_before(void) { pthread_key_create(&key_before, on_exit_round); }

static void *live_and_exit(void *argument) {
  visit *v = argument;
  if (v->uses_before) use_late(v);
  pthread_setspecific(v->key, v);
  return NULL;
}

static int64_t visit_once(pthread_key_t key, bool uses_before, unsigned first_use) {
  visit v = {
      .cls = class_with((lido_arena_options){0}), .key = key, .uses_before = uses_before, .first_use = first_use};
  objects_in_thread(live_and_exit, &v);
  CHECK(!v.broken);
  CHECK_EQ(v.round, ROUNDS);
  CHECK_EQ(class_stats(v.cls).live, 0);
  CHECK_EQ(lido_arena_class_destroy(v.cls), 0);
  return objects_bytes_held();
}

static void make_key_after(void) {
  lido_arena_class *cls = class_with((lido_arena_options){0});
  lido_arena_release(lido_arena_acquire(cls)); /* now Lido has its key */
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  if (key_after == 0) CHECK_EQ(pthread_key_create(&key_after, on_exit_round), 0);
}

static void visit_in_every_round(bool after, bool uses_before, unsigned last_first_use) {
  make_key_after();
  pthread_key_t key = after ? key_after : key_before;
  int64_t baseline = visit_once(key, true, ROUNDS + 1);
  for (unsigned first_use = 1; first_use <= last_first_use; first_use++) {
    CHECK_EQ(visit_once(key, uses_before, first_use), baseline);
  }
}

TEST(arena_threads, late_uses_by_an_older_key) { visit_in_every_round(false, true, ROUNDS); }
TEST(arena_threads, late_uses_by_a_younger_key) { visit_in_every_round(true, true, ROUNDS); }
TEST(arena_threads, late_uses_by_an_older_key_in_a_new_thread) { visit_in_every_round(false, false, ROUNDS); }
TEST(arena_threads, late_uses_by_a_younger_key_in_a_new_thread) { visit_in_every_round(true, false, ROUNDS - 1); }

/* ---- Classes come and go while others are busy ---- */

static void make_and_end_classes(crew_member *me) {
  lido_arena_class *shared = me->shared;
  for (size_t i = 0, rounds = testing_scaled(3000); i < rounds && crew_goes_on(me->crew); i++) {
    lido_arena_class *own = lido_arena_class_create(&(lido_arena_options){.chunk_bytes = 256u << i % 5});
    if (!CREW_HOLDS(me->crew, own != NULL)) return;
    lido_arena *arenas[3] = {lido_arena_acquire(own), lido_arena_acquire(shared), lido_arena_acquire(own)};
    for (int k = 0; k < 3; k++) CREW_HOLDS(me->crew, arenas[k] != NULL && request(arenas[k], &me->random, me->index));
    CREW_HOLDS(me->crew, lido_arena_class_destroy(own) == EBUSY);
    for (int k = 0; k < 3; k++) lido_arena_release(arenas[k]);
    lido_arena_class_stats stats = class_stats(own);
    CREW_HOLDS(me->crew, stats.live == 0 && stats.acquires == 2 && stats.misses == 2);
    CREW_HOLDS(me->crew, lido_arena_class_destroy(own) == 0);
  }
}

static int64_t classes_once(void) {
  static crew team;
  lido_arena_class *shared = class_with((lido_arena_options){0});
  crew_start(&team, WORKERS, testing_seed(), make_and_end_classes, shared);
  CHECK_CREW(&team);
  CHECK_EQ(class_stats(shared).idle, 0);
  CHECK_EQ(lido_arena_class_destroy(shared), 0);
  return objects_bytes_held();
}

TEST(arena_threads, classes_come_and_go_while_others_are_busy) {
  int64_t before = classes_once();
  CHECK_EQ(classes_once(), before);
}

/* ---- Budgets ---- */

enum { BUDGET = 300000 };

static void spend(crew_member *me) {
  lido_budget *budget = me->shared;
  for (size_t i = 0, rounds = testing_scaled(5000); i < rounds && crew_goes_on(me->crew); i++) {
    lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = budget});
    if (!CREW_HOLDS(me->crew, arena != NULL)) return;
    for (int k = 0; k < 20; k++) {
      char *piece = lido_arena_alloc(arena, testing_below(&me->random, 30000));
      CREW_HOLDS(me->crew, (piece == NULL) <= lido_arena_failed(arena));
      CREW_HOLDS(me->crew, lido_budget_used(budget) <= BUDGET);
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_threads, many_share_a_budget) {
  static crew team;
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = BUDGET});
  CHECK_NOT_NULL(budget);
  crew_start(&team, WORKERS, testing_seed(), spend, budget);
  CHECK_CREW(&team);
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

/* ---- Forks ---- */

static int use_in_child(const market *at) {
  testing_random random = {7};
  for (int i = 0; i < 40; i++) {
    lido_arena_class *own = lido_arena_class_create(NULL);
    lido_arena *arenas[3] = {lido_arena_acquire(at->classes[i % 2]), lido_arena_acquire(own), lido_arena_create(NULL)};
    lido_scratch scratch = lido_scratch_begin(NULL, 0);
    if (own == NULL || scratch.arena == NULL || !request(scratch.arena, &random, 9)) return 10;
    for (int k = 0; k < 3; k++) {
      if (arenas[k] == NULL || !request(arenas[k], &random, 10)) return 20 + k;
    }
    lido_scratch_end(scratch);
    lido_arena_release(arenas[0]);
    lido_arena_release(arenas[1]);
    lido_arena_destroy(arenas[2]);
    if (lido_arena_class_destroy(own) != 0) return 30;
  }
  class_stats(at->classes[0]);
  lido_arena_trim();
  return 0;
}

static void fork_and_use(const market *at) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(use_in_child(at));
  }
  CHECK_GT(child, 0);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

static void trade_until_over(crew_member *me) {
  market *at = me->shared;
  while (!flag_get(&at->over) && crew_goes_on(me->crew)) {
    lido_arena *arena = lido_arena_acquire(at->classes[testing_below(&me->random, 2)]);
    if (!CREW_HOLDS(me->crew, arena != NULL && request(arena, &me->random, me->index))) return;
    lido_arena_hand_over(arena);
    lido_arena_release(slot_exchange(&at->slots[testing_below(&me->random, SLOTS)], arena));
    lido_arena_class *own = lido_arena_class_create(NULL);
    lido_arena_release(lido_arena_acquire(own));
    CREW_HOLDS(me->crew, lido_arena_class_destroy(own) == 0);
  }
}

TEST(arena_threads, forks_under_load) {
  static crew team;
  market at = {.classes = {class_with((lido_arena_options){0}), class_with((lido_arena_options){.chunk_bytes = 512})}};
  crew_start(&team, WORKERS, testing_seed(), trade_until_over, &at);
  for (size_t i = 0, forks = testing_scaled(60); i < forks; i++) fork_and_use(&at);
  flag_set(&at.over, 1);
  CHECK_CREW(&team);
  market_end(&at);
}

/* The child of a process in which no thread has acquired anything yet, but classes are being made. */
static void make_classes_until_over(crew_member *me) {
  int *over = me->shared;
  while (!flag_get(over)) {
    CREW_HOLDS(me->crew, lido_arena_class_destroy(lido_arena_class_create(NULL)) == 0);
    lido_budget_destroy(lido_budget_create(&(lido_budget_options){.hard_bytes = 100}));
  }
}

static void make_a_class_in_a_child(void) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(lido_arena_class_destroy(lido_arena_class_create(NULL)));
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

TEST(arena_threads, forks_while_classes_are_made) {
  static crew team;
  int over = 0;
  crew_start(&team, WORKERS, 1, make_classes_until_over, &over);
  for (size_t i = 0, forks = testing_scaled(300); i < forks; i++) make_a_class_in_a_child();
  flag_set(&over, 1);
  CHECK_CREW(&team);
}

/* ---- Thousands of short threads ---- */

static void live_shortly(crew_member *me) {
  lido_arena_class *cls = me->shared;
  lido_arena *arena = lido_arena_acquire(cls);
  CREW_HOLDS(me->crew, arena != NULL && request(arena, &me->random, me->index));
  lido_arena_release(arena);
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  CREW_HOLDS(me->crew, scratch.arena != NULL && request(scratch.arena, &me->random, me->index));
  lido_scratch_end(scratch);
}

static int64_t short_threads(size_t rounds) {
  static crew team;
  lido_arena_class *cls = class_with((lido_arena_options){0});
  for (size_t round = 0; round < rounds; round++) {
    crew_start(&team, SHORT_AT_ONCE, round, live_shortly, cls);
    CHECK_CREW(&team);
  }
  CHECK_EQ(class_stats(cls).acquires, rounds * SHORT_AT_ONCE);
  CHECK_EQ(class_stats(cls).idle, 0);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  return objects_bytes_held();
}

TEST(arena_threads, thousands_of_short_threads) {
  int64_t before = short_threads(1);
  CHECK_EQ(short_threads(testing_scaled(300)), before);
}
