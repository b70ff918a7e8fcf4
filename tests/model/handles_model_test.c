/* handles_model_test.c: random operations on objects with handles in a few pools, compared with a plain reference.
 *
 * The reference is a list of all lives that ever were: the object, how many references there are, how far it has come
 * (alone, counted, published, killed, dead), and its handle, which is kept for ever. Any handle may be asked at any
 * time, long after its pool is gone. LIDO_SEED repeats a run.
 */
#include <stdlib.h>

#include "lib/refs/counts.h"
#include "pools/pool_core.h"
#include "tests/model/reference.h"
#include "tests/support/random.h"

enum { POOLS = 3, LIVES_MOST = 1 << 18, LIVE_MOST = 1000, STEPS_TO_CHECK = 2000 };

typedef enum stage { ALONE, COUNTED, PUBLISHED, KILLED, DEAD } stage;

typedef struct life {
  unsigned char *object;
  lido_weak weak; /* {0}: nobody asked for it */
  uint32_t references;
  uint8_t stage;
  uint8_t pool;
} life;

typedef struct model {
  lido_pool_options options;
  size_t step;
  testing_random random;
  lido_pool *pools[POOLS];
  size_t live_in[POOLS];
  reference live; /* of all pools; the stamp is the number of the life */
  life *lives;    /* [LIVES_MOST] */
  size_t count;   /* of them */
  size_t appetite;
  size_t expected_deaths; /* of which the destructor is to hear */
  size_t deaths;
  misuse_log log;
  size_t misuses;
} model;

static model m;

#define HOLD(condition)                                                                                 \
  do {                                                                                                  \
    if (!(condition)) TESTING_FAIL("step %zu, %zu live: not so: %s", m.step, m.live.count, #condition); \
  } while (0)

static size_t below(size_t bound) { return testing_below(&m.random, bound); }

/* ---- Lives ---- */

static life *any_life(void) { return &m.lives[below(m.count)]; }

static life *any_living(void) { return &m.lives[reference_find(&m.live, m.live.order[below(m.live.count)])->stamp]; }

/* Mostly of an object that is there, or was lately. */
static life *any_with_handle(void) {
  for (size_t tries = 0; tries < 8 && m.count != 0; tries++) {
    life *found = below(3) == 0 || m.live.count == 0 ? any_life() : any_living();
    if (below(6) == 0) found = &m.lives[m.count - 1 - below(m.count < 100 ? m.count : 100)];
    if (found->weak.bits != 0) return found;
  }
  return NULL;
}

static bool is_intact(const life *l) {
  return reference_holds(reference_find(&m.live, l->object), m.options.object_size, 0);
}

static void alloc_one(void) {
  if (m.live.count == LIVE_MOST || m.count == LIVES_MOST) return;
  size_t p = below(POOLS);
  unsigned char *object = lido_pool_alloc(m.pools[p]);
  if (object == NULL) {
    HOLD(m.options.max_objects != 0);
    return;
  }
  HOLD(reference_find(&m.live, object) == NULL);
  HOLD((uintptr_t)object % (m.options.align != 0 ? m.options.align : 64) == 0);
  if (m.options.flags & LIDO_POOL_ZERO) HOLD(objects_are_all(object, m.options.object_size, 0));
  HOLD(lido_reference_count(object) == 1);
  reference_write(reference_insert(&m.live, object, m.count), m.options.object_size, 0);
  m.lives[m.count++] = (life){.object = object, .references = 1, .pool = (uint8_t)p};
  m.live_in[p]++;
}

static void destroyed(void *object, void *context) {
  const reference_entry *entry = reference_find(&m.live, object);
  m.deaths += context == &m && entry != NULL && m.lives[entry->stamp].stage == DEAD &&
              reference_holds(entry, m.options.object_size, 0) && lido_weak_acquire(m.lives[entry->stamp].weak) == NULL;
}

/* Before the call that takes the last reference. */
static void will_die(life *l) {
  HOLD(is_intact(l));
  l->stage = DEAD;
  m.expected_deaths++;
}

static void has_died(life *l) {
  if (m.options.destroy != NULL) HOLD(m.deaths == m.expected_deaths);
  reference_erase(&m.live, reference_find(&m.live, l->object));
  m.live_in[l->pool]--;
  HOLD(LIDO_CHECKS == LIDO_CHECKS_NONE || !lido_pool_owns(m.pools[l->pool], l->object));
}

/* ---- References ---- */

static void count_it(life *l, stage at_least) {
  if (l->stage < at_least) l->stage = (uint8_t)at_least;
}

static void retain(void) {
  life *l = any_living();
  size_t count = below(4) == 0 ? below(100) : 1;
  HOLD((count == 1 ? lido_retain(l->object) : lido_retain_n(l->object, count)) == l->object);
  l->references += (uint32_t)count;
  if (count != 0) count_it(l, COUNTED);
}

static void release_somehow(life *l, size_t count) {
  void *batch[2] = {NULL, l->object};
  size_t way = below(count != 1 ? 1 : l->weak.bits != 0 ? 6 : 5);
  errno = EXDEV;
  if (way == 0) lido_release_n(l->object, count);
  if (way == 1 || way == 2) lido_release(l->object);
  if (way == 3) lido_pool_free(m.pools[l->pool], l->object);
  if (way == 4) lido_pool_free_batch(m.pools[l->pool], batch, 2);
  if (way == 5) lido_weak_release(l->weak);
  HOLD(errno == EXDEV);
}

static void release(void) {
  life *l = any_living();
  size_t count = below(3) == 0 ? below(l->references + 1) : 1;
  if (below(2) == 0 && l->stage != ALONE) count = l->references;
  bool last = count == l->references;
  l->references -= (uint32_t)count;
  if (last) will_die(l);
  release_somehow(l, count);
  if (last) has_died(l);
}

/* ---- Handles ---- */

static void give_handle(void) {
  life *l = any_living();
  bool publishes = below(3) != 0;
  lido_weak weak = publishes ? lido_weak_make(l->object) : lido_weak_reserve(l->object);
  HOLD(weak.bits != 0);
  HOLD(l->weak.bits == 0 || lido_weak_equal(l->weak, weak));
  l->weak = weak;
  count_it(l, publishes ? PUBLISHED : COUNTED);
}

static void publish(void) {
  life *l = any_living();
  lido_weak_publish(l->object);
  count_it(l, PUBLISHED);
}

static void ask(const life *l) {
  static const lido_weak_state states[] = {[COUNTED] = LIDO_WEAK_UNPUBLISHED,
                                           [PUBLISHED] = LIDO_WEAK_LIVE,
                                           [KILLED] = LIDO_WEAK_KILLED,
                                           [DEAD] = LIDO_WEAK_STALE};
  HOLD(lido_weak_state_get(l->weak) == states[l->stage]);
  HOLD(lido_weak_get(l->weak) == (l->stage == PUBLISHED ? l->object : NULL));
}

static void ask_any(void) {
  for (size_t i = 0; i < 8; i++) {
    const life *l = any_with_handle();
    if (l != NULL) ask(l);
  }
}

static void acquire(void) {
  life *l = any_with_handle();
  if (l == NULL) return;
  HOLD(lido_weak_acquire(l->weak) == (l->stage == PUBLISHED ? l->object : NULL));
  l->references += l->stage == PUBLISHED;
}

static void kill_one(void) {
  life *l = any_with_handle();
  if (l == NULL || below(4) != 0) return;
  HOLD(lido_weak_kill(l->weak) == (l->stage == PUBLISHED));
  if (l->stage == PUBLISHED) l->stage = KILLED;
}

static void to_number_and_back(void) {
  const life *l = any_with_handle();
  if (l == NULL) return;
  HOLD(lido_weak_from_u64(lido_weak_to_u64(l->weak)).bits == l->weak.bits);
  errno = 0;
  double number = lido_weak_to_double(l->weak);
  if ((m.options.flags & LIDO_POOL_HANDLES_53) == LIDO_POOL_HANDLES_53) HOLD(errno == 0);
  HOLD(errno == 0 || errno == EOVERFLOW);
  if (errno == 0) HOLD(lido_weak_from_double(number).bits == l->weak.bits);
}

/* A life of the slot that is far away. */
static void ask_forged(void) {
  const life *l = any_with_handle();
  if (l == NULL) return;
  lido_weak forged = lido_weak_from_u64(l->weak.bits ^ UINT64_C(1) << (52 + below(12)));
  HOLD(lido_weak_acquire(forged) == NULL);
  HOLD(!lido_weak_kill(forged));
  HOLD(lido_weak_state_get(forged) == LIDO_WEAK_NEVER_ISSUED);
}

/* ---- Misuse ---- */

static void misuse_step(void) {
  life *l = below(2) == 0 ? any_living() : any_life();
  m.misuses++;
  bool checked = LIDO_CHECKS != LIDO_CHECKS_NONE;
  if (l->stage == DEAD && l->weak.bits != 0) {
    lido_weak_release(l->weak);
  } else if (l->stage == DEAD) {
    m.misuses--;
    return;
  } else if (below(2) == 0) {
    lido_release_n(l->object, l->references + 1 + below(1000));
  } else if (checked && below(2) == 0) {
    lido_pool_free(m.pools[(l->pool + 1) % POOLS], l->object);
  } else {
    HOLD(lido_retain(l->object + 1 + below(7)) == NULL);
  }
  HOLD(m.log.count == m.misuses);
}

/* ---- Pools ---- */

static void make_pool(size_t p) {
  m.pools[p] = lido_pool_create(&m.options);
  CHECK_NOT_NULL(m.pools[p]);
}

static void end_pool(size_t p) {
  size_t live = m.live_in[p];
  CHECK_SOUND(m.pools[p]);
  for (size_t i = 0; i < m.live.count; i++) {
    life *l = &m.lives[reference_find(&m.live, m.live.order[i])->stamp];
    if (l->pool == p) will_die(l);
  }
  HOLD(lido_pool_destroy(m.pools[p]) == live);
  if (m.options.destroy != NULL) HOLD(m.deaths == m.expected_deaths);
  for (size_t i = m.live.count; i-- > 0;) {
    reference_entry *entry = reference_find(&m.live, m.live.order[i]);
    if (m.lives[entry->stamp].stage == DEAD) reference_erase(&m.live, entry);
  }
  m.live_in[p] = 0;
}

/* K1: the pool says HELD of those that are counted; the others may be samples of the heap profile. */
static void check_state(const life *l) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return;
  const lido_pool_core *core = lido_core_of(m.pools[l->pool]);
  uint8_t state = *lido_core_state_of(core, (uintptr_t)l->object);
  HOLD((state == LIDO_STATE_HELD) == (l->stage != ALONE) && lido_state_is_live(state));
}

static void check(void) {
  for (size_t p = 0; p < POOLS; p++) {
    CHECK_SOUND(m.pools[p]);
    HOLD(objects_stats(m.pools[p]).live == m.live_in[p]);
    HOLD(objects_stats(m.pools[p]).retired == 0);
  }
  HOLD(lido_weak_check() == NULL);
  for (size_t i = 0; i < m.live.count; i++) {
    const life *l = &m.lives[reference_find(&m.live, m.live.order[i])->stamp];
    HOLD(is_intact(l));
    HOLD(lido_reference_count(l->object) == l->references);
    HOLD(lido_pool_of(l->object) == m.pools[l->pool]);
    check_state(l);
  }
}

/* ---- The run ---- */

static void step(void) {
  if (below(3000) == 0) m.appetite = below(below(2) == 0 ? LIVE_MOST : 50);
  size_t dice = below(1000);
  if (dice < 200 || m.live.count == 0) {
    if (m.live.count <= m.appetite) alloc_one();
  } else if (dice < 480) {
    if (m.live.count > m.appetite || below(2) == 0) release();
  } else if (dice < 560) {
    retain();
  } else if (dice < 680) {
    give_handle();
  } else if (dice < 700) {
    publish();
  } else if (dice < 850) {
    acquire();
  } else if (dice < 900) {
    kill_one();
  } else if (dice < 960) {
    ask_any();
  } else if (dice < 970) {
    to_number_and_back();
  } else if (dice < 980) {
    ask_forged();
  } else if (dice < 990) {
    misuse_step();
  } else if (dice < 993) {
    lido_pool_trim(m.pools[below(POOLS)]);
  } else if (dice < 995) {
    lido_thread_flush();
  } else if (dice == 995 && below(4) == 0) {
    size_t p = below(POOLS);
    end_pool(p);
    make_pool(p);
  }
  HOLD(m.log.count == m.misuses);
}

static int by_bits(const void *left, const void *right) {
  uint64_t a = ((const life *)left)->weak.bits;
  uint64_t b = ((const life *)right)->weak.bits;
  return (a > b) - (a < b);
}

static void finish(void) {
  for (size_t p = 0; p < POOLS; p++) end_pool(p);
  HOLD(m.live.count == 0);
  HOLD(lido_weak_check() == NULL);
  HOLD(m.log.count == m.misuses);
  misuse_log_stop();
  qsort(m.lives, m.count, sizeof *m.lives, by_bits);
  for (size_t i = 0; i < m.count; i++) {
    if (m.lives[i].weak.bits == 0) continue;
    ask(&m.lives[i]);
    HOLD(i == 0 || m.lives[i].weak.bits != m.lives[i - 1].weak.bits);
  }
  free(m.lives);
}

static void run(lido_pool_options options, size_t steps) {
  memset(&m, 0, sizeof m);
  m.random.state = testing_seed();
  options.flags |= LIDO_POOL_HANDLES;
  if (options.destroy != NULL) options.context = &m;
  m.options = options;
  m.lives = calloc(LIVES_MOST, sizeof *m.lives);
  CHECK_NOT_NULL(m.lives);
  for (size_t p = 0; p < POOLS; p++) make_pool(p);
  misuse_log_start(&m.log);
  for (size_t last = testing_scaled(steps); m.step < last; m.step++) {
    step();
    if (m.step % STEPS_TO_CHECK == 0) check();
  }
  check();
  finish();
}

enum { STEPS = 600000 };

TEST(handles_model, objects_of_64_bytes) { run((lido_pool_options){.object_size = 64}, STEPS); }
TEST(handles_model, objects_of_8_bytes) { run((lido_pool_options){.object_size = 8, .align = 8}, STEPS); }
TEST(handles_model, objects_of_200_bytes) { run((lido_pool_options){.object_size = 200}, STEPS); }
TEST(handles_model, objects_of_a_page) { run((lido_pool_options){.object_size = 3000, .align = 4096}, STEPS / 4); }
TEST(handles_model, objects_of_40000_bytes) { run((lido_pool_options){.object_size = 40000}, STEPS / 10); }
TEST(handles_model, objects_of_a_mebibyte) { run((lido_pool_options){.object_size = 1 << 20}, STEPS / 20); }
TEST(handles_model, zeroed_objects) { run((lido_pool_options){.object_size = 100, .flags = LIDO_POOL_ZERO}, STEPS); }
TEST(handles_model, handles_as_numbers) {
  run((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES_53}, STEPS);
}
TEST(handles_model, pools_of_one_thread) {
  run((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_SINGLE_THREAD}, STEPS);
}
TEST(handles_model, spread_states) { run((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_SPREAD}, STEPS); }
TEST(handles_model, a_limit) { run((lido_pool_options){.object_size = 64, .max_objects = 50}, STEPS); }
TEST(handles_model, no_caches) { run((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX}, STEPS); }
TEST(handles_model, small_caches_and_little_retained) {
  run((lido_pool_options){.object_size = 1000, .cache_bytes = 10000, .retain_bytes = 1}, STEPS);
}
TEST(handles_model, a_destructor) { run((lido_pool_options){.object_size = 64, .destroy = destroyed}, STEPS); }
TEST(handles_model, a_destructor_of_zeroed_objects_without_caches) {
  lido_pool_options options = {.object_size = 64, .destroy = destroyed, .flags = LIDO_POOL_ZERO};
  options.cache_bytes = SIZE_MAX;
  run(options, STEPS);
}
