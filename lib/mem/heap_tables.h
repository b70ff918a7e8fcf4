/* heap_tables.h: the live samples by address, and the sites by owner and stack. See heap_samples.h for the invariants.
 *
 * Idea: two hashed tables with chains, as large as the limits ask for, made when a run starts. A third, small and
 * static, counts samples by a few bits of their address and is read without a lock: most of the objects that are no
 * sample are told by it (`crowd`).
 * Threads: called with the lock of heap_samples.c held, but for lido_heap_may_be_sample.
 * Failure: no memory: a run does not start; a sample is counted as dropped.
 */
#ifndef LIDO_LIB_MEM_HEAP_TABLES_H
#define LIDO_LIB_MEM_HEAP_TABLES_H

#include "lib/mem/heap_samples.h"
#include "lib/mem/metadata.h"

/* What they had goes. false: no memory, and they are as they were. */
bool lido_heap_tables_begin(size_t samples_max, size_t sites_max);
void lido_heap_tables_clear(void);

/* What a sample is for its site. */
typedef struct lido_heap_entry {
  void *const *frames;
  size_t frame_count;
  double objects; /* what it stands for among the live, estimated */
  double bytes;
} lido_heap_entry;

lido_heap_outcome lido_heap_tables_enter(const lido_heap_allocation *allocation, const lido_heap_entry *entry);
void lido_heap_tables_forget(const void *address);
void lido_heap_tables_forget_all_of(const size_t *count);

/* Up to `room` records. -> how many there are. */
size_t lido_heap_tables_copy(lido_heap_record *records, size_t room);
void lido_heap_tables_stats(lido_heap_profile_stats *out);
void lido_heap_tables_count_nudges(size_t caches);
const char *lido_heap_tables_check(void);
const char *lido_heap_tables_check_count(const size_t *count);

/* ---- Without the lock ---- */

enum { LIDO_HEAP_CELLS = 4096 };
extern uint32_t lido_heap_crowd[LIDO_HEAP_CELLS]; /* atomic, written under the lock */

static inline size_t lido_heap_cell(const void *address) {
  return (size_t)(((uintptr_t)address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

/* RELAXED: whoever ends an object has it from the thread that sampled it, by some way that orders memory. */
static inline bool lido_heap_may_be_sample(const void *address) {
  return lido_load_relaxed(&lido_heap_crowd[lido_heap_cell(address)]) != 0;
}

#endif
