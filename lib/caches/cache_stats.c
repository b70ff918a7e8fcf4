/* cache_stats.c: numbers, and the check of the invariants in cache_core.h. */
#include "lib/caches/cache_core.h"

/* ---- Numbers ---- */

void lido_cache_stats_get(const lido_cache *cache, lido_cache_stats *out) {
  lido_cache *locked = (lido_cache *)cache; /* only its locks change */
  lido_counts_copy(out, &cache->rare, sizeof *out);
  out->hits = lido_hit_counts_sum(&cache->hits);
  out->entries = lido_table_count(&locked->table);
  out->bytes_reserved = lido_sized_reserved_bytes(&cache->entries);
  lido_lock_take(&locked->kept.lock);
  out->kept = cache->kept.count;
  out->kept_weight = cache->kept.weight;
  lido_lock_give(&locked->kept.lock);
}

double lido_cache_hit_ratio(const lido_cache_stats *stats) {
  uint64_t asked = stats->hits + stats->misses;
  return asked == 0 ? 0 : (double)stats->hits / (double)asked;
}

/* ---- Check ---- */

typedef struct checking {
  const lido_cache *cache;
  size_t kept;
  const char *broken;
} checking;

/* A value that was killed is kept until somebody asks for it; its handle leads nowhere any more. */
static bool is_kept_rightly(const lido_cache_entry *entry, lido_weak value) {
  return lido_weak_get(value) == entry->kept_value || lido_weak_state_get(value) == LIDO_WEAK_KILLED;
}

static const char *check_entry(const lido_cache_entry *entry) {
  lido_weak value = lido_cache_value_of(entry);
  if (!entry->listed) return "V1: an entry in the table does not know it";
  if (value.bits != 0 && entry->flight != NULL) return "V2: a value and a flight";
  if ((value.bits != 0) != (entry->cleanup.bits != 0)) return "V3: a value without a cleanup, or the other way round";
  if (entry->kept_value != NULL && !is_kept_rightly(entry, value)) return "V4: another object is kept";
  return NULL;
}

static bool check_node(lido_table_node *node, void *arg) {
  checking *c = arg;
  const lido_cache_entry *entry = lido_cache_entry_of(node);
  c->kept += entry->kept_value != NULL;
  c->broken = check_entry(entry);
  return c->broken == NULL;
}

static const char *check_ring(const lido_cache_kept *kept) {
  size_t count = 0;
  size_t weight = 0;
  bool hand = kept->hand == &kept->ring;
  for (lido_link *link = kept->ring.next; link != &kept->ring; link = link->next) {
    const lido_cache_entry *entry = LIDO_LIST_ITEM(link, lido_cache_entry, kept_link);
    if (entry->kept_value == NULL) return "V4: in the ring, and not kept";
    hand = hand || link == kept->hand;
    weight += entry->weight;
    count++;
  }
  if (!hand) return "V5: the hand points out of the ring";
  return count == kept->count && weight == kept->weight ? NULL : "V5: what is kept is miscounted";
}

static const char *check_bounds(const lido_cache *cache) {
  const lido_cache_options *bounds = &cache->options;
  bool beyond = (bounds->keep_count != 0 && cache->kept.count > bounds->keep_count) ||
                (bounds->keep_bytes != 0 && cache->kept.weight > bounds->keep_bytes);
  return beyond ? "V5: more is kept than the bounds allow" : NULL;
}

const char *lido_cache_check(lido_cache *cache) {
  checking c = {.cache = cache, .broken = lido_table_check(&cache->table)};
  for (size_t i = 0; i < LIDO_TABLE_SHARDS && c.broken == NULL; i++) {
    lido_table_each_locked(&cache->table.shards[i], check_node, &c);
  }
  if (c.broken == NULL) c.broken = check_ring(&cache->kept);
  if (c.broken == NULL && c.kept != cache->kept.count) c.broken = "V4: the ring has an entry that is in no table";
  if (c.broken == NULL) c.broken = check_bounds(cache);
  return c.broken != NULL ? c.broken : lido_sized_check(&cache->entries);
}
