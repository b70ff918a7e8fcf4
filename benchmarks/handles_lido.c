/* handles_lido.c: handles and cleanups, with their floors beside them in one program.
 *
 *     handle_get_1k, _1m     follow one of so many random objects and read a word: by a raw pointer, by a handle; the
 *                            handles or pointers in an array, the index from xorshift in both
 *     handle_chain_1k, _1m   the same where the next index depends on the word that was read, so that nothing overlaps
 *     handle_guard_1k        follow inside guards: one for 64 of them, one for each; the same with liburcu's memb
 *                            flavour around the raw pointer, where it is installed
 *     handle_guard_two       throughput of two threads that follow inside guards, in those of one
 *     handle_acquire         acquire and release of one object; the floor is a load with a compare-and-swap, and a
 *                            fetch_sub, on one word; std::weak_ptr where there is a C++ compiler
 *     handle_acquire_1k      the same for random ones of 1,000 objects
 *     handle_pair            alloc, write, free: without handles, with handles of which none was made, by
 *                            lido_pool_free and by lido_release; the floor is that of the pools
 *     handle_memory          bytes resident for each of two million objects without a handle, beyond those of a pool
 *                            without handles; asked for by name only
 *     handle_cleanup         alloc, add a cleanup, release, which runs it; the same for an object that is counted and
 *                            has none
 */
#include <lido/lido.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"
#include "micro.h"
#include "timed_row.h"
#ifdef WEAK_PTR
#include "handles_weak_ptr.h"
#endif
#ifdef URCU
#include <urcu/urcu-memb.h>
#endif

enum { FEW = 1000, MANY = 1000000 };

typedef struct object {
  uint64_t value;
  char rest[MICRO_OBJECT - sizeof(uint64_t)];
} object;

static lido_pool *plain_pool, *handle_pool, *guarded_pool;
static lido_weak guarded_handles[FEW];
static object **objects;
static lido_weak *handles;
static uint64_t seed;
static uint64_t sink;

/* How many there are to pick from; as in the pools' random rows, by a division that the compiler can't do before. */
static size_t live;

static void fill(size_t count) {
  live = count;
  for (size_t i = 0; i < count; i++) {
    objects[i] = lido_pool_alloc(handle_pool);
    if (objects[i] == NULL) bench_die("no memory for %zu objects", count);
    objects[i]->value = i;
  }
  bench_shuffle((void **)objects, count, &seed);
  for (size_t i = 0; i < count; i++) handles[i] = lido_weak_make(objects[i]);
}

static void drain(size_t count) {
  for (size_t i = 0; i < count; i++) lido_release(objects[i]);
}

/* ---- Following ---- */

static void follow_raw(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i++) sum += objects[bench_random(&state) % range]->value;
  sink += sum;
}

static void follow_handles(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i++) {
    const object *found = lido_weak_get(handles[bench_random(&state) % range]);
    if (found != NULL) sum += found->value;
  }
  sink += sum;
}

static void chain_raw(size_t count) {
  uint64_t state = seed;
  size_t range = live;
  for (size_t i = 0; i < count; i++) state += objects[bench_random(&state) % range]->value;
  sink += state;
}

static void chain_handles(size_t count) {
  uint64_t state = seed;
  size_t range = live;
  for (size_t i = 0; i < count; i++) {
    const object *found = lido_weak_get(handles[bench_random(&state) % range]);
    if (found != NULL) state += found->value;
  }
  sink += state;
}

static void get_row(const bench_options *options, const char *row, size_t objects_live) {
  const timed_subject subjects[] = {{.name = "raw", .run = follow_raw},
                                    {.name = "get", .run = follow_handles},
                                    {.name = "raw_chain", .run = chain_raw},
                                    {.name = "get_chain", .run = chain_handles}};
  fill(objects_live);
  timed_row(options, row, subjects, sizeof subjects / sizeof *subjects);
  drain(objects_live);
}

/* ---- Guards ---- */

enum { GUARD_READS = 64 };

static inline uint64_t read_guarded(uint64_t *state, size_t range) {
  const object *found = lido_weak_get(guarded_handles[bench_random(state) % range]);
  return found != NULL ? found->value : 0;
}

static void guarded_reads(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i += GUARD_READS) {
    lido_guard_enter();
    for (size_t j = 0; j < GUARD_READS; j++) sum += read_guarded(&state, range);
    lido_guard_leave();
  }
  __asm__ volatile("" : : "r"(sum));
}

static void guarded_each(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i++) {
    lido_guard_enter();
    sum += read_guarded(&state, range);
    lido_guard_leave();
  }
  __asm__ volatile("" : : "r"(sum));
}

#ifdef URCU
static void urcu_reads(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i += GUARD_READS) {
    urcu_memb_read_lock();
    for (size_t j = 0; j < GUARD_READS; j++) sum += objects[bench_random(&state) % range]->value;
    urcu_memb_read_unlock();
  }
  __asm__ volatile("" : : "r"(sum));
}

static void urcu_each(size_t count) {
  uint64_t state = seed, sum = 0;
  size_t range = live;
  for (size_t i = 0; i < count; i++) {
    urcu_memb_read_lock();
    sum += objects[bench_random(&state) % range]->value;
    urcu_memb_read_unlock();
  }
  __asm__ volatile("" : : "r"(sum));
}
#endif

static void fill_guarded(void) {
  for (size_t i = 0; i < FEW; i++) {
    object *made = lido_pool_alloc(guarded_pool);
    if (made == NULL) bench_die("no memory for a guarded object");
    made->value = i;
    guarded_handles[i] = lido_weak_make(made);
  }
}

static void run_guarded(void *argument) { guarded_reads(*(size_t *)argument); }

static void guard_two_row(const bench_options *options) {
  double ratios[BENCH_SAMPLES_MAX];
  if (!bench_two_cores()) {
    bench_skipped("handle_guard_two", "one processor only");
    return;
  }
  size_t count = (size_t)(options->slice_ms * 200000);
  for (unsigned s = 0; s < options->slices; s++) {
    bench_job here = {.run = run_guarded, .argument = &count}, there = here;
    bench_together(&here, NULL);
    double alone = here.elapsed;
    bench_together(&here, &there);
    ratios[s] = 2 * alone / (here.elapsed > there.elapsed ? here.elapsed : there.elapsed);
  }
  bench_figure("handle_guard_two", "guarded", "x", ratios, options->slices);
}

static void guard_rows(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "raw", .run = follow_raw},
                                    {.name = "guarded", .run = guarded_reads},
                                    {.name = "guarded_each", .run = guarded_each},
#ifdef URCU
                                    {.name = "urcu", .run = urcu_reads},
                                    {.name = "urcu_each", .run = urcu_each}
#endif
  };
#ifdef URCU
  urcu_memb_register_thread();
#endif
  fill(FEW);
  fill_guarded();
  if (bench_wants(options, "handle_guard_1k")) {
    timed_row(options, "handle_guard_1k", subjects, sizeof subjects / sizeof *subjects);
  }
  if (bench_wants(options, "handle_guard_two")) guard_two_row(options);
  for (size_t i = 0; i < FEW; i++) lido_release(lido_weak_get(guarded_handles[i]));
  drain(FEW);
#ifdef URCU
  urcu_memb_unregister_thread();
#endif
}

/* ---- Acquire and release ---- */

static uint64_t bare_word = 1;

static inline void bare_acquire_release(uint64_t *word) {
  uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(word, &now, now + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {}
  __asm__ volatile("" : : "r"(word) : "memory");
  __atomic_fetch_sub(word, 1, __ATOMIC_RELEASE);
}

static inline void acquire_release(lido_weak weak) {
  object *held = lido_weak_acquire(weak);
  __asm__ volatile("" : : "r"(held) : "memory");
  lido_release(held);
}

static void bare_one(size_t count) {
  for (size_t i = 0; i < count; i++) bare_acquire_release(&bare_word);
}

static void acquire_one(size_t count) {
  lido_weak weak = handles[0];
  for (size_t i = 0; i < count; i++) acquire_release(weak);
}

static void acquire_one_by_handle(size_t count) {
  lido_weak weak = handles[0];
  for (size_t i = 0; i < count; i++) {
    object *held = lido_weak_acquire(weak);
    __asm__ volatile("" : : "r"(held) : "memory");
    if (held != NULL) lido_weak_release(weak);
  }
}

static void bare_few(size_t count) {
  uint64_t state = seed;
  size_t range = live;
  for (size_t i = 0; i < count; i++) bare_acquire_release(&objects[bench_random(&state) % range]->value);
}

static void acquire_few(size_t count) {
  uint64_t state = seed;
  size_t range = live;
  for (size_t i = 0; i < count; i++) acquire_release(handles[bench_random(&state) % range]);
}

static void acquire_rows(const bench_options *options) {
  const timed_subject one[] = {{.name = "bare", .run = bare_one},
                               {.name = "lido", .run = acquire_one},
                               {.name = "lido_by_handle", .run = acquire_one_by_handle},
#ifdef WEAK_PTR
                               {.name = "weak_ptr", .run = weak_ptr_acquire}
#endif
  };
  const timed_subject few[] = {{.name = "bare", .run = bare_few}, {.name = "lido", .run = acquire_few}};
  fill(FEW);
#ifdef WEAK_PTR
  weak_ptr_begin();
#endif
  timed_row(options, "handle_acquire", one, sizeof one / sizeof *one);
  timed_row(options, "handle_acquire_1k", few, sizeof few / sizeof *few);
  drain(FEW);
}

/* ---- A pair, with and without ---- */

static void floor_pair(size_t count) {
  for (size_t i = 0; i < count; i++) {
    void *made = floor_alloc();
    micro_touch(made, i);
    floor_free(made);
  }
}

static inline void pair(lido_pool *pool, size_t count) {
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    micro_touch(made, i);
    lido_pool_free(pool, made);
  }
}

static void plain_pair(size_t count) { pair(plain_pool, count); }
static void handle_pair(size_t count) { pair(handle_pool, count); }

static void release_pair(size_t count) {
  lido_pool *pool = handle_pool;
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    micro_touch(made, i);
    lido_release(made);
  }
}

static void make_pair(size_t count) {
  lido_pool *pool = handle_pool;
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    micro_touch(made, i);
    sink += lido_weak_make(made).bits;
    lido_release(made);
  }
}

static void pair_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "floor", .run = floor_pair},
                                    {.name = "plain", .run = plain_pair},
                                    {.name = "free", .run = handle_pair},
                                    {.name = "release", .run = release_pair},
                                    {.name = "make", .run = make_pair}};
  timed_row(options, "handle_pair", subjects, sizeof subjects / sizeof *subjects);
}

/* ---- Cleanups ---- */

static void count_one(void *arg) { ++*(uint64_t *)arg; }

static void cleanup_pair(size_t count) {
  lido_pool *pool = handle_pool;
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    micro_touch(made, i);
    if (lido_cleanup_add(made, count_one, &sink).bits == 0) bench_die("no memory for a cleanup");
    lido_release(made);
  }
}

static void counted_pair(size_t count) {
  lido_pool *pool = handle_pool;
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    micro_touch(made, i);
    sink += lido_weak_reserve(made).bits;
    lido_release(made);
  }
}

static void cleanup_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "floor", .run = floor_pair},
                                    {.name = "counted", .run = counted_pair},
                                    {.name = "cleanup", .run = cleanup_pair}};
  timed_row(options, "handle_cleanup", subjects, 3);
}

/* ---- Memory ---- */

static double resident_of(lido_pool *pool, size_t count) {
  size_t before = bench_resident();
  for (size_t i = 0; i < count; i++) {
    void *made = lido_pool_alloc(pool);
    if (made == NULL) bench_die("no memory for %zu objects", count);
    micro_touch(made, i);
  }
  return (double)(bench_resident() - before) / (double)count;
}

static void memory_row(void) {
  enum { OBJECTS = 2000000 };
  double plain = resident_of(plain_pool, OBJECTS);
  double with_handles = resident_of(handle_pool, OBJECTS);
  bench_number("handle_memory", "plain", "bytes", plain);
  bench_number("handle_memory", "more", "bytes", with_handles - plain);
}

/* ---- Rows ---- */

static void start_thread(void *unused) { (void)unused; }

static lido_pool *make(const char *name, unsigned flags) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = name, .object_size = MICRO_OBJECT, .flags = flags});
  if (pool == NULL) bench_die("the pool %s could not be created", name);
  return pool;
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  bench_job nothing = {.run = start_thread};
  bench_together(NULL, &nothing);
  seed = options.seed;
  plain_pool = make("plain", 0);
  handle_pool = make("handles", LIDO_POOL_HANDLES);
  guarded_pool = make("guarded", LIDO_POOL_HANDLES | LIDO_POOL_GUARDED);
  objects = bench_pages(MANY * sizeof *objects);
  handles = bench_pages(MANY * sizeof *handles);
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  if (options.rows != NULL && bench_wants(&options, "handle_memory")) {
    memory_row();
    return 0;
  }
  if (bench_wants(&options, "handle_get_1k")) get_row(&options, "handle_get_1k", FEW);
  if (bench_wants(&options, "handle_get_1m")) get_row(&options, "handle_get_1m", MANY);
  guard_rows(&options);
  if (bench_wants(&options, "handle_acquire")) acquire_rows(&options);
  if (bench_wants(&options, "handle_pair")) pair_row(&options);
  if (bench_wants(&options, "handle_cleanup")) cleanup_row(&options);
  return sink == 1;
}
