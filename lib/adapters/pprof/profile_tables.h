/* profile_tables.h: texts and addresses of a profile, each once, with the number that stands for it.
 *
 * Idea: one table of keys that are bytes, in the order of their first use, beside an array of places found by hash
 * (open addressing).
 * Invariants
 *   T1  entry n of `entries` is key number n; keys differ.
 *   T2  at least half of the slots are free; a slot holds an entry's number + 1, or 0.
 * Threads: one at a time. Failure: PROFILE_TABLE_FULL for no memory; what was there stays.
 */
#ifndef LIDO_ADAPTERS_PPROF_PROFILE_TABLES_H
#define LIDO_ADAPTERS_PPROF_PROFILE_TABLES_H

#include <stddef.h>
#include <stdint.h>

#define PROFILE_TABLE_FULL UINT32_MAX

typedef struct profile_entry {
  char *key; /* own, with a zero behind it */
  uint32_t length;
  uint32_t note; /* the user's; 0 at first */
} profile_entry;

typedef struct profile_table {
  profile_entry *entries;
  uint32_t *slots;
  uint32_t count;
  uint32_t slot_count; /* a power of two, or 0 */
} profile_table;

/* {0} is an empty table. */
void lido_profile_table_end(profile_table *table);

/* The key's number; new keys are copied. */
uint32_t lido_profile_table_put(profile_table *table, const void *key, size_t length);

#endif
