/* profile_tables.c: see profile_tables.h. */
#include "lib/adapters/pprof/profile_tables.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 256 };

void lido_profile_table_end(profile_table *table) {
  for (uint32_t i = 0; i < table->count; i++) free(table->entries[i].key);
  free(table->entries);
  free(table->slots);
}

/* FNV-1a, and a last mix, for the slot is taken from the low bits. */
static uint32_t hash_of(const char *key, size_t length) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
  return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t *slot_of(const profile_table *table, const char *key, size_t length) {
  uint32_t mask = table->slot_count - 1;
  for (uint32_t at = hash_of(key, length) & mask;; at = (at + 1) & mask) {
    uint32_t held = table->slots[at];
    if (held == 0) return &table->slots[at];
    const profile_entry *entry = &table->entries[held - 1];
    if (entry->length == length && memcmp(entry->key, key, length) == 0) return &table->slots[at];
  }
}

/* Room for one entry more. */
static bool make_room(profile_table *table) {
  if (table->count < table->slot_count / 2) return true;
  uint32_t slot_count = table->slot_count == 0 ? SLOTS_FIRST : table->slot_count * 2;
  uint32_t *slots = calloc(slot_count, sizeof *slots);
  profile_entry *entries = slots == NULL ? NULL : realloc(table->entries, slot_count / 2 * sizeof *entries);
  if (entries == NULL) {
    free(slots);
    return false;
  }
  free(table->slots);
  table->slots = slots;
  table->entries = entries;
  table->slot_count = slot_count;
  for (uint32_t i = 0; i < table->count; i++) *slot_of(table, entries[i].key, entries[i].length) = i + 1;
  return true;
}

static uint32_t add(profile_table *table, uint32_t *slot, const char *key, size_t length) {
  char *copy = malloc(length + 1);
  if (copy == NULL) return PROFILE_TABLE_FULL;
  memcpy(copy, key, length);
  copy[length] = '\0';
  table->entries[table->count] = (profile_entry){.key = copy, .length = (uint32_t)length};
  *slot = ++table->count;
  return table->count - 1;
}

uint32_t lido_profile_table_put(profile_table *table, const void *key, size_t length) {
  if (!make_room(table)) return PROFILE_TABLE_FULL;
  uint32_t *slot = slot_of(table, key, length);
  return *slot != 0 ? *slot - 1 : add(table, slot, key, length);
}
