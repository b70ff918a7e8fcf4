/* registry.c: see registry.h. */
#include "pools/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/misuse_report.h"
#include "pools/thread_cache.h"

#define NONE_4 &lido_thread_cache_none, &lido_thread_cache_none, &lido_thread_cache_none, &lido_thread_cache_none
#define NONE_16 NONE_4, NONE_4, NONE_4, NONE_4
__thread lido_thread lido_this_thread
    __attribute__((tls_model("initial-exec"))) = {.first = {NONE_16, NONE_16, NONE_16, NONE_16}};
LIDO_STATIC_ASSERT(LIDO_FIRST_CACHES == 64, "as many as are initialised above");

uint8_t lido_state_never = LIDO_STATE_NONE;
lido_pool_cache lido_thread_cache_none = LIDO_CACHE_INITIAL;

static lido_lock registry_lock = LIDO_LOCK_INITIAL(LIDO_RANK_REGISTRY);

/* All below: under the lock. */
static lido_pool_core **pools; /* [pools_capacity], by number */
static size_t pools_capacity;
static size_t pool_count;
static lido_pool_core *first_pool;
static lido_thread_record *first_thread;

enum { TABLE_MIN = 16 };

/* ---- The lock ---- */

enum { NAME_BYTES = 64 };

/* This thread's: does it hold the lock, and what did it find meanwhile? The newest find stands for all. */
static __thread struct {
  bool held;
  bool found;
  lido_misuse misuse;
  char pool[NAME_BYTES]; /* the pool may be gone when it is reported */
} pending;

void lido_registry_lock(void) {
  lido_lock_take(&registry_lock);
  pending.held = true;
}

void lido_registry_unlock(void) {
  bool found = pending.found;
  lido_misuse misuse = pending.misuse;
  pending.held = false;
  pending.found = false;
  lido_lock_give(&registry_lock);
  if (LIDO_UNLIKELY(found)) lido_misuse_report(misuse);
}

void lido_registry_report(lido_misuse misuse) {
  if (!pending.held) {
    lido_misuse_report(misuse);
    return;
  }
  snprintf(pending.pool, sizeof pending.pool, "%s", misuse.pool);
  misuse.pool = pending.pool;
  pending.misuse = misuse;
  pending.found = true;
}

void lido_registry_lock_for_fork(void) { lido_lock_take_for_fork(&registry_lock); }
void lido_registry_unlock_after_fork(void) { lido_lock_give_after_fork(&registry_lock); }

/* ---- Pools ---- */

static bool grow_locked(void) {
  size_t capacity = lido_max(pools_capacity * 2, TABLE_MIN);
  lido_pool_core **grown = lido_metadata_alloc(lido_metadata_system(), capacity * sizeof *grown);
  if (grown == NULL) return false;
  if (pools != NULL) memcpy(grown, pools, pools_capacity * sizeof *grown);
  lido_metadata_free(lido_metadata_system(), pools, pools_capacity * sizeof *pools);
  pools = grown;
  pools_capacity = capacity;
  return true;
}

/* A free number, the next after the last given: 0 is never given. */
static uint32_t free_number_locked(void) {
  static uint32_t hint = 1;
  if (pool_count + 1 >= pools_capacity && !grow_locked()) return 0;
  for (size_t tried = 1; tried < pools_capacity; tried++, hint++) {
    if (hint >= pools_capacity) hint = 1;
    if (pools[hint] == NULL) return hint++;
  }
  return 0;
}

int lido_registry_add(lido_pool_core *core) {
  lido_registry_lock();
  uint32_t number = free_number_locked();
  if (number != 0) {
    pools[number] = core;
    pool_count++;
    core->face.number = number;
    core->owner = core->backing->buffer == NULL ? number : LIDO_OWNER_NEVER; /* a buffer's units tell themselves */
    core->previous = NULL;
    core->next = first_pool;
    if (first_pool != NULL) first_pool->previous = core;
    first_pool = core;
  }
  lido_registry_unlock();
  return number != 0 ? 0 : ENOMEM;
}

static void release_table_locked(void) {
  lido_metadata_free(lido_metadata_system(), pools, pools_capacity * sizeof *pools);
  pools = NULL;
  pools_capacity = 0;
}

void lido_registry_remove_locked(lido_pool_core *core) {
  LIDO_ASSERT(pools[core->face.number] == core);
  pools[core->face.number] = NULL;
  pool_count--;
  if (core->next != NULL) core->next->previous = core->previous;
  if (core->previous != NULL) {
    core->previous->next = core->next;
  } else {
    first_pool = core->next;
  }
  if (pool_count == 0) release_table_locked();
}

lido_pool_core *lido_registry_find_locked(uint32_t number) { return number < pools_capacity ? pools[number] : NULL; }

lido_pool_core *lido_registry_first_locked(void) { return first_pool; }

/* ---- Threads ---- */

static void unlink_record_locked(lido_thread_record *record) {
  if (record->next != NULL) record->next->previous = record->previous;
  if (record->previous != NULL) {
    record->previous->next = record->next;
  } else {
    first_thread = record->next;
  }
}

static void free_table_locked(lido_thread_record *record) {
  lido_metadata_free(lido_metadata_system(), record->table, record->table_bytes);
  record->table = NULL;
}

static void give_up_pools_locked(const lido_thread_record *record) {
  for (lido_pool_core *core = first_pool; core != NULL && record->owns_pools; core = core->next) {
    /* RELAXED: under the lock; others only compare it with themselves. */
    if (lido_load_relaxed(&core->only_thread) == record) lido_store_relaxed(&core->only_thread, NULL);
  }
}

static void remove_record_locked(lido_thread_record *record) {
  give_up_pools_locked(record);
  free_table_locked(record);
  unlink_record_locked(record);
  lido_metadata_free(lido_metadata_system(), record, sizeof *record);
}

static void on_thread_exit(void *value) {
  lido_thread_record *record = value;
  lido_registry_lock();
  while (record->caches != NULL) lido_thread_cache_detach_locked(record->caches, LIDO_DETACH_LIVING);
  record->thread->caches = NULL;
  record->thread->cache_count = 0;
  record->thread->record = NULL;
  record->thread->dead = true;
  remove_record_locked(record);
  lido_registry_unlock();
}

/* The arenas' hook runs clean-ups of the program's, which may use pools. */
static lido_os_exit_hook exit_hook = {.call = on_thread_exit, .turn = 1};

lido_thread_record *lido_thread_record_get_locked(void) {
  lido_thread *thread = &lido_this_thread;
  if (thread->record != NULL || thread->dead) return thread->record;
  lido_thread_record *record = lido_metadata_alloc(lido_metadata_system(), sizeof *record);
  if (record == NULL) return NULL;
  if (lido_os_thread_exit_arm(&exit_hook, record) != 0) {
    lido_metadata_free(lido_metadata_system(), record, sizeof *record);
    return NULL;
  }
  record->thread = thread;
  record->next = first_thread;
  if (first_thread != NULL) first_thread->previous = record;
  first_thread = record;
  thread->record = record;
  return record;
}

bool lido_thread_is_second_locked(lido_pool_core *core, lido_thread_record *thread) {
  if (!core->one_thread) return false;
  const lido_thread_record *only = lido_load_relaxed(&core->only_thread); /* RELAXED: under the lock */
  if (only != NULL) return only != thread;
  if (thread == NULL) return false;
  thread->owns_pools = true;
  lido_store_relaxed(&core->only_thread, thread); /* RELAXED: others only compare it with themselves */
  return false;
}

void lido_thread_table_set_locked(lido_thread_record *record, uint32_t number, lido_pool_cache *cache) {
  record->thread->caches[number] = cache;
  if (number < LIDO_FIRST_CACHES) record->thread->first[number] = cache;
}

bool lido_thread_table_reserve_locked(lido_thread_record *record, uint32_t number) {
  lido_thread *thread = record->thread;
  if (number < thread->cache_count) return true;
  size_t count = lido_max(lido_power_of_two_above((size_t)number + 1), TABLE_MIN);
  lido_pool_cache **caches = lido_metadata_alloc(lido_metadata_system(), count * sizeof *caches);
  if (caches == NULL) return false;
  for (size_t i = 0; i < count; i++) caches[i] = i < thread->cache_count ? thread->caches[i] : &lido_thread_cache_none;
  free_table_locked(record);
  record->table = caches;
  record->table_bytes = count * sizeof *caches;
  thread->caches = caches;
  thread->cache_count = (uint32_t)count;
  return true;
}

/* The other threads' thread-locals may be gone already: only what records and rests hold is touched. */
void lido_threads_forget_others_locked(void) {
  lido_thread_record *next = NULL;
  for (lido_thread_record *record = first_thread; record != NULL; record = next) {
    next = record->next;
    if (record == lido_this_thread.record) continue;
    while (record->caches != NULL) lido_thread_cache_detach_locked(record->caches, LIDO_DETACH_FORGOTTEN);
    remove_record_locked(record);
  }
}
