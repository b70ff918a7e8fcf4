/* budgets.c: see budgets.h. */
#include "lib/mem/budgets.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/lock.h"
#include "lib/mem/mem_fork.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

enum { STEP_BYTES_MIN = 64 << 10, STEPS = 16 };

struct lido_budget {
  /* fixed at birth */
  void (*on_soft)(lido_budget *budget, size_t used, void *context);
  void (*on_hard)(lido_budget *budget, size_t wanted, void *context);
  void *context;
  /* atomic */
  size_t used;
  size_t hard;    /* SIZE_MAX: none */
  size_t soft;    /* SIZE_MAX: none */
  size_t told_at; /* on_soft is called when more than this is used */
  size_t peak;
  size_t users;
  size_t calls; /* under way, and SILENT once no more begin */
  uint64_t soft_calls;
  uint64_t hard_calls;
  uint64_t refusals;
  /* under limits_lock */
  size_t hard_most; /* of all hard limits that there were: for the check */
};

static const size_t SILENT = ~(SIZE_MAX >> 1);

/* Of all budgets: around writes of hard, soft and told_at by who sets them, and where they have to belong together. */
static lido_lock limits_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

/* A call under way lies on its thread's stack. */
typedef struct budget_call {
  lido_budget *budget;
  void (*function)(lido_budget *budget, size_t bytes, void *context);
  size_t bytes;
  struct budget_call *outer;
} budget_call;

static __thread budget_call *calls_of_thread;

/* ---- Life ---- */

static size_t limit_of(size_t bytes) { return bytes != 0 ? bytes : SIZE_MAX; }

/* RELAXED, all of this file: counts that guard nothing else. */

static bool limits_fit(size_t soft_bytes, size_t hard_bytes) {
  return limit_of(soft_bytes) <= limit_of(hard_bytes) || soft_bytes == 0;
}

lido_budget *lido_budget_create(const lido_budget_options *options) {
  int error = options == NULL || !limits_fit(options->soft_bytes, options->hard_bytes) ? EINVAL : lido_mem_fork_join();
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_budget *budget = lido_metadata_alloc(lido_metadata_system(), sizeof *budget);
  if (budget == NULL) return NULL;
  budget->on_soft = options->on_soft;
  budget->on_hard = options->on_hard;
  budget->context = options->context;
  budget->hard = budget->hard_most = limit_of(options->hard_bytes);
  budget->soft = budget->told_at = limit_of(options->soft_bytes);
  return budget;
}

int lido_budget_destroy(lido_budget *budget) {
  if (budget == NULL) return 0;
  if (lido_load_relaxed(&budget->users) != 0) return EBUSY; /* RELAXED: its caller knows that all users are gone */
  lido_metadata_free(lido_metadata_system(), budget, sizeof *budget);
  return 0;
}

int lido_budget_limits_set(lido_budget *budget, size_t soft_bytes, size_t hard_bytes) {
  if (!limits_fit(soft_bytes, hard_bytes)) return EINVAL;
  lido_lock_take(&limits_lock);
  budget->hard_most = lido_max(budget->hard_most, limit_of(hard_bytes));
  lido_store_relaxed(&budget->hard, limit_of(hard_bytes));    /* RELAXED: a limit seen late holds from then on */
  lido_store_relaxed(&budget->soft, limit_of(soft_bytes));    /* RELAXED: as above */
  lido_store_relaxed(&budget->told_at, limit_of(soft_bytes)); /* RELAXED: as above */
  lido_lock_give(&limits_lock);
  return 0;
}

void lido_budget_hold(lido_budget *budget) {
  if (budget != NULL) lido_add_relaxed(&budget->users, 1); /* RELAXED: a count of its own */
}

void lido_budget_let_go(lido_budget *budget) {
  if (budget != NULL) lido_sub_relaxed(&budget->users, 1); /* RELAXED: a count of its own */
}

/* ---- Calls ---- */

static size_t step_of(size_t soft) { return lido_max(soft / STEPS, STEP_BYTES_MIN); }

/* U3. */
static size_t next_told_at(size_t soft, size_t used) {
  if (soft == SIZE_MAX) return SIZE_MAX;
  size_t step = step_of(soft);
  return used > SIZE_MAX - step ? SIZE_MAX : lido_max(soft, used + step);
}

static bool is_inside(const lido_budget *budget) {
  const budget_call *call = calls_of_thread;
  while (call != NULL && call->budget != budget) call = call->outer;
  return call != NULL;
}

static void run(void *argument) {
  budget_call *call = argument;
  call->function(call->budget, call->bytes, call->budget->context);
}

static void end_call(void *argument) {
  budget_call *call = argument;
  calls_of_thread = call->outer;
  /* RELEASE budget.call: who waits for the end of all calls sees what they did. */
  lido_sub_release(&call->budget->calls, 1);
}

/* Unless this thread is in one of this budget's already, or there are to be no more. The thread may end in there. */
static void make_call(lido_budget *budget, void (*function)(lido_budget *budget, size_t bytes, void *context),
                      size_t bytes, uint64_t *statistic) {
  if (function == NULL || is_inside(budget)) return;
  /* RELAXED: that and the bit are in one word, so that either this sees the bit or who sets it sees this. */
  if ((lido_add_relaxed(&budget->calls, 1) & SILENT) != 0) {
    lido_sub_relaxed(&budget->calls, 1); /* RELAXED: nothing was done */
    return;
  }
  lido_add_relaxed(statistic, 1); /* RELAXED: statistic */
  int saved_errno = errno;
  budget_call call = {.budget = budget, .function = function, .bytes = bytes, .outer = calls_of_thread};
  calls_of_thread = &call;
  lido_os_call_to_its_end(run, end_call, &call);
  end_call(&call);
  errno = saved_errno;
}

static void tell(lido_budget *budget, size_t used, size_t told_at) {
  size_t soft = lido_load_relaxed(&budget->soft); /* RELAXED: a limit seen late */
  if (budget->on_soft == NULL || used <= soft || is_inside(budget)) return;
  /* RELAXED: of all who come here at once, one tells. */
  if (!lido_cas_relaxed(&budget->told_at, &told_at, next_told_at(soft, used))) return;
  make_call(budget, budget->on_soft, used, &budget->soft_calls);
}

void lido_budget_silence(lido_budget *budget) {
  lido_or_relaxed(&budget->calls, SILENT); /* RELAXED: as in make_call */
  /* ACQUIRE budget.call: see there. */
  while (lido_load_acquire(&budget->calls) != SILENT) lido_os_yield();
}

void lido_budgets_lock_for_fork(void) { lido_lock_take_for_fork(&limits_lock); }
void lido_budgets_unlock_after_fork(void) { lido_lock_give_after_fork(&limits_lock); }

void lido_budget_in_child(lido_budget *budget) {
  size_t calls = lido_load_relaxed(&budget->calls) & SILENT; /* RELAXED: the child has one thread */
  for (const budget_call *call = calls_of_thread; call != NULL; call = call->outer) calls += call->budget == budget;
  lido_store_relaxed(&budget->calls, calls); /* RELAXED: as above */
}

/* ---- Take and give ---- */

static void note_peak(lido_budget *budget, size_t used) {
  size_t peak = lido_load_relaxed(&budget->peak);                         /* RELAXED: statistic */
  while (used > peak && !lido_cas_relaxed(&budget->peak, &peak, used)) {} /* RELAXED: statistic */
}

/* -> what is used then; 0: the limit is in the way. */
static size_t take(lido_budget *budget, size_t bytes) {
  size_t hard = lido_load_relaxed(&budget->hard); /* RELAXED: a limit seen late */
  size_t used = lido_load_relaxed(&budget->used); /* RELAXED: the count itself decides, below */
  do {
    if (used > hard || bytes > hard - used) return 0;
  } while (!lido_cas_relaxed(&budget->used, &used, used + bytes)); /* RELAXED: a count of its own */
  note_peak(budget, used + bytes);
  return used + bytes;
}

static bool refuse(lido_budget *budget) {
  lido_add_relaxed(&budget->refusals, 1); /* RELAXED: statistic */
  errno = ENOMEM;
  return false;
}

static void told(lido_budget *budget, size_t used) {
  size_t told_at = lido_load_relaxed(&budget->told_at); /* RELAXED: the exchange in tell() decides */
  if (used > told_at) tell(budget, used, told_at);
}

bool lido_budget_try(lido_budget *budget, size_t bytes) {
  if (budget == NULL) return true;
  size_t used = take(budget, bytes);
  if (used != 0) told(budget, used);
  return used != 0;
}

bool lido_budget_take(lido_budget *budget, size_t bytes) {
  if (budget == NULL) return true;
  size_t used = take(budget, bytes);
  if (used == 0) {
    make_call(budget, budget->on_hard, bytes, &budget->hard_calls);
    used = take(budget, bytes);
  }
  if (used == 0) return refuse(budget);
  told(budget, used);
  return true;
}

void lido_budget_give(lido_budget *budget, size_t bytes) {
  if (budget == NULL) return;
  size_t used = lido_sub_relaxed(&budget->used, bytes) - bytes;       /* RELAXED: a count of its own */
  size_t next = next_told_at(lido_load_relaxed(&budget->soft), used); /* RELAXED: a limit seen late */
  size_t told_at = lido_load_relaxed(&budget->told_at);               /* RELAXED: as below */
  if (next < told_at)
    lido_cas_relaxed(&budget->told_at, &told_at, next); /* RELAXED: a hint; whoever comes between knows better */
}

/* ---- Questions ---- */

size_t lido_budget_used(const lido_budget *budget) { return lido_load_relaxed(&budget->used); /* RELAXED: statistic */ }

static uint64_t shown(size_t limit) { return limit == SIZE_MAX ? 0 : limit; }

/* RELAXED: statistics, all of them. */
void lido_budget_stats_get(const lido_budget *budget, lido_budget_stats *out) {
  *out = (lido_budget_stats){
      .used = lido_load_relaxed(&budget->used),             /* RELAXED: see above */
      .peak = lido_load_relaxed(&budget->peak),             /* RELAXED: see above */
      .soft_calls = lido_load_relaxed(&budget->soft_calls), /* RELAXED: see above */
      .hard_calls = lido_load_relaxed(&budget->hard_calls), /* RELAXED: see above */
      .refusals = lido_load_relaxed(&budget->refusals),     /* RELAXED: see above */
  };
  lido_lock_take(&limits_lock);
  out->soft = shown(lido_load_relaxed(&budget->soft)); /* RELAXED: under the lock */
  out->hard = shown(lido_load_relaxed(&budget->hard)); /* RELAXED: under the lock */
  lido_lock_give(&limits_lock);
}

/* ---- Check ---- */

/* What was used at any moment is at most the peak. */
static const char *limits_check_locked(const lido_budget *budget) {
  /* RELAXED: under the lock, or while nothing changes. */
  size_t soft = lido_load_relaxed(&budget->soft);
  size_t peak = lido_load_relaxed(&budget->peak);
  if (peak > budget->hard_most) return "U2: more was used than any hard limit allowed";
  if (soft == SIZE_MAX) return NULL;
  if (soft > lido_load_relaxed(&budget->hard)) return "U5: a soft limit above the hard one";
  /* That only grows with what is used. RELAXED: as above. */
  if (lido_load_relaxed(&budget->told_at) > next_told_at(soft, peak)) return "U3: the next call comes too late";
  return NULL;
}

const char *lido_budget_check(const lido_budget *budget) {
  size_t used = lido_load_relaxed(&budget->used); /* RELAXED: while nothing changes, as all below */
  if (used > lido_load_relaxed(&budget->peak)) return "U1: more was given than taken";
  if (used != 0 && lido_load_relaxed(&budget->users) == 0) return "U1: something is used, but nobody stands on it";
  if ((lido_load_relaxed(&budget->calls) & ~SILENT) > SILENT / 2) return "U4: more calls ended than began";
  lido_lock_take(&limits_lock);
  const char *broken = limits_check_locked(budget);
  lido_lock_give(&limits_lock);
  return broken;
}
