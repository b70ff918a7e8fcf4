/* arena_shelves.c: see arena_shelves.h. */
#include "arenas/arena_shelves.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "lib/base/bits.h"
#include "lib/mem/mem_fork.h"
#include "lib/os/os.h"

enum { NUMBERS = 1024, TABLE_LEAST = 8, BYTES_MOST_DEFAULT = 1 << 20 };

__thread lido_arena_thread lido_this_arena_thread __attribute__((tls_model("initial-exec")));

static lido_lock lock = LIDO_LOCK_INITIAL(LIDO_RANK_CLASSES);

/* Under the lock. */
static lido_arena_thread_record *first_record;
static uint64_t numbers_taken[NUMBERS / 64] = {1}; /* 0 is no class's */

static size_t bytes_most = BYTES_MOST_DEFAULT; /* atomic */

void lido_arena_shelves_lock(void) { lido_lock_take(&lock); }
void lido_arena_shelves_unlock(void) { lido_lock_give(&lock); }

void lido_arena_idle_limit_set(size_t bytes) {
  /* RELAXED: a wish for later shelves. */
  lido_store_relaxed(&bytes_most, bytes != 0 ? bytes : (size_t)BYTES_MOST_DEFAULT);
}

/* ---- Numbers ---- */

uint32_t lido_arena_number_take_locked(void) {
  for (uint32_t number = 1; number < NUMBERS; number++) {
    if (lido_bitmap_get(numbers_taken, number)) continue;
    lido_bitmap_set(numbers_taken, number);
    return number;
  }
  return 0;
}

void lido_arena_number_give_locked(uint32_t number) { lido_bitmap_clear(numbers_taken, number); }

/* ---- Threads ---- */

static void unlink_record_locked(lido_arena_thread_record *record) {
  if (record->next != NULL) record->next->previous = record->previous;
  if (record->previous != NULL) {
    record->previous->next = record->next;
  } else {
    first_record = record->next;
  }
}

static void free_table(lido_arena_thread_record *record) {
  lido_metadata_free(lido_metadata_system(), record->shelves, record->count * sizeof *record->shelves);
}

static void end_scratch(lido_arena_thread_record *record) {
  while (record->scratch != NULL) {
    lido_arena *arena = record->scratch;
    record->scratch = arena->next;
    lido_arena_core_destroy(lido_arena_core_of(arena));
  }
}

static void on_thread_exit(void *value) {
  lido_arena_thread_record *record = value;
  *record->thread = (lido_arena_thread){.dead = true};
  end_scratch(record); /* its clean-ups are the program's, so without the lock */
  lido_arena_shelves_lock();
  for (uint32_t number = 0; number < record->count; number++) {
    lido_arena_shelf_empty(&record->shelves[number]);
    lido_arena_class_retire_locked(number, &record->shelves[number]);
  }
  unlink_record_locked(record);
  lido_arena_shelves_unlock();
  free_table(record);
  lido_metadata_free(lido_metadata_system(), record, sizeof *record);
}

static void lock_for_fork(void) { lido_lock_take_for_fork(&lock); }
static void unlock_after_fork(void) { lido_lock_give_after_fork(&lock); }

int lido_arena_fork_join(void) {
  static const lido_os_fork_hooks fork_hooks = {.before = lock_for_fork, .after = unlock_after_fork};
  int error = lido_mem_fork_join();
  return error != 0 ? error : lido_os_fork_join(LIDO_OS_FORK_ARENAS, &fork_hooks);
}

static bool watch_thread(lido_arena_thread_record *record) {
  static lido_os_exit_hook exit_hook = {.call = on_thread_exit};
  return lido_os_thread_exit_arm(&exit_hook, record) == 0;
}

lido_arena_thread_record *lido_arena_record_get(void) {
  lido_arena_thread *thread = &lido_this_arena_thread;
  if (thread->record != NULL || thread->dead) return thread->record;
  if (lido_arena_fork_join() != 0) return NULL;
  lido_arena_thread_record *record = lido_metadata_alloc(lido_metadata_system(), sizeof *record);
  if (record == NULL) return NULL;
  if (!watch_thread(record)) {
    lido_metadata_free(lido_metadata_system(), record, sizeof *record);
    return NULL;
  }
  record->thread = thread;
  thread->record = record;
  lido_arena_shelves_lock();
  record->next = first_record;
  if (first_record != NULL) first_record->previous = record;
  first_record = record;
  lido_arena_shelves_unlock();
  return record;
}

/* ---- Shelves ---- */

static bool table_grow(lido_arena_thread_record *record, uint32_t number) {
  size_t count = lido_max(lido_power_of_two_above((size_t)number + 1), TABLE_LEAST);
  lido_arena_shelf *grown = lido_metadata_alloc(lido_metadata_system(), count * sizeof *grown);
  if (grown == NULL) return false;
  /* RELAXED: a wish. */
  for (size_t i = 0; i < count; i++) grown[i].bytes_most = lido_load_relaxed(&bytes_most);
  lido_arena_shelves_lock();
  if (record->count != 0) memcpy(grown, record->shelves, record->count * sizeof *grown);
  free_table(record);
  record->shelves = grown;
  record->count = (uint32_t)count;
  record->thread->shelves = grown;
  record->thread->count = (uint32_t)count;
  lido_arena_shelves_unlock();
  return true;
}

lido_arena_shelf *lido_arena_shelf_get(uint32_t number) {
  int saved_errno = errno;
  lido_arena_thread_record *record = lido_arena_record_get();
  bool there = record != NULL && (number < record->count || table_grow(record, number));
  errno = saved_errno;
  return there ? &record->shelves[number] : NULL;
}

lido_arena_core *lido_arena_shelf_take(lido_arena_shelf *shelf) {
  if (shelf == NULL || shelf->newest == NULL) return NULL;
  lido_arena *arena = shelf->newest;
  shelf->newest = arena->next;
  lido_subtract_owned(&shelf->bytes, arena->held);
  lido_count_owned(&shelf->taken);
  arena->end = arena->limit;
  arena->special = 0;
  return lido_arena_core_of(arena);
}

size_t lido_arena_shelf_empty(lido_arena_shelf *shelf) {
  size_t bytes = 0;
  lido_arena_core *core = NULL;
  while ((core = lido_arena_shelf_take(shelf)) != NULL) {
    bytes += core->face.held;
    lido_add_relaxed(&core->cls->dropped, 1); /* RELAXED: statistic */
    lido_arena_core_destroy(core);
  }
  return bytes;
}

void lido_arena_shelf_honour(lido_arena_shelf *shelf) {
  if (LIDO_LIKELY(lido_load_relaxed(&shelf->bytes_most) != 0)) return;    /* RELAXED: as in the inlined release */
  lido_store_relaxed(&shelf->bytes_most, lido_load_relaxed(&bytes_most)); /* RELAXED: a wish */
  lido_arena_shelf_empty(shelf);
}

void lido_arena_shelves_each_locked(uint32_t number, void (*act)(lido_arena_shelf *shelf, void *arg), void *arg) {
  for (lido_arena_thread_record *record = first_record; record != NULL; record = record->next) {
    if (number < record->count) act(&record->shelves[number], arg);
  }
}

static void ask(lido_arena_shelf *shelf, void *arg) {
  (void)arg;
  lido_store_relaxed(&shelf->bytes_most, 0); /* RELAXED: its thread acts on what it sees, whenever it sees it */
}

/* This thread's shelf is asked, too, and honours it at once. */
size_t lido_arena_class_trim(const lido_arena_class *cls) {
  lido_arena_shelves_lock();
  lido_arena_shelves_each_locked(cls->number, ask, NULL);
  lido_arena_shelves_unlock();
  const lido_arena_thread_record *record = lido_this_arena_thread.record;
  if (record == NULL || cls->number >= record->count) return 0;
  lido_arena_shelf *shelf = &record->shelves[cls->number];
  size_t bytes = shelf->bytes;
  lido_arena_shelf_honour(shelf);
  return bytes;
}

size_t lido_arena_trim(void) {
  lido_arena_thread_record *record = lido_this_arena_thread.record;
  size_t bytes = 0;
  if (record == NULL) return 0;
  for (uint32_t number = 0; number < record->count; number++) bytes += lido_arena_shelf_empty(&record->shelves[number]);
  bytes += lido_arena_scratch_trim(record);
  lido_metadata_trim(&lido_backing_default()->metadata); /* where scratch arenas lay */
  return bytes;
}
