/* object_threads.c: see object_threads.h. */
#include "pools/object_threads.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

typedef struct lido_object_thread_record {
  lido_object_thread *thread; /* its thread-local */
  lido_object_store **table;  /* thread->stores, for a child that can't read that thread-local */
  size_t table_bytes;
  lido_link stores;
  lido_link link; /* all records */
} lido_object_thread_record;

#define NONE_4 &lido_object_store_none, &lido_object_store_none, &lido_object_store_none, &lido_object_store_none
__thread lido_object_thread lido_this_object_thread
    __attribute__((tls_model("initial-exec"))) = {.first = {NONE_4, NONE_4, NONE_4, NONE_4}};
LIDO_STATIC_ASSERT(LIDO_FIRST_STORES == 16, "as many as are initialised above");

lido_object_store lido_object_store_none = {.put_asks = LIDO_PUT_NO_CREDIT};

static lido_lock threads_lock = LIDO_LOCK_INITIAL(LIDO_RANK_STORES);

/* All below: under the lock. */
static lido_link all_pools = LIDO_LIST_INITIAL(all_pools);
static lido_link all_records = LIDO_LIST_INITIAL(all_records);
static lido_object_core **numbers; /* [numbers_capacity] */
static size_t numbers_capacity;
static size_t pool_count;

enum { TABLE_LEAST = 16 };

/* ---- Pools ---- */

static bool grow_numbers_locked(void) {
  size_t capacity = lido_max(2 * numbers_capacity, TABLE_LEAST);
  lido_object_core **grown = lido_metadata_alloc(lido_metadata_system(), capacity * sizeof *grown);
  if (grown == NULL) return false;
  if (numbers != NULL) memcpy(grown, numbers, numbers_capacity * sizeof *grown);
  lido_metadata_free(lido_metadata_system(), numbers, numbers_capacity * sizeof *numbers);
  numbers = grown;
  numbers_capacity = capacity;
  return true;
}

/* The lowest number that is free; there is one. */
static uint32_t free_number_locked(void) {
  static size_t hint;
  while (numbers[hint %= numbers_capacity] != NULL) hint++;
  return (uint32_t)hint++;
}

int lido_object_pools_add(lido_object_core *core) {
  lido_lock_take(&threads_lock);
  lido_object_stores_prepare_locked();
  bool there = pool_count < numbers_capacity || grow_numbers_locked();
  if (there) {
    core->face.number = free_number_locked();
    numbers[core->face.number] = core;
    pool_count++;
    lido_list_append(&all_pools, &core->link);
  }
  lido_lock_give(&threads_lock);
  return there ? 0 : ENOMEM;
}

static void release_numbers_locked(void) {
  lido_metadata_free(lido_metadata_system(), numbers, numbers_capacity * sizeof *numbers);
  numbers = NULL;
  numbers_capacity = 0;
}

/* ---- Threads ---- */

/* RELAXED: the thread itself, or nobody, uses the pool. */
static void set_store_locked(const lido_object_thread_record *record, uint32_t number, lido_object_store *store) {
  record->thread->stores[number] = store;
  if (number < LIDO_FIRST_STORES) lido_store_relaxed(&record->thread->first[number], store);
}

static void forget_owner_locked(lido_object_rest *rest) {
  rest->thread = NULL;
  rest->place = NULL;
  lido_list_remove(&rest->in_thread);
}

/* The thread has the store no more. */
static void detach_locked(lido_object_rest *rest) {
  if (rest->thread != NULL) set_store_locked(rest->thread, rest->face.core->face.number, &lido_object_store_none);
  if (rest->place != NULL) lido_store_relaxed(rest->place, &lido_object_store_none); /* RELAXED: as above */
  forget_owner_locked(rest);
}

void lido_object_pools_remove(lido_object_core *core) {
  lido_lock_take(&threads_lock);
  lido_lock_take(&core->lock);
  while (!lido_list_is_empty(&core->stores)) {
    lido_object_rest *rest = LIDO_LIST_ITEM(core->stores.next, lido_object_rest, in_pool);
    detach_locked(rest);
    lido_object_rest_destroy_locked(rest);
  }
  lido_lock_give(&core->lock);
  numbers[core->face.number] = NULL;
  lido_list_remove(&core->link);
  if (--pool_count == 0) release_numbers_locked();
  lido_lock_give(&threads_lock);
}

static void free_record_locked(lido_object_thread_record *record) {
  lido_metadata_free(lido_metadata_system(), record->table, record->table_bytes);
  lido_list_remove(&record->link);
  lido_metadata_free(lido_metadata_system(), record, sizeof *record);
}

/* A store that can't be emptied for lack of memory stays with its pool, for a trim or another thread. */
static void leave_store_locked(lido_object_rest *rest) {
  lido_object_core *core = rest->face.core;
  lido_lock_take(&core->lock);
  lido_object_rest_flush_locked(rest, &core->fresh);
  rest->is_orphan = true;
  if (rest->credit == 0) lido_object_rest_destroy_locked(rest);
  lido_lock_give(&core->lock);
}

static lido_object_rest *first_store(const lido_object_thread_record *record) {
  return LIDO_LIST_ITEM(record->stores.next, lido_object_rest, in_thread);
}

static void on_thread_exit(void *value) {
  lido_object_thread_record *record = value;
  lido_lock_take(&threads_lock);
  while (!lido_list_is_empty(&record->stores)) {
    lido_object_rest *rest = first_store(record);
    detach_locked(rest);
    leave_store_locked(rest);
  }
  record->thread->stores = NULL;
  record->thread->store_count = 0;
  record->thread->record = NULL;
  record->thread->dead = true;
  free_record_locked(record);
  lido_lock_give(&threads_lock);
}

/* After the arenas' hook, whose clean-ups are the program's and may use object pools. */
static lido_os_exit_hook exit_hook = {.call = on_thread_exit, .turn = 1};

static lido_object_thread_record *record_get_locked(void) {
  lido_object_thread *thread = &lido_this_object_thread;
  if (thread->record != NULL || thread->dead) return thread->record;
  lido_object_thread_record *record = lido_metadata_alloc(lido_metadata_system(), sizeof *record);
  if (record == NULL) return NULL;
  if (lido_os_thread_exit_arm(&exit_hook, record) != 0) {
    lido_metadata_free(lido_metadata_system(), record, sizeof *record);
    return NULL;
  }
  record->thread = thread;
  lido_list_init(&record->stores);
  lido_list_append(&all_records, &record->link);
  thread->record = record;
  return record;
}

static bool reserve_table_locked(lido_object_thread_record *record, uint32_t number) {
  lido_object_thread *thread = record->thread;
  if (number < thread->store_count) return true;
  size_t count = lido_max(lido_power_of_two_above((size_t)number + 1), TABLE_LEAST);
  lido_object_store **stores = lido_metadata_alloc(lido_metadata_system(), count * sizeof *stores);
  if (stores == NULL) return false;
  for (size_t i = 0; i < count; i++) stores[i] = i < thread->store_count ? thread->stores[i] : &lido_object_store_none;
  lido_metadata_free(lido_metadata_system(), record->table, record->table_bytes);
  record->table = stores;
  record->table_bytes = count * sizeof *stores;
  thread->stores = stores;
  thread->store_count = (uint32_t)count;
  return true;
}

/* ---- Stores ---- */

static lido_object_rest *make_store_locked(lido_object_core *core, lido_object_thread_record *record) {
  lido_object_rest *rest = lido_object_rest_adopt(core);
  if (rest == NULL) rest = lido_object_rest_create(core);
  if (rest == NULL) return NULL;
  rest->thread = record;
  lido_list_append(&record->stores, &rest->in_thread);
  set_store_locked(record, core->face.number, &rest->face);
  return rest;
}

/* The thread may have a store already, by the other of a typed pool's two faces. */
static lido_object_rest *find_or_make_locked(lido_object_core *core) {
  lido_object_thread_record *record = record_get_locked();
  if (record == NULL || !reserve_table_locked(record, core->face.number)) return NULL;
  lido_object_store *store = record->thread->stores[core->face.number];
  return store != &lido_object_store_none ? lido_object_rest_of(store) : make_store_locked(core, record);
}

static lido_object_store *attach(lido_object_core *core, lido_object_store **place) {
  int saved_errno = errno;
  lido_lock_take(&threads_lock);
  lido_object_rest *rest = find_or_make_locked(core);
  if (rest != NULL && place != NULL) {
    rest->place = place;
    lido_store_relaxed(place, &rest->face); /* RELAXED: this thread's */
  }
  lido_lock_give(&threads_lock);
  errno = saved_errno;
  return rest != NULL ? &rest->face : NULL;
}

lido_object_store *lido_object_store_attach(lido_object_core *core, lido_object_store **place) {
  lido_object_store *store = place != NULL ? *place : lido_object_store_of_thread(&core->face);
  return LIDO_LIKELY(store != &lido_object_store_none) ? store : attach(core, place);
}

void lido_object_stores_flush(void) {
  const lido_object_thread_record *record = lido_this_object_thread.record;
  if (record == NULL) return;
  lido_lock_take(&threads_lock);
  for (lido_link *link = record->stores.next; link != &record->stores; link = link->next) {
    lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_thread);
    lido_object_core *core = rest->face.core;
    lido_lock_take(&core->lock);
    lido_object_rest_flush_locked(rest, &core->fresh);
    lido_lock_give(&core->lock);
  }
  lido_lock_give(&threads_lock);
}

static const char *check_record_locked(const lido_object_thread_record *record) {
  const lido_object_thread *thread = record->thread;
  for (uint32_t number = 0; number < thread->store_count; number++) {
    const lido_object_store *store = thread->stores[number];
    if (store == &lido_object_store_none) continue;
    if (store->core->face.number != number || lido_object_rest_of(store)->thread != record)
      return "Y2: a store of another pool or thread in a thread's table";
  }
  return NULL;
}

const char *lido_object_pools_check(void) {
  const char *broken = NULL;
  lido_lock_take(&threads_lock);
  for (size_t i = 0; i < numbers_capacity; i++) {
    if (numbers[i] != NULL && numbers[i]->face.number != i) broken = "Y1: a pool at another's number";
  }
  for (lido_link *link = all_records.next; link != &all_records && broken == NULL; link = link->next) {
    broken = check_record_locked(LIDO_LIST_ITEM(link, lido_object_thread_record, link));
  }
  lido_lock_give(&threads_lock);
  return broken;
}

/* ---- Fork ---- */

static void each_pool_locked(void (*act)(lido_object_core *core)) {
  for (lido_link *link = all_pools.next; link != &all_pools; link = link->next) {
    act(LIDO_LIST_ITEM(link, lido_object_core, link));
  }
}

static void lock_pool(lido_object_core *core) { lido_lock_take_for_fork(&core->lock); }
static void unlock_pool(lido_object_core *core) { lido_lock_give_after_fork(&core->lock); }

void lido_object_pools_lock_for_fork(void) {
  lido_lock_take_for_fork(&threads_lock);
  each_pool_locked(lock_pool);
}

void lido_object_pools_unlock_after_fork(void) {
  each_pool_locked(unlock_pool);
  lido_lock_give_after_fork(&threads_lock);
}

/* The other threads' thread-locals may be gone already: only records and stores are touched. */
void lido_object_pools_in_child(void) {
  lido_lock_take(&threads_lock);
  lido_link *next = NULL;
  for (lido_link *link = all_records.next; link != &all_records; link = next) {
    lido_object_thread_record *record = LIDO_LIST_ITEM(link, lido_object_thread_record, link);
    next = link->next;
    if (record == lido_this_object_thread.record) continue;
    while (!lido_list_is_empty(&record->stores)) {
      lido_object_rest *rest = first_store(record);
      forget_owner_locked(rest);
      leave_store_locked(rest);
    }
    free_record_locked(record);
  }
  lido_lock_give(&threads_lock);
}
