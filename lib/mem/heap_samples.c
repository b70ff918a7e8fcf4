/* heap_samples.c: see heap_samples.h. */
#include "lib/mem/heap_samples.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bits.h"
#include "lib/base/lock.h"
#include "lib/mem/heap_chance.h"
#include "lib/mem/heap_tables.h"
#include "lib/os/os.h"

enum { ENGINE_FRAMES = 16 };

static const size_t mean_default = 512 << 10;
static const size_t mean_most = (size_t)1 << 40;
static const double stretch_most = 0x1p40;

uint32_t lido_heap_run;

/* Of the run. Atomic: a thread may look while the next run begins; then its sample comes to nothing. */
static size_t mean_bytes;
static unsigned cost_permille;
static uint64_t seed;
static uint64_t threads_seeded;
static uint64_t captures[2]; /* under way, by whether their run's number is odd */

/* Under the lock. */
static lido_lock lock = LIDO_LOCK_INITIAL(LIDO_RANK_SAMPLES);
static uint32_t runs;
static lido_heap_profile_options current;

static __thread struct {
  uint32_t run;       /* 0: has not drawn yet */
  uint32_t capturing; /* the run of the capture that is under way; 0: none is */
  lido_chance chance;
  double stretch;   /* of the mean, at least 1 */
  uint64_t wait_ns; /* how long to the next sample, at least */
  uint64_t idle_ns; /* the next sample should not come before */
  int64_t left;     /* bytes to the next sample, of what the thread itself counts */
  double left_mean; /* `left` was drawn with */
} self __attribute__((tls_model("initial-exec")));

/* ---- On and off ---- */

static int settle(const lido_heap_profile_options *options, lido_heap_profile_options *settled) {
  static const lido_heap_profile_options defaults;
  *settled = options != NULL ? *options : defaults;
  if (settled->mean_bytes == 0) settled->mean_bytes = mean_default;
  if (settled->stacks_max == 0) settled->stacks_max = 16384;
  if (settled->samples_max == 0) settled->samples_max = 65536;
  if (settled->cost_permille == 0) settled->cost_permille = 5;
  return settled->mean_bytes > mean_most || settled->cost_permille > 1000 ? EINVAL : 0;
}

static int start_locked(const lido_heap_profile_options *settled) {
  if (lido_load_relaxed(&lido_heap_run) != 0) return EALREADY; /* RELAXED: under the lock */
  if (!lido_heap_tables_begin(settled->samples_max, settled->stacks_max)) return ENOMEM;
  current = *settled;
  runs += runs == UINT32_MAX ? 2 : 1; /* 0 is no run */
  /* RELAXED: whoever sees the run but older numbers takes one gap by them. */
  lido_store_relaxed(&mean_bytes, settled->mean_bytes);
  lido_store_relaxed(&cost_permille, settled->cost_permille);
  lido_store_relaxed(&threads_seeded, 0);
  lido_store_relaxed(&lido_heap_run, runs);
  return 0;
}

int lido_heap_samples_start(const lido_heap_profile_options *options) {
  lido_heap_profile_options settled;
  int saved_errno = errno;
  int error = settle(options, &settled);
  if (error != 0) return error;
  lido_lock_take(&lock);
  error = start_locked(&settled);
  lido_lock_give(&lock);
  errno = saved_errno;
  return error;
}

void lido_heap_samples_stop(void) {
  lido_lock_take(&lock);
  lido_store_relaxed(&lido_heap_run, 0); /* RELAXED: see lido_heap_run_now */
  uint32_t last = runs;
  lido_lock_give(&lock);
  if (lido_heap_is_capturing()) return;
  /* Captures of a run after next count here, too: then this only waits longer.
   * ACQUIRE heap.capture: all that they did is done. */
  while (lido_load_acquire(&captures[last % 2]) != 0) lido_os_yield();
}

void lido_heap_samples_clear(void) {
  lido_lock_take(&lock);
  lido_heap_tables_clear();
  lido_lock_give(&lock);
  lido_metadata_trim(lido_metadata_system());
}

void lido_heap_samples_seed(uint64_t chosen) { lido_store_relaxed(&seed, chosen); /* RELAXED: before the start */ }

/* ---- When ---- */

size_t lido_heap_mean_bytes(void) { return lido_load_relaxed(&mean_bytes); } /* RELAXED: see start_locked */

/* The calling thread's, now. */
static double mean_stretched(void) { return (double)lido_heap_mean_bytes() * self.stretch; }

static int64_t draw(void) {
  double gap = mean_stretched() * lido_chance_exponential(&self.chance);
  return gap < 0x1p62 ? (int64_t)gap + 1 : INT64_MAX / 2;
}

static void draw_own(void) {
  self.left_mean = mean_stretched();
  self.left = draw();
}

static void thread_begin(uint32_t run) {
  /* RELAXED: numbers of their own. */
  uint64_t chosen = lido_load_relaxed(&seed);
  uint64_t turn = lido_add_relaxed(&threads_seeded, 1);
  lido_chance_begin(&self.chance, chosen != 0 ? chosen + turn : lido_os_random());
  self.run = run;
  self.stretch = 1;
  self.wait_ns = 0;
  self.idle_ns = 0;
  draw_own();
}

static void thread_follow(void) {
  uint32_t run = lido_heap_run_now();
  if (LIDO_UNLIKELY(self.run != run && run != 0)) thread_begin(run);
  if (LIDO_UNLIKELY(self.run == 0)) thread_begin(0); /* it has just been stopped: any chance will do */
}

int64_t lido_heap_gap(void) {
  thread_follow();
  return draw();
}

uint32_t lido_heap_below(uint32_t bound) {
  thread_follow();
  return (uint32_t)((lido_chance_next(&self.chance) >> 32) * bound >> 32);
}

bool lido_heap_is_capturing(void) { return self.capturing != 0; }

/* A sample took from `begin` to `end`. */
static void keep_to_budget(uint64_t begin, uint64_t end) {
  uint64_t permille = lido_load_relaxed(&cost_permille); /* RELAXED: see start_locked */
  if (permille >= 1000) return;
  if (begin >= self.idle_ns) {
    self.stretch = self.stretch > 8.0 / 7 ? self.stretch * 7 / 8 : 1;
  } else if (self.stretch < stretch_most) {
    bool much_too_early = self.idle_ns - begin > self.wait_ns / 8 * 7;
    self.stretch *= much_too_early ? 2 : 1.25;
  }
  self.wait_ns = (end - begin) * (1000 - permille) / permille;
  self.idle_ns = end + self.wait_ns;
}

/* ---- A sample ---- */

/* Without those of Lido's own, if it can be told which they are. */
static size_t drop_own(void **frames, size_t count, const void *caller) {
  size_t own = 0;
  while (own < count && frames[own] != caller) own++;
  if (caller == NULL || own == count) own = 0;
  count = lido_min(count - own, LIDO_HEAP_FRAMES_MAX);
  memmove(frames, frames + own, count * sizeof *frames);
  return count;
}

typedef struct capturing {
  size_t (*capture)(void **frames, size_t count, void *context);
  void *context;
  uint32_t run;
  void **frames;
  size_t room;
  size_t count;
} capturing;

/* -> false: another run. Else it is counted, so that a stop waits for its end. */
static bool begin_capture(capturing *c) {
  lido_lock_take(&lock);
  /* RELAXED: under the lock. */
  bool same = lido_load_relaxed(&lido_heap_run) == c->run;
  if (same) lido_add_relaxed(&captures[c->run % 2], 1);
  c->capture = current.capture;
  c->context = current.context;
  lido_lock_give(&lock);
  return same;
}

static void run_capture(void *argument) {
  capturing *c = argument;
  self.capturing = c->run;
  if (c->capture != NULL) {
    c->count = lido_min(c->capture(c->frames, c->room, c->context), c->room);
  } else {
    c->count = lido_os_stack(c->frames, c->room, 0);
  }
}

/* It has returned, or its thread ends in there. */
static void end_capture(void *argument) {
  const capturing *c = argument;
  self.capturing = 0;
  /* RELEASE heap.capture: who stops the profile sees what it did. */
  lido_sub_release(&captures[c->run % 2], 1);
}

static lido_heap_outcome enter(const lido_heap_allocation *a, void **frames, size_t count) {
  double seen = lido_one_minus_exp((double)a->bytes / (a->mean != 0 ? a->mean : mean_stretched()));
  lido_heap_entry entry = {
      .frames = frames, .frame_count = count, .objects = 1 / seen, .bytes = (double)a->bytes / seen};
  lido_lock_take(&lock);
  lido_heap_outcome outcome = LIDO_HEAP_FAILED;
  /* RELAXED: under the lock. */
  if (lido_load_relaxed(&lido_heap_run) == a->run) outcome = lido_heap_tables_enter(a, &entry);
  lido_lock_give(&lock);
  return outcome;
}

lido_heap_outcome lido_heap_take(const lido_heap_allocation *allocation) {
  void *frames[LIDO_HEAP_FRAMES_MAX + ENGINE_FRAMES];
  capturing c = {.run = allocation->run, .frames = frames, .room = LIDO_HEAP_FRAMES_MAX + ENGINE_FRAMES};
  int saved_errno = errno;
  thread_follow();
  uint64_t begin = lido_os_now_ns();
  if (!begin_capture(&c)) return LIDO_HEAP_FAILED;
  lido_os_call_to_its_end(run_capture, end_capture, &c);
  end_capture(&c);
  lido_heap_outcome outcome = enter(allocation, frames, drop_own(frames, c.count, allocation->caller));
  keep_to_budget(begin, lido_os_now_ns());
  errno = saved_errno;
  return outcome;
}

void lido_heap_forget(const void *address) {
  if (!lido_heap_may_be_sample(address)) return;
  lido_lock_take(&lock);
  lido_heap_tables_forget(address);
  lido_lock_give(&lock);
}

void lido_heap_forget_all_of(const size_t *count) {
  lido_lock_take(&lock);
  lido_heap_tables_forget_all_of(count);
  lido_lock_give(&lock);
}

/* ---- What a thread counts itself ---- */

static bool thread_sample(uint32_t run, const char *kind, const char *name, const void *address, size_t bytes) {
  double all = lido_one_minus_exp((double)bytes / self.left_mean);
  lido_heap_allocation a = {
      .run = run, .kind = kind, .name = name, .address = address, .bytes = bytes, .mean = self.left_mean};
  a.all_objects = (uint64_t)(1 / all + 0.5);
  a.all_bytes = (uint64_t)((double)bytes / all + 0.5);
  return lido_heap_take(&a) == LIDO_HEAP_KEPT;
}

bool lido_heap_thread_alloc(const char *kind, const char *name, const void *address, size_t bytes) {
  uint32_t run = lido_heap_run_now();
  if (run == 0 || lido_heap_is_capturing()) return false;
  thread_follow();
  self.left -= (int64_t)bytes;
  if (self.left > 0) return false;
  bool kept = thread_sample(run, kind, name, address, bytes);
  thread_follow();
  draw_own();
  return kept;
}

/* ---- Reading ---- */

static size_t copy_records(lido_heap_records *records, size_t room) {
  lido_lock_take(&lock);
  size_t count = lido_heap_tables_copy(records->items, room);
  lido_lock_give(&lock);
  return count;
}

void lido_heap_records_free(lido_heap_records *records) {
  lido_metadata_free(lido_metadata_system(), records->items, records->room * sizeof *records->items);
  *records = (lido_heap_records){.count = 0};
}

int lido_heap_records_copy(lido_heap_records *records, size_t spare) {
  *records = (lido_heap_records){.count = 0};
  int saved_errno = errno;
  size_t count = copy_records(records, 0);
  while (count + spare > records->room) {
    lido_heap_records_free(records);
    size_t room = count + count / 8 + spare; /* others go on sampling */
    records->items = lido_metadata_take(lido_metadata_system(), room * sizeof *records->items);
    errno = saved_errno;
    if (records->items == NULL) return ENOMEM;
    records->room = room;
    count = copy_records(records, room);
  }
  records->count = count;
  return 0;
}

void lido_heap_stats(lido_heap_profile_stats *out) {
  lido_lock_take(&lock);
  lido_heap_tables_stats(out);
  lido_lock_give(&lock);
}

void lido_heap_count_nudges(size_t caches) {
  lido_lock_take(&lock);
  lido_heap_tables_count_nudges(caches);
  lido_lock_give(&lock);
}

const char *lido_heap_check(void) {
  lido_lock_take(&lock);
  const char *broken = lido_heap_tables_check();
  lido_lock_give(&lock);
  return broken;
}

const char *lido_heap_check_count(const size_t *count) {
  lido_lock_take(&lock);
  const char *broken = lido_heap_tables_check_count(count);
  lido_lock_give(&lock);
  return broken;
}

void lido_heap_lock_for_fork(void) { lido_lock_take_for_fork(&lock); }
void lido_heap_unlock_after_fork(void) { lido_lock_give_after_fork(&lock); }

/* RELAXED: the child has one thread. */
void lido_heap_in_child(void) {
  lido_store_relaxed(&captures[0], 0);
  lido_store_relaxed(&captures[1], 0);
  if (lido_heap_is_capturing()) lido_store_relaxed(&captures[self.capturing % 2], 1);
}
