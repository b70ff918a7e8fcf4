/* manager_core.h: what a manager is inside.
 *
 * Idea: a manager is a register of things that can live without it: pools, classes of arenas, caches, cleanup queues,
 * each kind in an array sorted by name. It makes them on its budget, and where somebody must be told of all of them (a
 * snapshot, a reclaim pass, a tick), it goes from one to the next. Passes call functions of the program, so they hold
 * no lock but keep a hold on the member they are at; who ends a member takes it out of the array first and then waits
 * until nobody holds it. Going on is finding the first name beyond the last one, so members may come and go meanwhile.
 * Invariants
 *   X1  the members of a kind are sorted by name, and no two of them have the same.
 *   X2  a member in the array is not ending; one that is ending is in no array and is freed when its last hold is
 *       dropped.
 *   X3  what the manager made is charged to its budget, unless its options named another.
 *   X4  samples of the ring have rising numbers and times that do not fall.
 * Threads: any. Locks: MONITOR around samples, rules and the thread; MANAGER around members, totals and the policy;
 * neither while a function of the program runs. Each thread knows what it holds (members.c), so that inside a walk, or
 * a call of an alert, it does not wait for who may be waiting for it.
 * Failure: ENOMEM, nothing changed.
 * Fork: all managers' locks are held over it; the child has no monitor's thread.
 * Not done: a lock-free register (names are looked up once, then pointers are kept); limits for single pools beside
 * max_objects.
 */
#ifndef LIDO_LIB_CONTROL_MANAGER_CORE_H
#define LIDO_LIB_CONTROL_MANAGER_CORE_H

#include <errno.h>

#include "lib/base/list.h"
#include "lib/control/policy_core.h"
#include "lib/os/os.h"
#include "lido/manager.h"
#include "lido/snapshot.h"

typedef struct lido_monitor lido_monitor;

typedef enum lido_kind {
  LIDO_KIND_CACHE,
  LIDO_KIND_CLEANUP_QUEUE,
  LIDO_KIND_POOL,
  LIDO_KIND_ARENA_CLASS,
  LIDO_KINDS
} lido_kind;

typedef struct lido_member {
  /* fixed */
  lido_kind kind;
  bool watched; /* the program's: not ended here */
  void *object;
  size_t bytes; /* of this struct, with the name */
  /* under the manager's lock */
  bool ending;
  unsigned holds;
  uint64_t remembered; /* bytes that a pool had in use at most, as far as a policy remembers it */
  uint64_t remembered_ns;
  uint64_t misses_seen; /* of the pool, by the last tick */
  uint64_t most_said;   /* of a pool's allocs by its caches, of a class's acquires: most that a snapshot said */
  char name[];          /* fixed */
} lido_member;

typedef struct lido_member_list {
  lido_member **items; /* X1 */
  size_t count;
  size_t room;
} lido_member_list;

/* What lido_manager_own was given. */
typedef struct lido_owned {
  lido_link link;
  void (*end)(void *object);
  void *object;
} lido_owned;

/* Under the manager's lock. */
typedef struct lido_totals {
  uint64_t passes[LIDO_RECLAIM_REASON_COUNT];
  uint64_t freed_bytes;
  uint64_t purged_bytes;
  uint64_t cleanups_run;
  uint64_t evicted;
  uint64_t ticks;
  uint64_t policy_changes;
  lido_durations durations;
} lido_totals;

enum { LIDO_MANAGER_NAME_MAX = 64 };

struct lido_manager {
  /* fixed at birth */
  lido_manager_options options;
  char name[LIDO_MANAGER_NAME_MAX];
  lido_backing *backing;
  lido_budget *budget;
  lido_monitor *monitor;
  lido_link link; /* all managers, under their lock */
  /* under `lock` */
  lido_lock lock;
  lido_os_condition let_go; /* a hold was dropped whose member is ending */
  lido_member_list members[LIDO_KINDS];
  lido_link owned[LIDO_STAGES]; /* the newest first */
  lido_totals totals;
  lido_policy policy;
  lido_policy chosen; /* Y1 */
  lido_adaptive adaptive;
  uint64_t first_tick_ns;        /* the manager's clock, */
  uint64_t first_tick_system_ns; /* and the system's, at the first tick; 0: there was none */
  /* atomic */
  bool is_reclaiming; /* a pass for the soft limit is under way */
  bool is_due;        /* one is to run at the next tick */
};

static inline uint64_t lido_manager_now(const lido_manager *manager) {
  return manager->options.now != NULL ? manager->options.now(manager->options.context) : lido_os_now_ns();
}

/* ---- Members (members.c) ---- */

/* The member of that name, or NULL. Called with the lock held. */
lido_member *lido_members_find_locked(lido_manager *manager, lido_kind kind, const char *name);

/* Is that object a member? Called with the lock held. */
bool lido_members_has_locked(const lido_manager *manager, lido_kind kind, const void *object);

/* Enter an object under a name, unless there is one of that name, which is then in *present. 0, EEXIST, ENOMEM, EINVAL
 * (no name). */
int lido_members_add(lido_manager *manager, lido_kind kind, const char *name, void *object, bool watched,
                     void **present);

/* The object of that name, or NULL. */
void *lido_members_object(lido_manager *manager, lido_kind kind, const char *name);

/* Take an object out, and wait until nobody holds it. 0; ENOENT: it is not there, or not as `watched` says whose it
 * is; EBUSY: this thread may be the one that holds it. */
int lido_members_remove(lido_manager *manager, lido_kind kind, const void *object, bool watched);

/* Take out any member: its object, or NULL when there is none. For the end. */
void *lido_members_take_last(lido_manager *manager, lido_kind kind, bool *watched);

void lido_members_end(lido_manager *manager);

/* Both only inside lido_members_call. The member after `last` in the order of names, held, and `last` let go; NULL,
 * NULL: from the first to the last. */
lido_member *lido_members_next(lido_manager *manager, lido_kind kind, lido_member *last);
/* The member of that name, held to the end of the call, or NULL. */
lido_member *lido_members_hold(lido_manager *manager, lido_kind kind, const char *name);

/* Does this thread hold any member, of whatever manager? Then it is inside a callback of a walk. */
bool lido_members_is_walking(void);

/* Call body(argument), which may walk, one member at a time. What it holds at its end is let go, also when the thread
 * ends in there; then abandoned(argument) is called, if that is not NULL. */
void lido_members_call(lido_manager *manager, void (*body)(void *argument), void (*abandoned)(void *argument),
                       void *argument);

/* In the child of a fork: nobody holds anything, of every manager; then, once, what this thread holds. */
void lido_members_in_child(lido_manager *manager);
void lido_members_hold_again_in_child(void);

/* NULL, or X1 to X3. */
const char *lido_members_check(lido_manager *manager);

/* ---- Each kind ---- */

/* Enter what was just made. -> it, or another of that name, or NULL: errno; then and for another it is ended. */
void *lido_kind_enter(lido_manager *manager, lido_kind kind, const char *name, void *made, size_t (*end)(void *object));

static inline bool lido_kind_is_name(const char *name) { return name != NULL && name[0] != '\0'; }

static inline void *lido_kind_fail(int error) {
  errno = error;
  return NULL;
}

/* Does it stand on a budget, if it is a pool or a class of arenas? For X3. */
bool lido_kind_is_charged(const lido_member *member);

/* A pool becomes a member: other threads will ask for its numbers, and it follows the policy. */
void lido_kind_come_pool_locked(lido_manager *manager, lido_pool *pool);

/* End an object of that kind. -> what was still live in it. */
size_t lido_kind_end_pool(void *object);
size_t lido_kind_end_cache(void *object);
size_t lido_kind_end_cleanup_queue(void *object);
size_t lido_kind_end_arena_class(void *object);

/* Keep up to `count` fewer values; caches_managed.c, or a build without caches. -> how many. */
size_t lido_managed_cache_evict(void *object, size_t count);
size_t lido_managed_cache_trim(void *object);
void lido_managed_cache_stats(const void *object, lido_cache_stats *out);

/* ---- Reclaim (reclaim.c) ---- */

/* What was given back goes into the totals; as a pass, if it is one. */
void lido_totals_add(lido_manager *manager, const lido_reclaim_report *report, bool is_pass);

void lido_manager_on_soft(lido_budget *budget, size_t used, void *context);
void lido_manager_on_hard(lido_budget *budget, size_t wanted, void *context);

/* May this thread trim or prepare the pool? Not one that belongs to another thread alone. */
bool lido_pool_is_trimmable(const lido_pool *pool);

/* The pass for the soft limit that was put off to this tick, if there is one. */
void lido_manager_pass_if_due(lido_manager *manager);

/* ---- Durations (durations.c) ---- */

void lido_durations_add(lido_durations *durations, uint64_t ns);

/* ---- Numbers (snapshot.c) ---- */

/* Of a pool, with counters that never fall. Called with the manager's lock held. */
void lido_member_pool_stats_locked(lido_member *member, lido_pool_stats *out);

/* The statistics of the manager as they are now. Called with the lock held. */
void lido_manager_stats_locked(lido_manager *manager, lido_manager_stats *out);

/* ---- Fork (control_fork.c) ---- */

/* Into the list of all. 0, or ENOMEM. */
int lido_managers_join(lido_manager *manager);
void lido_managers_leave(lido_manager *manager);

#endif
