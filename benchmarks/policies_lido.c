/* policies_lido.c: what each policy of a manager costs and buys, in a day of bursts and idle hours, by a simulated
 * clock.
 *
 * The day: a base of 32 MiB of objects lives all the time. CYCLES times: a burst, in which connections (512 bytes),
 * requests (256) and buffers (4 KiB), at most some 56 MiB of them at once, are allocated and freed in waves, each with
 * an arena for some of the requests, and one in a hundred objects of the base is replaced; then an hour of nothing. A
 * tick of the manager comes each simulated second of the burst, and each minute of the hour. As in a server that goes
 * idle, the thread flushes its caches at the end of a burst.
 *
 * Every alloc and free of the bursts is timed. A process is interrupted by the system at will, so each policy's day is
 * run several times, in a process of its own, in turns with the others; the day is the same each time, so that every
 * call has one fellow in each run. A call's time is the least of theirs: what the call itself does. The worst of these
 * is the row `worst`; the worst of single runs, with the system's interruptions, is the row `worst_seen` (its median).
 * Rows: p50, p99, p999, worst (the first burst left out: that is the pool's growth to what it needs, which no policy
 * can know before), worst_first, worst_seen, ns; day, ns a call with the ticks, not timed call by call; steady, the
 * same for the waves after a burst's first full one; idle, resident bytes after an hour for each live one, the greatest
 * of the cycles; busy, the same at the height of a burst.
 */
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum {
  CYCLES = 5,
  WAVES = 10, /* a burst's; one a simulated second */
  FIRST_STEADY = 4,
  BASE = 1 << 17,
  BASE_BYTES = 256,
  CONNECTIONS = 16384,
  REQUESTS = 65536,
  BUFFERS = 8192,
  REPLACED = BASE / 100 / WAVES,
  CALLS_MOST = 6 << 20,
};

typedef struct times {
  uint32_t least[CALLS_MOST]; /* ns */
  size_t calls;
  size_t first_burst; /* calls */
  uint32_t worst_of_run;
  double day_ns;
  size_t day_calls;
  double steady_ns; /* of the waves after the first full one of each burst */
  size_t steady_calls;
  double idle; /* resident by live, of the day whose calls are not timed: their times lie in memory, too */
  double busy;
} times;

typedef struct day {
  lido_manager *manager;
  lido_pool *base_pool;
  lido_pool *connections;
  lido_pool *requests;
  lido_pool *buffers;
  lido_arena_class *arenas;
  void *base[BASE];
  void *live[CONNECTIONS + REQUESTS + BUFFERS];
  size_t before; /* resident */
  uint64_t now;
  uint64_t seed;
  times *times;
  size_t call; /* the next */
  bool timed;
} day;

static day today;

static uint64_t simulated_now(void *context) { return ((const day *)context)->now; }

/* ---- Calls ---- */

static void note(double begun) {
  double ns = bench_now() - begun;
  times *t = today.times;
  if (today.call == CALLS_MOST) bench_die("more calls than there is room for");
  uint32_t taken = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
  if (taken < t->least[today.call]) t->least[today.call] = taken;
  if (taken > t->worst_of_run) t->worst_of_run = taken;
  today.call++;
}

static void *take(lido_pool *pool) {
  double begun = today.timed ? bench_now() : 0;
  uint64_t *object = lido_pool_alloc(pool);
  if (object == NULL) bench_die("no memory");
  *object = 1;
  if (today.timed) note(begun);
  today.times->day_calls++;
  return object;
}

static void give(lido_pool *pool, void *object) {
  double begun = today.timed ? bench_now() : 0;
  lido_pool_free(pool, object);
  if (today.timed) note(begun);
  today.times->day_calls++;
}

/* ---- The day ---- */

static lido_pool *pool_of(const char *name, size_t bytes) {
  lido_pool *pool = lido_manager_pool(today.manager, &(lido_pool_options){.name = name, .object_size = bytes});
  if (pool == NULL) bench_die("no pool");
  return pool;
}

static void begin(lido_policy policy) {
  memset(today.live, 1, sizeof today.live);
  memset(today.base, 1, sizeof today.base);
  today.before = bench_resident();
  today.now = (uint64_t)bench_now();
  today.seed = 1;
  today.manager =
      lido_manager_create(&(lido_manager_options){.policy = policy, .now = simulated_now, .context = &today}, NULL);
  if (today.manager == NULL) bench_die("no manager");
  today.base_pool = pool_of("base", BASE_BYTES);
  today.connections = pool_of("connections", 512);
  today.requests = pool_of("requests", 256);
  today.buffers = pool_of("buffers", 4096);
  today.arenas = lido_manager_arena_class(today.manager, &(lido_arena_options){.name = "arenas"});
  if (today.arenas == NULL) bench_die("no class");
  for (size_t i = 0; i < BASE; i++) memset(today.base[i] = lido_pool_alloc(today.base_pool), 1, BASE_BYTES);
}

static void pass_time(uint64_t seconds) {
  today.now += seconds * UINT64_C(1000000000);
  lido_manager_tick(today.manager);
}

static void use_arena(void) {
  lido_arena *arena = lido_arena_acquire(today.arenas);
  if (arena == NULL || lido_arena_alloc(arena, 3000) == NULL) bench_die("no arena");
  lido_arena_release(arena);
}

static void replace_some_of_the_base(void) {
  for (size_t n = 0; n < REPLACED; n++) {
    size_t i = bench_random(&today.seed) % BASE;
    give(today.base_pool, today.base[i]);
    today.base[i] = take(today.base_pool);
  }
}

static double resident_by_live(void) {
  size_t resident = bench_resident();
  double live = (double)BASE * BASE_BYTES;
  return resident > today.before ? (double)(resident - today.before) / live : 0;
}

static void note_resident(double *most) {
  double now = today.timed ? 0 : resident_by_live();
  if (now > *most) *most = now;
}

/* Each wave is another share of the full load: 1/4, 1/2, 3/4, 1, 1/4, ... */
static void wave(size_t number) {
  size_t quarter = number % 4 + 1;
  size_t connections = CONNECTIONS / 4 * quarter, requests = REQUESTS / 4 * quarter, buffers = BUFFERS / 4 * quarter;
  void **live = today.live;
  for (size_t i = 0; i < connections; i++) live[i] = take(today.connections);
  for (size_t i = 0; i < requests; i++) live[CONNECTIONS + i] = take(today.requests);
  for (size_t i = 0; i < buffers; i++) live[CONNECTIONS + REQUESTS + i] = take(today.buffers);
  for (size_t i = 0; i < 100; i++) use_arena();
  replace_some_of_the_base();
  if (quarter == 4) note_resident(&today.times->busy);
  for (size_t i = 0; i < requests; i++) give(today.requests, live[CONNECTIONS + i]);
  for (size_t i = 0; i < buffers; i++) give(today.buffers, live[CONNECTIONS + REQUESTS + i]);
  for (size_t i = 0; i < connections; i++) give(today.connections, live[i]);
}

static void note_steady(double ns, size_t calls) {
  today.times->steady_ns += ns;
  today.times->steady_calls += calls;
}

static void burst(void) {
  times *t = today.times;
  for (size_t number = 0; number < WAVES; number++) {
    double begun = bench_now();
    size_t calls = t->day_calls;
    wave(number);
    pass_time(1);
    double ns = bench_now() - begun;
    t->day_ns += ns;
    if (number >= FIRST_STEADY) note_steady(ns, t->day_calls - calls);
  }
  lido_thread_flush();
}

static void idle_hour(void) {
  for (int minute = 0; minute < 60; minute++) pass_time(60);
  note_resident(&today.times->idle);
}

static void run_day(lido_policy policy, bool timed, times *t) {
  today.times = t;
  today.timed = timed;
  t->worst_of_run = 0;
  t->day_calls = t->steady_calls = 0;
  t->day_ns = t->steady_ns = 0;
  begin(policy);
  for (int cycle = 0; cycle < CYCLES; cycle++) {
    burst();
    if (cycle == 0) t->first_burst = today.call;
    idle_hour();
  }
  t->calls = today.call;
}

static void in_child(lido_policy policy, bool timed, times *t) {
  pid_t child = fork();
  if (child < 0) bench_die("no process");
  if (child == 0) {
    run_day(policy, timed, t);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) bench_die("a day ended early");
}

/* ---- Figures ---- */

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void report_times(const char *name, times *t) {
  uint32_t worst_first = 0;
  for (size_t i = 0; i < t->first_burst; i++) worst_first = t->least[i] > worst_first ? t->least[i] : worst_first;
  uint32_t *later = t->least + t->first_burst;
  size_t count = t->calls - t->first_burst;
  qsort(later, count, sizeof *later, by_value);
  bench_number("policy_p50", name, "ns", later[count / 2]);
  bench_number("policy_p99", name, "ns", later[count / 100 * 99]);
  bench_number("policy_p999", name, "ns", later[count / 1000 * 999]);
  bench_number("policy_worst", name, "ns", later[count - 1]);
  bench_number("policy_worst_first", name, "ns", worst_first);
}

static const lido_policy policies[] = {LIDO_POLICY_NONE, LIDO_POLICY_LOW_LATENCY, LIDO_POLICY_HIGH_THROUGHPUT,
                                       LIDO_POLICY_MEMORY_EFFICIENT, LIDO_POLICY_ADAPTIVE};
enum { POLICIES = sizeof policies / sizeof policies[0], RUNS_MOST = 64 };

static times *shared_times(void) {
  times *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (t == MAP_FAILED) bench_die("no memory");
  for (size_t i = 0; i < CALLS_MOST; i++) t->least[i] = UINT32_MAX;
  return t;
}

static double median(double *values, size_t count) {
  for (size_t i = 1; i < count; i++) {
    for (size_t j = i; j > 0 && values[j - 1] > values[j]; j--) {
      double swapped = values[j];
      values[j] = values[j - 1];
      values[j - 1] = swapped;
    }
  }
  return values[count / 2];
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  if (!bench_wants(&options, "policies")) return 0;
  times *all[POLICIES];
  static double worst[POLICIES][RUNS_MOST], per_call[POLICIES][RUNS_MOST], steady[POLICIES][RUNS_MOST];
  for (size_t p = 0; p < POLICIES; p++) all[p] = shared_times();
  for (unsigned run = 0; run < options.slices; run++) {
    for (size_t p = 0; p < POLICIES; p++) {
      in_child(policies[p], false, all[p]);
      steady[p][run] = all[p]->steady_ns / (double)all[p]->steady_calls;
      per_call[p][run] = all[p]->day_ns / (double)all[p]->day_calls;
      in_child(policies[p], true, all[p]);
      worst[p][run] = all[p]->worst_of_run;
    }
  }
  for (size_t p = 0; p < POLICIES; p++) {
    const char *name = lido_policy_name(policies[p]);
    report_times(name, all[p]);
    bench_number("policy_worst_seen", name, "ns", median(worst[p], options.slices));
    bench_number("policy_day", name, "ns/call", median(per_call[p], options.slices));
    bench_number("policy_steady", name, "ns/call", median(steady[p], options.slices));
    bench_number("policy_idle", name, "bytes/byte", all[p]->idle);
    bench_number("policy_busy", name, "bytes/byte", all[p]->busy);
  }
  return 0;
}
