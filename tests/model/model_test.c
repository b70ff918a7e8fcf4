/* model_test.c: random operations on a pool, compared with a plain reference.
 *
 * The reference is a table of the live objects with their contents, and a few counts. What the pool says of
 * itself (statistics, owns, for_each, its check) must agree with it; misuse must be found, named rightly and
 * change nothing. A second pool stands on the same backing, so that the first has a neighbour. LIDO_SEED
 * repeats a run.
 */
#include <stdlib.h>

#include "tests/model/reference.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum {
  DEAD = 64,
  FEW = 3, /* reserves, magazines, explicit caches at one time */
  NEIGHBOURS = 40,
  BATCH_MOST = 70,
  STEPS_TO_CHECK = 1000,
  REGION_BYTES = 1 << 20,
};

typedef struct model {
  lido_pool_options options;
  size_t stride;
  size_t step;
  testing_random random;
  lido_pool *pool;
  size_t skip; /* bytes at an object's start that are the constructor's */
  /* live objects */
  reference live;
  size_t most_live;
  uint64_t allocs;
  uint64_t frees;
  uint64_t nulls; /* allocs that failed */
  uint64_t walks;
  unsigned char *dead[DEAD]; /* freed lately; some may be live again */
  size_t appetite;           /* how many live objects are aimed at now */
  /* what is set aside, and caches */
  lido_reserve *reserves[FEW];
  lido_magazine *magazines[FEW];
  lido_pool_cache *caches[FEW];
  /* the pool beside it */
  lido_pool *neighbour;
  unsigned char *neighbours[NEIGHBOURS];
  /* misuse */
  misuse_log log;
  size_t misuses;
  /* construct */
  size_t constructed;
  size_t destroyed;
  bool in_buffer;
} model;

static model m;

#define HOLD(condition)                                                                                 \
  do {                                                                                                  \
    if (!(condition)) TESTING_FAIL("step %zu, %zu live: not so: %s", m.step, m.live.count, #condition); \
  } while (0)

static size_t below(size_t bound) { return testing_below(&m.random, bound); }

static reference_entry *find(const void *object) { return reference_find(&m.live, object); }
static unsigned char *any_live(void) { return m.live.order[below(m.live.count)]; }

/* ---- Construct: the first word is the constructor's ---- */

enum { BUILT = 0xb111d };

static int construct(void *object, void *context) {
  *(uint64_t *)object = BUILT;
  ++*(size_t *)context;
  return 0;
}

static void destroy(void *object, void *context) {
  m.destroyed += *(uint64_t *)object == BUILT && context == &m.constructed;
  *(uint64_t *)object = 0;
}

/* ---- What was set aside ---- */

static size_t set_aside(void) {
  size_t objects = 0;
  for (size_t i = 0; i < FEW; i++) {
    if (m.reserves[i] != NULL) objects += lido_reserve_count(m.reserves[i]);
    if (m.magazines[i] != NULL) objects += lido_magazine_count(m.magazines[i]);
  }
  return objects;
}

static size_t explicit_caches(void) {
  size_t caches = 0;
  for (size_t i = 0; i < FEW; i++) caches += m.caches[i] != NULL;
  return caches;
}

/* ---- Alloc and free ---- */

static bool holds_its_stamp(const reference_entry *entry) {
  return reference_holds(entry, m.options.object_size, m.skip);
}

static void came(unsigned char *object) {
  HOLD(find(object) == NULL);
  size_t align = m.options.align != 0 ? m.options.align : 64;
  HOLD((uintptr_t)object % align == 0);
  if (m.options.flags & LIDO_POOL_ZERO) HOLD(objects_are_all(object, m.options.object_size, 0));
  if (m.options.construct != NULL) HOLD(*(uint64_t *)(void *)object == BUILT);
  reference_write(reference_insert(&m.live, object, testing_next(&m.random)), m.options.object_size, m.skip);
  if (m.live.count > m.most_live) m.most_live = m.live.count;
  m.allocs++;
}

static void goes(unsigned char *object) {
  reference_entry *entry = find(object);
  HOLD(entry != NULL && holds_its_stamp(entry));
  if (m.options.construct != NULL) HOLD(*(uint64_t *)(void *)object == BUILT);
  reference_erase(&m.live, entry);
  m.frees++;
  m.dead[below(DEAD)] = object;
}

/* No object: then there was no room for one more. */
static void none_came(void) {
  HOLD(errno == ENOMEM);
  HOLD(m.options.on_exhausted != LIDO_EXHAUSTED_FALLBACK);
  lido_pool_stats s = objects_stats(m.pool);
  size_t out = m.live.count + s.cached + set_aside();
  if (m.in_buffer) {
    HOLD(s.objects == out);
  } else {
    HOLD(m.options.max_objects != 0 && out == m.options.max_objects);
  }
  /* A free object must not hide from a waiter, not even in an explicit cache. */
  if (explicit_caches() == 0 || m.options.on_exhausted == LIDO_EXHAUSTED_WAIT) HOLD(s.cached == 0);
  m.nulls++;
}

static lido_pool_cache *any_cache(void) { return m.caches[below(FEW)]; }

static void alloc_one(void) {
  if (m.live.count == REFERENCE_MOST) return;
  lido_pool_cache *cache = any_cache();
  errno = 0;
  unsigned char *object = cache != NULL ? lido_pool_cache_alloc(cache) : lido_pool_alloc(m.pool);
  if (object == NULL) {
    none_came();
    return;
  }
  HOLD(errno == 0);
  came(object);
}

static void free_one(void) {
  if (m.live.count == 0) return;
  unsigned char *object = any_live();
  goes(object);
  lido_pool_cache *cache = any_cache();
  errno = 0;
  if (cache != NULL) {
    lido_pool_cache_free(cache, object);
  } else {
    lido_pool_free(m.pool, object);
  }
  HOLD(errno == 0);
}

/* Free and alloc at once: mostly the same object again. */
static void pairs(void) {
  for (size_t i = below(6); i > 0; i--) {
    free_one();
    alloc_one();
  }
}

static void alloc_batch(void) {
  void *batch[BATCH_MOST];
  size_t count = below(BATCH_MOST + 1);
  if (m.live.count + count > REFERENCE_MOST) return;
  errno = 0;
  size_t got = lido_pool_alloc_batch(m.pool, batch, count);
  HOLD(got <= count);
  if (got == count) HOLD(errno == 0);
  int batch_errno = errno;
  for (size_t i = 0; i < got; i++) came(batch[i]);
  errno = batch_errno;
  if (got < count) none_came();
}

static void free_batch(void) {
  void *batch[BATCH_MOST];
  size_t count = below(BATCH_MOST + 1);
  for (size_t i = 0; i < count; i++) {
    batch[i] = NULL;
    if (m.live.count == 0 || below(8) == 0) continue;
    batch[i] = any_live();
    goes(batch[i]);
  }
  lido_pool_free_batch(m.pool, batch, count);
}

/* ---- Memory goes back ---- */

static void trim(void) {
  lido_pool_stats before = objects_stats(m.pool);
  size_t bytes = lido_pool_trim(m.pool);
  lido_pool_stats after = objects_stats(m.pool);
  HOLD(after.slabs <= before.slabs);
  HOLD((bytes == 0) == (after.slabs == before.slabs));
  if (explicit_caches() == 0) HOLD(after.cached == 0 && after.slabs_empty == 0);
  CHECK_SOUND(m.pool);
}

static void flush(void) {
  lido_pool_stats before = objects_stats(m.pool);
  lido_thread_flush();
  lido_pool_stats after = objects_stats(m.pool);
  HOLD(after.live == before.live && after.cached <= before.cached);
}

/* ---- Reserves ---- */

/* A reserve did not get `count` more: no free object was kept back from it, but in explicit caches. (A buffer
 * may not even have had room for the reserve itself.)
 */
static void check_none_left(size_t count) {
  if (m.in_buffer) return;
  lido_pool_stats s = objects_stats(m.pool);
  if (explicit_caches() == 0) HOLD(s.cached == 0);
  size_t out = m.live.count + s.cached + set_aside();
  HOLD(m.options.max_objects != 0 && out + count > m.options.max_objects);
}

static void reserve_create(lido_reserve **reserve) {
  size_t count = 1 + below(100);
  errno = 0;
  *reserve = lido_reserve_create(m.pool, count);
  if (*reserve != NULL) {
    HOLD(errno == 0);
    HOLD(lido_reserve_count(*reserve) == count);
    return;
  }
  HOLD(errno == ENOMEM);
  check_none_left(count);
}

static void reserve_alloc(lido_reserve *reserve) {
  size_t count = lido_reserve_count(reserve);
  for (size_t i = below(30); i > 0 && m.live.count < REFERENCE_MOST; i--) {
    errno = 0;
    unsigned char *object = lido_reserve_alloc(reserve);
    HOLD((object == NULL) == (count == 0));
    HOLD(errno == (object == NULL ? ENOMEM : 0));
    if (object == NULL) return;
    HOLD(lido_reserve_count(reserve) == --count);
    came(object);
  }
}

static void reserve_step(void) {
  lido_reserve **reserve = &m.reserves[below(FEW)];
  if (*reserve == NULL) {
    reserve_create(reserve);
    return;
  }
  switch (below(4)) {
    case 0: {
      int error = lido_reserve_refill(*reserve);
      HOLD(error == 0 || error == ENOMEM);
      if (error != 0) check_none_left(1);
      break;
    }
    case 1:
      lido_reserve_destroy(*reserve);
      *reserve = NULL;
      break;
    default:
      reserve_alloc(*reserve);
  }
}

/* ---- Magazines and explicit caches ---- */

static void magazine_step(void) {
  lido_magazine **magazine = &m.magazines[below(FEW)];
  if (*magazine != NULL) {
    lido_pool_magazine_attach(m.pool, *magazine);
    *magazine = NULL;
    return;
  }
  *magazine = lido_pool_magazine_detach(m.pool);
  if (*magazine != NULL) HOLD(lido_magazine_count(*magazine) > 0);
}

static void cache_step(void) {
  lido_pool_cache **cache = &m.caches[below(FEW)];
  if (*cache == NULL) {
    *cache = lido_pool_cache_create(m.pool);
    HOLD(*cache != NULL || m.in_buffer);
  } else if (below(2) == 0) {
    lido_pool_cache_flush(*cache);
  } else {
    lido_pool_cache_destroy(*cache);
    *cache = NULL;
  }
}

static void neighbour_step(void) {
  unsigned char **object = &m.neighbours[below(NEIGHBOURS)];
  if (*object != NULL) {
    lido_pool_free(m.neighbour, *object);
    *object = NULL;
    return;
  }
  *object = lido_pool_alloc(m.neighbour);
  HOLD(*object != NULL || m.in_buffer);
  if (*object != NULL) HOLD(find(*object) == NULL);
}

/* ---- Questions ---- */

static void compare_statistics(void) {
  lido_pool_stats s = objects_stats(m.pool);
  size_t aside = set_aside();
  HOLD(s.live == m.live.count);
  HOLD(s.allocs == m.allocs);
  HOLD(s.frees == m.frees);
  HOLD(s.peak >= m.most_live);
  HOLD(s.objects >= s.live + s.cached + aside);
  HOLD(s.slabs_made - s.slabs_released == s.slabs);
  HOLD(s.slabs_empty <= s.slabs);
  HOLD(s.bytes_live == s.live * m.stride);
  HOLD(s.bytes_cached == s.cached * m.stride);
  HOLD(s.bytes_reserved >= s.objects * m.stride + s.bytes_metadata);
  HOLD(s.thread_caches <= 1 + explicit_caches());
  HOLD(s.contended == 0);
  double hit_rate = lido_pool_hit_rate(&s);
  HOLD(hit_rate >= 0 && hit_rate <= 1);
  if (m.options.on_exhausted == LIDO_EXHAUSTED_FALLBACK) {
    HOLD(s.fallbacks == s.exhausted);
  } else {
    HOLD(s.fallbacks == 0);
    HOLD(s.exhausted == (m.in_buffer ? 0 : m.nulls));
    if (m.options.max_objects != 0) HOLD(s.live + s.cached + aside <= m.options.max_objects);
  }
  if (m.options.construct != NULL) HOLD(m.constructed - m.destroyed == s.objects);
}

static bool visit(void *object, void *argument) {
  reference_entry *entry = find(object);
  HOLD(entry != NULL && entry->visit != m.walks);
  entry->visit = m.walks;
  size_t *left = argument;
  return --*left != 0;
}

/* With LIDO_CHECKS=none there are no states, and what is set aside counts as live in walks. */
static bool walks_are_exact(void) { return LIDO_CHECKS != LIDO_CHECKS_NONE || set_aside() == 0; }

static void walk(void) {
  if (!walks_are_exact()) return;
  m.walks++;
  size_t left = SIZE_MAX;
  HOLD(lido_pool_for_each(m.pool, visit, &left) == m.live.count);
  if (m.live.count == 0) return;
  m.walks++;
  size_t some = left = 1 + below(m.live.count);
  HOLD(lido_pool_for_each(m.pool, visit, &left) == some);
}

/* An address of any kind. */
static unsigned char *any_address(void) {
  static unsigned char here[64];
  unsigned char *near = m.live.count != 0 ? any_live() : here;
  switch (below(10)) {
    case 0:
      return (unsigned char *)(uintptr_t)testing_next(&m.random);
    case 1:
      return (unsigned char *)(uintptr_t)(1 + below(5000));
    case 2:
      return here + below(sizeof here);
    case 3:
      return (unsigned char *)__builtin_frame_address(0) - below(64);
    case 4:
      return near + 1 + below(m.stride - 1);
    case 5:
      return near + m.stride * (1 + below(100));
    case 6:
      return near - m.stride * (1 + below(100));
    case 7:
      return near + below(REGION_BYTES);
    case 8:
      return (unsigned char *)((uintptr_t)near & ~(uintptr_t)(REGION_BYTES - 1)) + below(70000);
    default:
      return m.dead[below(DEAD)];
  }
}

static void ask_owns(void) {
  if (!walks_are_exact()) return;
  for (size_t i = 0; i < 4; i++) {
    const unsigned char *address = any_address();
    HOLD(lido_pool_owns(m.pool, address) == (find(address) != NULL));
  }
  if (m.live.count == 0) return;
  const unsigned char *object = any_live();
  HOLD(lido_pool_owns(m.pool, object));
  HOLD(!lido_pool_owns(m.neighbour, object));
  HOLD(lido_pool_of(object + below(m.stride)) == (m.in_buffer ? NULL : m.pool));
}

/* ---- Misuse ---- */

/* A free that must be found and change nothing. */
static void free_wrongly(unsigned char *address) {
  lido_pool_stats before = objects_stats(m.pool);
  lido_pool_cache *cache = any_cache();
  void *batch[1] = {address};
  errno = EXDEV;
  switch (below(3)) {
    case 0:
      if (cache != NULL) {
        lido_pool_cache_free(cache, address);
        break;
      }
      /* fall through */
    case 1:
      lido_pool_free(m.pool, address);
      break;
    default:
      lido_pool_free_batch(m.pool, batch, 1);
  }
  HOLD(errno == EXDEV);
  m.misuses++;
  HOLD(m.log.count == m.misuses);
  HOLD(m.log.last.address == address);
  lido_pool_stats after = objects_stats(m.pool);
  before.thread_caches = after.thread_caches; /* the thread may have got its cache just now */
  before.bytes_metadata = after.bytes_metadata;
  before.bytes_reserved = after.bytes_reserved;
  HOLD(memcmp(&before, &after, sizeof before) == 0);
}

static void misuse_any_address(void) {
  unsigned char *address = any_address();
  if (address == NULL || find(address) != NULL) return;
  free_wrongly(address);
  const lido_pool *of = m.in_buffer ? NULL : lido_pool_of(address);
  lido_misuse_kind kind = m.log.last.kind;
  if (of == m.pool) {
    HOLD(kind == LIDO_MISUSE_DOUBLE_FREE || kind == LIDO_MISUSE_INTERIOR || kind == LIDO_MISUSE_FOREIGN);
  } else if (of != NULL) {
    HOLD(kind == LIDO_MISUSE_WRONG_POOL || kind == LIDO_MISUSE_FOREIGN);
  } else if (!m.in_buffer) {
    HOLD(kind == LIDO_MISUSE_FOREIGN);
  }
}

static void misuse_twice(void) {
  if (m.live.count == 0) return;
  unsigned char *object = any_live();
  goes(object);
  lido_pool_free(m.pool, object);
  uint64_t released = objects_stats(m.pool).slabs_released;
  if (below(4) == 0) lido_thread_flush();
  if (objects_stats(m.pool).slabs_released != released) return;
  bool gone = !m.in_buffer && lido_pool_of(object) != m.pool; /* its slab went back with it */
  free_wrongly(object);
  HOLD(m.log.last.kind == (gone ? LIDO_MISUSE_FOREIGN : LIDO_MISUSE_DOUBLE_FREE));
  HOLD(m.log.last.offset == 0);
}

static void misuse_inside(void) {
  if (m.live.count == 0) return;
  size_t offset = 1 + below(m.stride - 1);
  free_wrongly(any_live() + offset);
  HOLD(m.log.last.kind == LIDO_MISUSE_INTERIOR);
  HOLD(m.log.last.offset == offset);
}

static void misuse_neighbour(void) {
  unsigned char *object = m.neighbours[below(NEIGHBOURS)];
  if (object == NULL) return;
  free_wrongly(object);
  HOLD(m.log.last.kind == LIDO_MISUSE_WRONG_POOL);
  HOLD(strcmp(m.log.other_pool, "neighbour") == 0);
}

static void misuse_step(void) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return;
  switch (below(4)) {
    case 0:
      misuse_any_address();
      break;
    case 1:
      misuse_twice();
      break;
    case 2:
      misuse_inside();
      break;
    default:
      misuse_neighbour();
  }
}

/* ---- The run ---- */

static void check(void) {
  CHECK_SOUND(m.pool);
  CHECK_SOUND(m.neighbour);
  for (size_t i = 0; i < m.live.count; i++) HOLD(holds_its_stamp(find(m.live.order[i])));
}

static void step(void) {
  if (below(3000) == 0) m.appetite = below(below(2) == 0 ? REFERENCE_MOST : 200);
  size_t dice = below(1000);
  if (dice < 800) {
    bool more = below(10) < (m.live.count < m.appetite ? 7u : 3u);
    more ? alloc_one() : free_one();
  } else if (dice < 900) {
    pairs();
  } else if (dice < 930) {
    m.live.count < m.appetite ? alloc_batch() : free_batch();
  } else if (dice < 940) {
    compare_statistics();
  } else if (dice < 950) {
    misuse_step();
  } else if (dice < 960) {
    neighbour_step();
  } else if (dice < 970) {
    reserve_step();
  } else if (dice < 980) {
    magazine_step();
  } else if (dice < 985) {
    cache_step();
  } else if (dice < 990) {
    ask_owns();
  } else if (dice < 993) {
    flush();
  } else if (dice < 995) {
    trim();
  } else if (dice == 995) {
    walk();
  }
  HOLD(m.log.count == m.misuses);
}

static void finish(void) {
  for (size_t i = 0; i < FEW; i++) {
    lido_reserve_destroy(m.reserves[i]);
    lido_pool_magazine_attach(m.pool, m.magazines[i]);
    lido_pool_cache_destroy(m.caches[i]);
    m.reserves[i] = NULL;
    m.magazines[i] = NULL;
    m.caches[i] = NULL;
  }
  check();
  compare_statistics();
  walk();
  if (below(2) == 0) {
    while (m.live.count != 0) free_one();
    lido_pool_trim(m.pool);
    HOLD(objects_stats(m.pool).slabs == 0);
    for (size_t i = 0; i < DEAD; i++) HOLD(lido_pool_of(m.dead[i]) != m.pool);
  }
  HOLD(lido_pool_destroy(m.pool) == m.live.count);
  lido_pool_destroy(m.neighbour);
  HOLD(m.constructed == m.destroyed);
  HOLD(m.log.count == m.misuses);
  misuse_log_stop();
}

static void start(lido_pool_options options, lido_backing *backing) {
  options.name = "model";
  options.backing = backing;
  if (options.construct != NULL) options.context = &m.constructed;
  m.options = options;
  m.skip = options.construct != NULL ? sizeof(uint64_t) : 0;
  m.stride = objects_stride(options.object_size, options.align != 0 ? options.align : 64);
  m.pool = lido_pool_create(&options);
  CHECK_NOT_NULL(m.pool);
  lido_pool_options beside = {.name = "neighbour", .backing = backing};
  beside.object_size = options.object_size;
  beside.align = options.align;
  m.neighbour = lido_pool_create(&beside);
  CHECK_NOT_NULL(m.neighbour);
}

static void run_on(lido_pool_options options, lido_backing *backing, bool in_buffer, size_t steps) {
  memset(&m, 0, sizeof m);
  m.in_buffer = in_buffer;
  m.random.state = testing_seed();
  start(options, backing);
  misuse_log_start(&m.log);
  for (size_t last = testing_scaled(steps); m.step < last; m.step++) {
    step();
    if (m.step % STEPS_TO_CHECK == 0) check();
  }
  finish();
}

static void run(lido_pool_options options, size_t steps) { run_on(options, NULL, false, steps); }

enum { STEPS = 1000000 };

TEST(model, objects_of_1_byte) { run((lido_pool_options){.object_size = 1}, STEPS); }
TEST(model, objects_of_24_bytes) { run((lido_pool_options){.object_size = 24, .align = 8}, STEPS); }
TEST(model, objects_of_64_bytes) { run((lido_pool_options){.object_size = 64}, STEPS); }
TEST(model, objects_of_200_bytes) { run((lido_pool_options){.object_size = 200}, STEPS); }
TEST(model, objects_of_4096_bytes) { run((lido_pool_options){.object_size = 4096}, STEPS / 4); }
TEST(model, objects_of_40000_bytes) { run((lido_pool_options){.object_size = 40000}, STEPS / 10); }

static void run_limited(size_t limit, lido_exhausted policy, size_t steps) {
  lido_pool_options options = {.object_size = 64, .max_objects = limit, .on_exhausted = policy};
  options.wait_ns = policy == LIDO_EXHAUSTED_WAIT;
  run(options, steps);
}

TEST(model, a_limit_of_10) { run_limited(10, LIDO_EXHAUSTED_FAIL, STEPS / 2); }
TEST(model, a_limit_of_1000) { run_limited(1000, LIDO_EXHAUSTED_FAIL, STEPS); }
TEST(model, a_fallback_beyond_10) { run_limited(10, LIDO_EXHAUSTED_FALLBACK, STEPS / 2); }
TEST(model, a_fallback_beyond_1000) { run_limited(1000, LIDO_EXHAUSTED_FALLBACK, STEPS); }
TEST(model, a_wait_in_vain) { run_limited(100, LIDO_EXHAUSTED_WAIT, STEPS / 20); }

static void run_flagged(size_t object_size, unsigned flags, size_t steps) {
  run((lido_pool_options){.object_size = object_size, .flags = flags}, steps);
}

TEST(model, zeroed_objects) { run_flagged(200, LIDO_POOL_ZERO, STEPS / 2); }
TEST(model, one_thread) { run_flagged(40, LIDO_POOL_SINGLE_THREAD, STEPS); }
TEST(model, spread_states) { run_flagged(100, LIDO_POOL_SPREAD, STEPS / 2); }

TEST(model, constructed_objects) {
  lido_pool_options options = {.object_size = 64, .construct = construct, .destroy = destroy};
  options.retain_bytes = 1;
  run(options, STEPS / 2);
}

TEST(model, no_caches) { run((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX}, STEPS / 2); }

TEST(model, small_caches_and_little_retained) {
  lido_pool_options options = {.object_size = 1000, .cache_bytes = 10000, .retain_bytes = 1};
  options.growth_factor = 2;
  run(options, STEPS / 2);
}

TEST(model, objects_in_a_buffer) {
  static _Alignas(64) char memory[300000];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  run_on((lido_pool_options){.object_size = 200}, backing, true, STEPS / 2);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* ---- A backing by functions ---- */

static void *allocate(size_t bytes, size_t align, void *context) {
  *(size_t *)context += bytes;
  return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void release(void *block, size_t bytes, void *context) {
  *(size_t *)context -= bytes;
  free(block);
}

static void purge(void *range, size_t bytes, void *context) {
  (void)context;
  memset(range, 0xee, bytes); /* that is allowed: its contents may be lost */
}

TEST(model, regions_of_one_mebibyte_by_functions) {
  size_t bytes = 0;
  lido_backing_functions functions = {.allocate = allocate, .release = release, .purge = purge};
  functions.context = &bytes;
  functions.region_bytes = REGION_BYTES;
  lido_backing *backing = lido_backing_create(&functions);
  CHECK_NOT_NULL(backing);
  lido_pool_options options = {.object_size = 3000, .retain_bytes = 1 << 16};
  run_on(options, backing, false, STEPS / 4);
  CHECK_EQ(bytes, 0);
  CHECK_EQ(lido_backing_bytes(backing), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}
