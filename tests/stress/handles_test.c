/* handles_test.c: threads acquire, retain, kill and release what they find by handles, while the objects die and their
 * memory is used again. Who has a reference finds the object whole, and no other in its place.
 *
 * Every object is published in a market of handles by the thread that made it, whose reference stays with the
 * market: it is released by who kills the object, and only one does.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"

enum { PLACES = 64, HELD = 24, HANDED = 16, WORKERS = 4, CHILD_SECONDS = 30 };

typedef struct market {
  lido_pool *pool;
  size_t rounds;           /* 0: until it is over */
  uint64_t places[PLACES]; /* atomic: handles */
  void *handed[HANDED];    /* references on their way from one thread to another */
  uint64_t births;         /* atomic, as all below */
  uint64_t kills;
  uint64_t deaths;   /* heard of by the destructor */
  uint64_t finished; /* threads */
  size_t rogueries;
  int over;
} market;

typedef struct hands {
  crew_member *me;
  market *market;
  void *objects[HELD]; /* a reference each */
  size_t count;
} hands;

static void count_one(uint64_t *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* Plain stores: who still looks at the object is a race. */
static void on_death(void *object, void *context) {
  memset(object, 0, sizeof(stamp));
  count_one(&((market *)context)->deaths);
}

static bool is_whole(const void *object, lido_weak weak) {
  const stamp *s = object;
  return s->owner == 1 && s->serial == weak.bits && stamp_is_whole(s, sizeof *s);
}

static void drop(hands *h, size_t chosen, unsigned way) {
  void *object = h->objects[chosen];
  h->objects[chosen] = h->objects[--h->count];
  lido_weak weak = lido_weak_from_u64(((stamp *)object)->serial);
  CREW_HOLDS(h->me->crew, is_whole(object, weak));
  if (way == 0) lido_release(object);
  if (way == 1) lido_weak_release(weak);
  if (way == 2) lido_pool_free(h->market->pool, object);
  if (way == 3) lido_release_n(lido_retain_n(object, 9), 10);
}

static void drop_any(hands *h) {
  if (h->count == 0) return;
  drop(h, testing_below(&h->me->random, h->count), (unsigned)testing_below(&h->me->random, 4));
}

static void keep(hands *h, void *object) {
  if (h->count == HELD) drop_any(h);
  h->objects[h->count++] = object;
}

/* ---- What the threads do ---- */

static void give_birth(hands *h, uint64_t *place, uint64_t old) {
  stamp *object = lido_pool_alloc(h->market->pool);
  if (!CREW_HOLDS(h->me->crew, object != NULL)) return;
  lido_weak weak = lido_weak_reserve(object);
  CREW_HOLDS(h->me->crew, lido_weak_acquire(weak) == NULL);
  stamp_put(object, sizeof *object, 1, weak.bits);
  count_one(&h->market->births);
  if (testing_below(&h->me->random, 2) == 0) keep(h, lido_retain(object));
  lido_weak_publish(object);
  if (__atomic_compare_exchange_n(place, &old, weak.bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return;
  if (CREW_HOLDS(h->me->crew, lido_weak_kill(weak))) count_one(&h->market->kills); /* nobody else knows it */
  lido_release(object);
}

static void kill_one(hands *h, lido_weak weak) {
  void *object = lido_weak_acquire(weak);
  if (object == NULL) return;
  bool mine = lido_weak_kill(weak);
  CREW_HOLDS(h->me->crew, lido_weak_acquire(weak) == NULL);
  CREW_HOLDS(h->me->crew, lido_weak_state_get(weak) == LIDO_WEAK_KILLED);
  CREW_HOLDS(h->me->crew, is_whole(object, weak));
  if (mine) count_one(&h->market->kills);
  if (mine) lido_release(object); /* the market's */
  lido_release(object);
  CREW_HOLDS(h->me->crew, lido_weak_get(weak) == NULL);
}

static void hand_over(hands *h) {
  void *mine = h->count != 0 ? h->objects[--h->count] : NULL;
  void *other = slot_exchange(&h->market->handed[testing_below(&h->me->random, HANDED)], mine);
  if (other != NULL) keep(h, other);
}

static void visit(hands *h) {
  uint64_t *place = &h->market->places[testing_below(&h->me->random, PLACES)];
  lido_weak weak = lido_weak_from_u64(__atomic_load_n(place, __ATOMIC_RELAXED));
  size_t what = testing_below(&h->me->random, 100);
  void *object = what < 60 ? lido_weak_acquire(weak) : NULL;
  if (object != NULL) {
    CREW_HOLDS(h->me->crew, is_whole(object, weak));
    CREW_HOLDS(h->me->crew, lido_weak_make(object).bits == weak.bits);
    keep(h, object);
  } else if (what < 75) {
    if (lido_weak_get(weak) == NULL) give_birth(h, place, weak.bits);
  } else if (what < 85) {
    kill_one(h, weak);
  } else if (what < 90) {
    hand_over(h);
  } else {
    drop_any(h);
  }
}

static void trade(crew_member *me) {
  hands h = {.me = me, .market = me->shared};
  market *m = h.market;
  for (size_t round = 0; m->rounds == 0 ? !flag_get(&m->over) : round < m->rounds; round++) {
    if (!crew_goes_on(me->crew)) break;
    visit(&h);
    size_t what = testing_below(&me->random, 3000);
    if (what == 0) lido_pool_trim(m->pool);
    if (what == 1) lido_thread_flush();
  }
  while (h.count != 0) drop(&h, 0, 0);
}

static void open_market(market *m, lido_pool_options options) {
  *m = (market){0};
  options.flags |= LIDO_POOL_HANDLES;
  options.context = m;
  m->pool = lido_pool_create(&options);
  CHECK_NOT_NULL(m->pool);
}

/* All references go; then nothing is left. */
static void close_market(market *m, bool heard) {
  for (size_t i = 0; i < HANDED; i++) lido_release(m->handed[i]);
  for (size_t i = 0; i < PLACES; i++) {
    void *object = lido_weak_get(lido_weak_from_u64(m->places[i]));
    if (object == NULL) continue;
    CHECK(lido_weak_kill(lido_weak_from_u64(m->places[i])));
    m->kills++;
    lido_release(object);
  }
  CHECK_EQ(m->births, m->kills);
  if (heard) CHECK_EQ(m->births, m->deaths);
  CHECK_EQ(objects_stats(m->pool).live, 0);
  CHECK_SOUND(m->pool);
  lido_pool_trim(m->pool);
  CHECK_EQ(objects_stats(m->pool).slabs, 0);
  CHECK_EQ(lido_pool_destroy(m->pool), 0);
  CHECK_NULL(lido_weak_check());
  for (size_t i = 0; i < PLACES && m->places[i] != 0; i++) {
    CHECK_EQ(lido_weak_state_get(lido_weak_from_u64(m->places[i])), LIDO_WEAK_STALE);
  }
}

static void trade_in(lido_pool_options options, size_t threads, size_t rounds) {
  static crew team;
  static market m;
  open_market(&m, options);
  m.rounds = testing_scaled(rounds);
  crew_start(&team, threads, testing_seed(), trade, &m);
  CHECK_CREW(&team);
  close_market(&m, options.destroy != NULL);
}

TEST(handles, two_threads) { trade_in((lido_pool_options){.object_size = 64}, 2, 800000); }
TEST(handles, eight_threads) { trade_in((lido_pool_options){.object_size = 64}, 8, 200000); }
TEST(handles, with_a_destructor) { trade_in((lido_pool_options){.object_size = 64, .destroy = on_death}, 4, 400000); }
TEST(handles, zeroed_objects) {
  trade_in((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_ZERO, .destroy = on_death}, 4, 300000);
}
TEST(handles, without_caches) {
  trade_in((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX, .destroy = on_death}, 4, 200000);
}
TEST(handles, slabs_that_go_back_at_once) {
  trade_in((lido_pool_options){.object_size = 30000, .cache_bytes = 65536, .retain_bytes = 1}, 4, 200000);
}
TEST(handles, one_object_a_slab) {
  trade_in((lido_pool_options){.object_size = 1 << 20, .flags = LIDO_POOL_HANDLES_53, .destroy = on_death}, 4, 40000);
}

/* The bytes that Lido holds do not grow with the lives. */
TEST(handles, nothing_is_left_behind) {
  int64_t held = 0;
  for (int round = 0; round < 4; round++) {
    trade_in((lido_pool_options){.object_size = 200, .cache_bytes = 4096, .destroy = on_death}, 4, 50000);
    if (round >= 2) CHECK_LE(objects_bytes_held(), held);
    held = objects_bytes_held();
  }
}

/* ---- A rogue among them ---- */

static void count_report(const lido_misuse *misuse, void *reports) {
  if (misuse->kind == LIDO_MISUSE_OVER_RELEASE) count_one(reports);
}

/* Releases by handles of dead objects, in whose memory others live. */
static void trade_beside_a_rogue(crew_member *me) {
  market *m = me->shared;
  if (me->index != 0) {
    trade(me);
    count_one(&m->finished);
    return;
  }
  lido_weak stale[PLACES] = {{0}};
  while (__atomic_load_n(&m->finished, __ATOMIC_RELAXED) + 1 < me->crew->count) {
    size_t i = testing_below(&me->random, PLACES);
    if (stale[i].bits == 0) stale[i] = lido_weak_from_u64(__atomic_load_n(&m->places[i], __ATOMIC_RELAXED));
    if (lido_weak_state_get(stale[i]) != LIDO_WEAK_STALE) continue;
    lido_weak_release(stale[i]);
    m->rogueries++;
  }
}

TEST(handles, releases_by_handles_of_the_dead_change_nothing) {
  static crew team;
  static market m;
  uint64_t reports = 0;
  open_market(&m, (lido_pool_options){.object_size = 64, .destroy = on_death});
  m.rounds = testing_scaled(200000);
  lido_misuse_handler_set(count_report, &reports);
  crew_start(&team, WORKERS, testing_seed(), trade_beside_a_rogue, &m);
  const char *complaint = crew_end(&team);
  lido_misuse_handler_set(NULL, NULL);
  if (complaint != NULL) TESTING_FAIL("%s", complaint);
  CHECK_EQ(reports, m.rogueries);
  close_market(&m, true);
}

/* ---- Pools that come and go, with the same slots ---- */

static void make_and_end_pools(crew_member *me) {
  size_t *rounds = me->shared;
  lido_weak old[20];
  size_t kept = 0;
  for (size_t round = 0; round < *rounds && crew_goes_on(me->crew); round++) {
    lido_pool *pool =
        lido_pool_create(&(lido_pool_options){.object_size = 64 + 64 * me->index, .flags = LIDO_POOL_HANDLES});
    if (!CREW_HOLDS(me->crew, pool != NULL)) return;
    for (size_t i = 0; i < 20; i++) {
      void *object = lido_pool_alloc(pool);
      lido_weak weak = lido_weak_make(object);
      CREW_HOLDS(me->crew, lido_weak_acquire(weak) == object);
      lido_release_n(object, i % 3);
      if (kept == 20) CREW_HOLDS(me->crew, lido_weak_acquire(old[i]) == NULL);
      old[i] = weak;
    }
    kept = 20;
    CREW_HOLDS(me->crew, lido_pool_destroy(pool) == 14);
  }
}

TEST(handles, pools_come_and_go) {
  static crew team;
  size_t rounds = testing_scaled(3000);
  crew_start(&team, WORKERS, testing_seed(), make_and_end_pools, &rounds);
  CHECK_CREW(&team);
  CHECK_NULL(lido_weak_check());
}

/* ---- Forks ---- */

enum child_status { FINE, UNSOUND, NOT_WHOLE, NO_OBJECT, WRONG_HANDLE, REFUSED, NOT_ENDED, UNSOUND_SLOTS };

static int use_market(market *m) {
  if (lido_pool_check(m->pool) != NULL) return UNSOUND;
  for (size_t i = 0; i < PLACES; i++) {
    lido_weak weak = lido_weak_from_u64(m->places[i]);
    void *object = lido_weak_acquire(weak);
    if (object == NULL) continue;
    if (!is_whole(object, weak)) return NOT_WHOLE;
    lido_release(object);
    if (lido_weak_kill(weak)) lido_release(object);
    if (lido_weak_acquire(weak) != NULL) return WRONG_HANDLE;
  }
  for (size_t i = 0; i < 500; i++) {
    void *object = lido_pool_alloc(m->pool);
    if (object == NULL) return NO_OBJECT;
    lido_weak weak = lido_weak_make(object);
    if (lido_weak_acquire(weak) != object) return REFUSED;
    lido_release_n(object, i % 2 + 1);
  }
  lido_pool_trim(m->pool);
  return lido_pool_check(m->pool) == NULL ? FINE : UNSOUND;
}

static int live_as_a_child(market *m) {
  int status = use_market(m);
  if (status != FINE) return status;
  uint64_t live = objects_stats(m->pool).live;
  if (lido_pool_destroy(m->pool) != live) return NOT_ENDED;
  static market own;
  own.pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES});
  status = own.pool != NULL ? use_market(&own) : NO_OBJECT;
  if (status != FINE) return status;
  if (lido_pool_destroy(own.pool) != 250) return NOT_ENDED;
  return lido_weak_check() == NULL ? FINE : UNSOUND_SLOTS;
}

static int fork_once(market *m) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(live_as_a_child(m));
  }
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

static void fork_beside(lido_pool_options options, size_t forks) {
  static crew team;
  static market m;
  int status = 0;
  open_market(&m, options);
  crew_start(&team, WORKERS, testing_seed(), trade, &m);
  forks = testing_scaled(forks);
  for (size_t done = 0; done < forks && status == 0 && crew_goes_on(&team); done++) status = fork_once(&m);
  flag_set(&m.over, 1);
  CHECK_CREW(&team);
  if (status != 0)
    TESTING_FAIL("the child's status is %d (signal %d, exit %d)", status, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  close_market(&m, options.destroy != NULL);
}

TEST(handles, the_child_of_a_fork_has_them_all) { fork_beside((lido_pool_options){.object_size = 64}, 100); }
TEST(handles, also_without_caches) {
  fork_beside((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX}, 100);
}
TEST(handles, also_while_destructors_run) {
  fork_beside((lido_pool_options){.object_size = 64, .destroy = on_death}, 300);
}
