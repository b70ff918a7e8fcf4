/* late_frees_test.c: threads that alloc and free while they exit: in destructors of pthread keys, made before
 * and after Lido's own, in every round of them, and in destructors of C++ thread_locals. Nothing may be left
 * behind.
 */
#include "tests/stress/late_frees.h"

#include <sys/wait.h>

#include "lib/base/fault.h"
#include "tests/stress/crew.h"

enum {
  BYTES = 64,
  /* ThreadSanitizer takes a thread's state away in the last round, before any other key has its turn. */
  ROUNDS = CREW_TSAN ? 3 : 4,
  ERRNO_MARK = 4711,
};

typedef struct leaf {
  stamp stamp;
  char rest[BYTES - sizeof(stamp)];
} leaf;

LIDO_POOL_DEFINE(leaf, leaf)

typedef struct visit {
  lido_pool *pool;
  bool uses_before;   /* does the thread use Lido before it exits? */
  unsigned first_use; /* round of the first use in a destructor */
  pthread_key_t key;
  unsigned round;
  void *kept;
  leaf *kept_leaf;
  int broken;
} visit;

/* ---- Keys: one is older than Lido's, one younger ---- */

static pthread_key_t key_before;
static pthread_key_t key_after;

static void use_leaves(visit *v) {
  leaf *fresh = leaf_alloc();
  if (fresh == NULL) {
    v->broken = 1;
    return;
  }
  stamp_put(fresh, BYTES, 2, v->round);
  if (v->kept_leaf != NULL && !stamp_is_of(v->kept_leaf, BYTES, 2)) v->broken = 2;
  leaf_free(v->kept_leaf);
  v->kept_leaf = fresh;
}

static void use(visit *v) {
  errno = ERRNO_MARK;
  void *first = lido_pool_alloc(v->pool);
  void *second = lido_pool_alloc(v->pool);
  if (first == NULL || second == NULL) {
    v->broken = 3;
    return;
  }
  stamp_put(first, BYTES, 1, v->round);
  lido_pool_free(v->pool, second);
  if (v->kept != NULL && !stamp_is_of(v->kept, BYTES, 1)) v->broken = 4;
  lido_pool_free(v->pool, v->kept);
  v->kept = first;
  use_leaves(v);
  if (errno != ERRNO_MARK) v->broken = 5;
}

static void give_all_back(visit *v) {
  lido_pool_free(v->pool, v->kept);
  if (v->kept_leaf != NULL) leaf_free(v->kept_leaf);
  v->kept = NULL;
  v->kept_leaf = NULL;
}

static void on_exit_round(void *value) {
  visit *v = value;
  v->round++;
  if (v->round >= v->first_use) use(v);
  if (v->round < ROUNDS) {
    pthread_setspecific(v->key, v);
  } else {
    give_all_back(v);
  }
}

/* Before anybody used Lido. */
__attribute__((constructor)) static void make_key_before(void) { pthread_key_create(&key_before, on_exit_round); }

static void *live_and_exit(void *argument) {
  visit *v = argument;
  if (v->uses_before) use(v);
  pthread_setspecific(v->key, v);
  return NULL;
}

static void *use_and_flush(void *argument) {
  visit *v = argument;
  use(v);
  give_all_back(v);
  return NULL;
}

/* One thread with this key, then what would stumble over remains of it. -> bytes held afterwards. */
static int64_t visit_once(pthread_key_t key, bool uses_before, unsigned first_use) {
  visit v = {.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES}), .key = key};
  CHECK_NOT_NULL(v.pool);
  CHECK_NOT_NULL(leaf_pool());
  v.uses_before = uses_before;
  v.first_use = first_use;
  objects_in_thread(live_and_exit, &v);
  CHECK_EQ(v.round, ROUNDS);
  CHECK_EQ(v.broken, 0);
  CHECK_EQ(objects_stats(v.pool).thread_caches, 0);
  CHECK_EQ(objects_stats(leaf_pool()).thread_caches, 0);
  CHECK_EQ(objects_stats(v.pool).live, 0);
  CHECK_EQ(objects_stats(leaf_pool()).live, 0);
  visit next = {.pool = v.pool};
  objects_in_thread(use_and_flush, &next); /* gets the same stack and thread-locals */
  CHECK_EQ(next.broken, 0);
  lido_pool_trim(leaf_pool());
  CHECK_SOUND(v.pool);
  CHECK_SOUND(leaf_pool());
  CHECK_EQ(lido_pool_destroy(v.pool), 0);
  CHECK_EQ(lido_pool_destroy(leaf_pool()), 0);
  return objects_bytes_held();
}

static void make_keys(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool)); /* now Lido has its key */
  CHECK_EQ(lido_pool_destroy(pool), 0);
  if (key_after == 0) CHECK_EQ(pthread_key_create(&key_after, on_exit_round), 0);
  CHECK_LT(key_before, key_after);
}

static void visit_in_every_round(bool after, bool uses_before) {
  make_keys();
  pthread_key_t key = after ? key_after : key_before;
  int64_t baseline = visit_once(key, true, ROUNDS + 1); /* no use in destructors but the last frees */
  for (unsigned first_use = 1; first_use <= ROUNDS; first_use++) {
    CHECK_EQ(visit_once(key, uses_before, first_use), baseline);
  }
}

TEST(late_frees, by_a_key_older_than_lidos) { visit_in_every_round(false, true); }
TEST(late_frees, by_a_key_younger_than_lidos) { visit_in_every_round(true, true); }
TEST(late_frees, by_an_older_key_in_a_thread_new_to_lido) { visit_in_every_round(false, false); }
TEST(late_frees, by_a_younger_key_in_a_thread_new_to_lido) { visit_in_every_round(true, false); }

/* ---- Many threads at once ---- */

static void exit_with_frees(crew_member *me) {
  static visit visits[16];
  visit *v = &visits[me->index];
  *v = (visit){.pool = me->shared, .key = me->index % 2 ? key_after : key_before};
  v->uses_before = me->index % 4 < 2;
  v->first_use = 1 + (unsigned)me->index % (ROUNDS - 1);
  if (v->uses_before) use(v);
  pthread_setspecific(v->key, v);
}

TEST(late_frees, of_many_threads_while_the_pool_is_trimmed) {
  static crew team;
  make_keys();
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (size_t round = 0; round < testing_scaled(60); round++) {
    crew_start(&team, 16, round, exit_with_frees, pool);
    for (size_t i = 0; i < 20; i++) {
      lido_pool_trim(pool);
      lido_pool_trim(leaf_pool());
    }
    CHECK_CREW(&team);
    CHECK_EQ(objects_stats(pool).thread_caches, 0);
    CHECK_EQ(objects_stats(pool).live, 0);
  }
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(objects_stats(leaf_pool()).live, 0);
  CHECK_EQ(lido_pool_destroy(leaf_pool()), 0);
}

/* ---- Threads that come to a typed pool only in the last round ---- */

static size_t late_ends; /* atomic */

static void use_in_last_round(void *value) {
  visit *v = value;
  if (++v->round < ROUNDS) {
    pthread_setspecific(v->key, v);
    return;
  }
  use_leaves(v);
  leaf_free(v->kept_leaf);
  free(v);
  __atomic_add_fetch(&late_ends, 1, __ATOMIC_RELEASE);
}

static void *exit_late(void *argument) {
  visit *v = calloc(1, sizeof *v);
  if (v == NULL) abort();
  v->key = *(pthread_key_t *)argument;
  pthread_setspecific(v->key, v);
  return NULL;
}

enum { LATE_ONES = 4000 };

/* Detached, with stacks that are too large to be kept: their thread-locals are unmapped when they are gone. */
static void exit_late_again_and_again(crew_member *me) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)64 << 20);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (size_t i = 0; i < testing_scaled(LATE_ONES); i++) {
    pthread_t thread;
    while (pthread_create(&thread, &attributes, exit_late, me->shared) != 0) sched_yield();
  }
  pthread_attr_destroy(&attributes);
}

TEST(late_frees, leave_nothing_to_stumble_over) {
  static crew team;
  static pthread_key_t key;
  CHECK_NOT_NULL(leaf_pool());
  leaf_free(leaf_alloc()); /* now Lido has its key */
  CHECK_EQ(pthread_key_create(&key, use_in_last_round), 0);
  crew_start(&team, 1, 1, exit_late_again_and_again, &key);
  for (size_t i = 0; i < testing_scaled(20000); i++) {
    lido_pool_trim(leaf_pool());
    objects_stats(leaf_pool());
  }
  CHECK_CREW(&team);
  while (__atomic_load_n(&late_ends, __ATOMIC_ACQUIRE) != testing_scaled(LATE_ONES)) sched_yield();
  while (objects_stats(leaf_pool()).thread_caches > 1) sched_yield(); /* the last hooks are on their way */
  CHECK_EQ(objects_stats(leaf_pool()).live, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(lido_pool_check(leaf_pool()) != NULL);
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

/* ---- C++ ---- */

#ifdef LIDO_TEST_CXX

typedef struct cxx_visit {
  lido_pool *pool;
  int destroyed;
  int broken;
} cxx_visit;

static void *exit_with_thread_locals(void *argument) {
  cxx_visit *v = argument;
  late_frees_make_thread_locals(v->pool, &v->destroyed, &v->broken);
  return NULL;
}

static int64_t visit_with_thread_locals(void) {
  cxx_visit v = {.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES})};
  CHECK_NOT_NULL(v.pool);
  for (int again = 0; again < 5; again++) {
    objects_in_thread(exit_with_thread_locals, &v);
    CHECK_EQ(v.broken, 0);
    CHECK_EQ(v.destroyed, 1003);
    CHECK_EQ(objects_stats(v.pool).thread_caches, 0);
    CHECK_EQ(objects_stats(v.pool).live, 0);
  }
  CHECK_SOUND(v.pool);
  CHECK_EQ(lido_pool_destroy(v.pool), 0);
  return objects_bytes_held();
}

TEST(late_frees, by_thread_locals_of_cxx) {
  int64_t baseline = visit_with_thread_locals();
  CHECK_EQ(visit_with_thread_locals(), baseline);
}

#endif
