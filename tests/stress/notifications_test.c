/* notifications_test.c: threads notify, subscribe, unsubscribe and wait, let observers die, say last words and end
 * subjects, all at once, also from inside calls. What a subscription's calls use is freed as soon as the wait for them
 * is over, and overwritten before: a late call is a race to ThreadSanitizer, a use after free to AddressSanitizer, and
 * a broken stamp to the test.
 *
 * Subjects are found by handles in a market, as objects are in handles_test.c. Each subscription is its thread's own;
 * calls come from all.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"

enum { PLACES = 3, OWN = 12, WORKERS = 4, MOST_WORKERS = 8, DEPTH = 3, CHILD_SECONDS = 30 };

typedef struct listener {
  uint64_t number;
} listener;

/* What calls are given: of one subscription, by malloc. */
typedef struct notes {
  stamp stamp;
  uint64_t heard; /* atomic */
} notes;

typedef struct market {
  lido_pool *pool;
  size_t rounds;             /* 0: until it is over */
  uint64_t subjects[PLACES]; /* atomic: handles; the market has the reference */
  uint64_t calls;            /* atomic: made */
  uint64_t told;             /* atomic: returned by notifications */
  uint64_t refused;          /* atomic: waits in circles */
  bool ends_subjects;
  int over;
} market;

typedef struct own {
  lido_subscription subscription;
  listener *observer; /* a reference, or NULL */
  notes *notes;       /* NULL: there is none here */
} own;

typedef struct worker {
  crew_member *me;
  market *market;
  own own[OWN];
  size_t depth; /* of calls */
} worker;

static __thread worker *this_worker;

static void add_to(uint64_t *counter, uint64_t count) { __atomic_fetch_add(counter, count, __ATOMIC_RELAXED); }

static bool holds(bool condition, const char *what) {
  if (!condition) crew_complain(this_worker->me->crew, __FILE__, __LINE__, what);
  return condition;
}

static void act(worker *w);

static void hear(void *observer, void *context) {
  notes *n = context;
  worker *w = this_worker;
  add_to(&w->market->calls, 1);
  add_to(&n->heard, 1);
  holds(stamp_is_whole(&n->stamp, sizeof n->stamp), "the notes of a subscription that is called are whole");
  holds(((listener *)observer)->number == n->stamp.owner, "an observer is called with its own notes");
  if (testing_below(&w->me->random, 64) == 0) sched_yield(); /* others meet this call */
  if (w->depth >= DEPTH || testing_below(&w->me->random, 8) != 0) return;
  w->depth++;
  act(w);
  w->depth--;
}

static void on_next(void *observer, const void *event, void *context) {
  (void)event;
  hear(observer, context);
}

static void on_complete(void *observer, void *context) { hear(observer, context); }

static void on_error(void *observer, int error, void *context) {
  holds(error == EIO, "an error arrives as it was sent");
  hear(observer, context);
}

static const lido_observer_calls calls = {on_next, on_error, on_complete};

/* ---- What the threads do ---- */

static uint64_t *any_place(worker *w) { return &w->market->subjects[testing_below(&w->me->random, PLACES)]; }

static lido_subject *acquire(const uint64_t *place) {
  return lido_weak_acquire(lido_weak_from_u64(__atomic_load_n(place, __ATOMIC_ACQUIRE)));
}

static void subscribe(worker *w, own *o) {
  lido_subject *subject = acquire(any_place(w));
  if (subject == NULL) return;
  listener *observer = lido_pool_alloc(w->market->pool);
  notes *n = malloc(sizeof *n);
  if (observer == NULL || n == NULL) abort();
  observer->number = testing_next(&w->me->random);
  *n = (notes){.heard = 0};
  stamp_put(&n->stamp, sizeof n->stamp, observer->number, 0);
  lido_subscription made = lido_subscribe(subject, observer, &calls, n);
  lido_release(subject);
  if (made.bits != 0) {
    *o = (own){made, observer, n};
  } else {
    holds(errno == ESHUTDOWN, "only a subject that is over refuses");
    lido_release(observer);
    free(n);
  }
}

static void let_die(own *o) {
  lido_release(o->observer);
  o->observer = NULL;
}

/* Whatever became of the subscription, after the wait nobody uses the notes. */
static void end_own(worker *w, own *o, unsigned way) {
  if (way == 0) lido_unsubscribe(o->subscription);
  if (way == 1) let_die(o);
  int error = lido_unsubscribe_sync(o->subscription, UINT64_MAX);
  holds(!lido_is_subscribed(o->subscription), "who is unsubscribed is not subscribed");
  if (error == EDEADLK && holds(w->depth != 0, "only who is in a call can be in a circle")) {
    add_to(&w->market->refused, 1); /* it stays until the call is over */
    return;
  }
  holds(error == 0, "a wait ends");
  memset(o->notes, 0xee, sizeof *o->notes);
  free(o->notes);
  lido_release(o->observer);
  *o = (own){.notes = NULL};
}

static void notify(worker *w, unsigned word) {
  int event = 1;
  lido_subject *subject = acquire(any_place(w));
  if (subject == NULL) return;
  size_t told = 0;
  if (word == 0) told = lido_subject_next(subject, &event);
  if (word == 1) told = lido_subject_complete(subject);
  if (word == 2) told = lido_subject_error(subject, EIO);
  add_to(&w->market->told, told);
  lido_release(subject);
}

/* A new subject takes the place of an old one, which ends as it is: over, or with observers and notifications. */
static void replace_subject(worker *w) {
  lido_subject *made = lido_subject_create(NULL);
  if (made == NULL) abort();
  uint64_t old = __atomic_exchange_n(any_place(w), lido_weak_make(made).bits, __ATOMIC_ACQ_REL);
  lido_subject_destroy(lido_weak_get(lido_weak_from_u64(old)));
}

static void act_on_own(worker *w, own *o) {
  unsigned what = (unsigned)testing_below(&w->me->random, 4);
  if (o->notes == NULL) {
    subscribe(w, o);
  } else if (what == 3) {
    let_die(o);
  } else {
    end_own(w, o, what);
  }
}

static void act(worker *w) {
  size_t what = testing_below(&w->me->random, 1000);
  if (what < 500) {
    act_on_own(w, &w->own[testing_below(&w->me->random, OWN)]);
  } else if (what < 990 || !w->market->ends_subjects) {
    notify(w, 0);
  } else if (what < 995) {
    notify(w, what % 2 + 1);
  } else {
    replace_subject(w);
  }
}

static void work(crew_member *me) {
  worker w = {.me = me, .market = me->shared};
  market *m = w.market;
  this_worker = &w;
  for (size_t round = 0; m->rounds == 0 ? !flag_get(&m->over) : round < m->rounds; round++) {
    if (!crew_goes_on(me->crew)) break;
    act(&w);
  }
  for (size_t i = 0; i < OWN; i++) {
    if (w.own[i].notes != NULL) end_own(&w, &w.own[i], 2);
  }
}

/* ---- The frame ---- */

static void open_market(market *m, size_t rounds, bool ends_subjects) {
  *m = (market){.rounds = rounds, .ends_subjects = ends_subjects};
  m->pool = lido_pool_create(&(lido_pool_options){.object_size = sizeof(listener), .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(m->pool);
  for (size_t i = 0; i < PLACES; i++) {
    lido_subject *subject = lido_subject_create(NULL);
    CHECK_NOT_NULL(subject);
    m->subjects[i] = lido_weak_make(subject).bits;
  }
}

static void close_market(market *m) {
  CHECK_EQ(m->calls, m->told);
  for (size_t i = 0; i < PLACES; i++) {
    lido_subject *subject = lido_weak_get(lido_weak_from_u64(m->subjects[i]));
    CHECK_NOT_NULL(subject);
    CHECK_NULL(lido_subject_check(subject));
    lido_subject_compact(subject);
    lido_subject_stats stats;
    lido_subject_stats_get(subject, &stats);
    CHECK_EQ(stats.observers, 0);
    CHECK_EQ(stats.running, 0);
    if (stats.errors + stats.completions == 0) CHECK_EQ(stats.subscribed, stats.unsubscribed + stats.dropped);
    CHECK_EQ(lido_reference_count(subject), 1);
    lido_subject_destroy(subject);
  }
  CHECK_EQ(objects_stats(m->pool).live, 0);
  CHECK_SOUND(m->pool);
  CHECK_EQ(lido_pool_destroy(m->pool), 0);
  CHECK_NULL(lido_weak_check());
}

static void run(size_t threads, size_t rounds, bool ends_subjects) {
  static crew team;
  static market m;
  open_market(&m, testing_scaled(rounds), ends_subjects);
  watchdog_on(200);
  crew_start(&team, threads, testing_seed(), work, &m);
  CHECK_CREW(&team);
  watchdog_off();
  printf("# %llu calls, %llu waits refused\n", (unsigned long long)m.calls, (unsigned long long)m.refused);
  CHECK_GT(m.calls, 0);
  close_market(&m);
}

TEST(notifications, two_threads) { run(2, 500000, false); }
TEST(notifications, eight_threads) { run(MOST_WORKERS, 30000, false); }
TEST(notifications, subjects_come_and_go) { run(WORKERS, 300000, true); }

/* The bytes that Lido holds do not grow with the subscriptions. */
TEST(notifications, nothing_is_left_behind) {
  int64_t held = 0;
  for (int round = 0; round < 4; round++) {
    run(WORKERS, 50000, true);
    lido_subjects_trim();
    if (round >= 2) CHECK_LE(objects_bytes_held(), held);
    held = objects_bytes_held();
  }
}

/* ---- Forks ---- */

enum child_status { FINE, UNSOUND, NO_SUBJECT, NOT_SUBSCRIBED, NOT_CALLED, NOT_ENDED };

static void count_call(void *observer, const void *event, void *context) {
  (void)observer;
  (void)event;
  ++*(int *)context;
}

static int use_subject(market *m, lido_subject *subject) {
  static const lido_observer_calls counting = {.next = count_call};
  int count = 0;
  if (lido_subject_check(subject) != NULL) return UNSOUND;
  lido_subject_compact(subject);
  lido_subject *fresh = lido_subject_create(NULL);
  listener *observer = lido_pool_alloc(m->pool);
  if (fresh == NULL || observer == NULL) return NO_SUBJECT;
  lido_subscription made = lido_subscribe(fresh, observer, &counting, &count);
  if (made.bits == 0) return NOT_SUBSCRIBED;
  if (lido_subject_next(fresh, NULL) != 1 || count != 1) return NOT_CALLED;
  if (lido_unsubscribe_sync(made, UINT64_MAX) != 0) return NOT_ENDED;
  lido_subject_destroy(fresh);
  lido_release(observer);
  return lido_subject_check(subject) == NULL ? FINE : UNSOUND;
}

static int live_as_a_child(market *m) {
  int status = FINE;
  for (size_t i = 0; i < PLACES && status == FINE; i++) {
    lido_subject *subject = acquire(&m->subjects[i]);
    if (subject == NULL) continue;
    status = use_subject(m, subject);
    lido_release(subject);
    lido_subject_destroy(subject);
  }
  return status;
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

TEST(notifications, the_child_of_a_fork_can_use_subjects) {
  static crew team;
  static market m;
  int status = 0;
  open_market(&m, 0, true);
  crew_start(&team, WORKERS, testing_seed(), work, &m);
  size_t forks = testing_scaled(100);
  for (size_t done = 0; done < forks && status == 0 && crew_goes_on(&team); done++) status = fork_once(&m);
  flag_set(&m.over, 1);
  CHECK_CREW(&team);
  if (status != 0)
    TESTING_FAIL("the child's status is %d (signal %d, exit %d)", status, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  close_market(&m);
}
