/* cache_kept.c: which values a cache keeps alive. The design is in cache_core.h.
 *
 * Method: SIEVE. New ones come in at the front; a hit only notes that it was; the hand goes from the oldest towards the
 * front and takes the first that was not asked for since it came by last, clearing the notes of others. After
 * MOST_LOOKS of these it takes the next one, asked for or not, so that no eviction holds the lock for long.
 */
#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "lib/caches/cache_core.h"

enum { MOST_LOOKS = 64, SWEEP = 2, PATIENCE = 1000, MOST_LEVELS = 8 };

static lido_cache_entry *entry_at(lido_link *link) { return LIDO_LIST_ITEM(link, lido_cache_entry, kept_link); }

void lido_cache_kept_init(lido_cache *cache) {
  lido_cache_kept *kept = &cache->kept;
  lido_lock_init(&kept->lock, LIDO_RANK_KEPT);
  lido_list_init(&kept->ring);
  kept->hand = &kept->ring;
}

void lido_cache_keep(lido_cache *cache, lido_cache_entry *entry, void *value, size_t weight) {
  lido_cache_kept *kept = &cache->kept;
  lido_lock_take(&kept->lock);
  LIDO_ASSERT(entry->kept_value == NULL);
  entry->kept_value = value;
  entry->weight = weight;
  lido_list_prepend(&kept->ring, &entry->kept_link);
  kept->count++;
  kept->weight += weight;
  /* RELAXED, twice: hints for readers. */
  lido_store_relaxed(&entry->was_asked, false);
  lido_store_relaxed(&entry->was_let_go, false);
  lido_lock_give(&kept->lock);
}

/* -> its value, with the ring's reference. */
static void *remove_locked(lido_cache_kept *kept, lido_cache_entry *entry) {
  void *value = entry->kept_value;
  if (kept->hand == &entry->kept_link) kept->hand = entry->kept_link.previous;
  lido_list_remove(&entry->kept_link);
  kept->count--;
  kept->weight -= entry->weight;
  entry->kept_value = NULL;
  return value;
}

void *lido_cache_keep_no_more(lido_cache *cache, lido_cache_entry *entry) {
  if (!cache->keeps) return NULL;
  lido_lock_take(&cache->kept.lock);
  void *value = entry->kept_value != NULL ? remove_locked(&cache->kept, entry) : NULL;
  lido_lock_give(&cache->kept.lock);
  return value;
}

/* ---- Eviction ---- */

static lido_link *next_place(const lido_cache_kept *kept) {
  return kept->hand == &kept->ring ? kept->ring.previous : kept->hand;
}

/* pre: not empty. */
static lido_cache_entry *choose_locked(lido_cache_kept *kept) {
  for (size_t looks = 0;; looks++) {
    lido_link *place = next_place(kept);
    lido_cache_entry *entry = entry_at(place);
    kept->hand = place->previous;
    if (!lido_load_relaxed(&entry->was_asked) || looks == MOST_LOOKS) return entry; /* RELAXED: a hint */
    lido_store_relaxed(&entry->was_asked, false);                                   /* RELAXED: a hint */
  }
}

/* Stays in the table, and in the hands of the caller. */
static lido_cache_parting take_out_locked(lido_cache *cache, lido_cache_reason reason) {
  lido_cache_kept *kept = &cache->kept;
  lido_cache_entry *entry = choose_locked(kept);
  /* RELAXED: who sees it looks again under the shard's lock. */
  if (cache->options.on_evict == NULL) lido_store_relaxed(&entry->was_let_go, true);
  return (lido_cache_parting){.entry = lido_retain(entry), .value = remove_locked(kept, entry), .reason = reason};
}

static bool is_beyond_locked(const lido_cache *cache, lido_cache_reason *reason) {
  const lido_cache_options *bounds = &cache->options;
  bool too_many = bounds->keep_count != 0 && cache->kept.count > bounds->keep_count;
  *reason = too_many ? LIDO_CACHE_COUNT : LIDO_CACHE_BYTES;
  return too_many || (bounds->keep_bytes != 0 && cache->kept.weight > bounds->keep_bytes);
}

/* From now on a hit keeps it again. Not while it is being told of: a callback that asks for it would be told of it for
 * ever. */
static void note_let_go_and_told(lido_cache *cache, lido_cache_entry *entry) {
  lido_lock_take(&cache->kept.lock);
  /* RELAXED: who sees it looks again under the shard's lock. */
  if (entry->kept_value == NULL) lido_store_relaxed(&entry->was_let_go, true);
  lido_lock_give(&cache->kept.lock);
}

typedef struct parting_told {
  lido_cache *cache;
  lido_cache_parting *parting;
  lido_cache_entry *entry;
} parting_told;

static void part_with(void *argument) {
  const parting_told *told = argument;
  lido_cache_part(told->cache, told->parting);
}

static void forget_told(void *argument) {
  const parting_told *told = argument;
  note_let_go_and_told(told->cache, told->entry);
  lido_release(told->entry);
}

static void let_go(lido_cache *cache, lido_cache_parting *parting) {
  if (cache->options.on_evict == NULL) {
    lido_cache_part(cache, parting);
    return;
  }
  parting_told told = {cache, parting, lido_retain(parting->entry)};
  lido_os_call_to_its_end(part_with, forget_told, &told);
  forget_told(&told);
}

static bool evict_beyond(lido_cache *cache) {
  lido_cache_parting parting = {0};
  lido_cache_reason reason;
  lido_lock_take(&cache->kept.lock);
  bool beyond = is_beyond_locked(cache, &reason);
  if (beyond) parting = take_out_locked(cache, reason);
  lido_lock_give(&cache->kept.lock);
  if (beyond) let_go(cache, &parting);
  return beyond;
}

static bool evict_one(lido_cache *cache) {
  lido_cache_parting parting = {0};
  lido_lock_take(&cache->kept.lock);
  bool found = cache->kept.count != 0;
  if (found) parting = take_out_locked(cache, LIDO_CACHE_SHED);
  lido_lock_give(&cache->kept.lock);
  if (found) let_go(cache, &parting);
  return found;
}

static size_t kept_now(lido_cache *cache) {
  lido_lock_take(&cache->kept.lock);
  size_t count = cache->kept.count;
  lido_lock_give(&cache->kept.lock);
  return count;
}

typedef struct eviction {
  lido_cache *cache;
  size_t most;
  size_t evicted;
} eviction;

static void evict_most(void *argument) {
  eviction *e = argument;
  while (e->evicted < e->most && evict_one(e->cache)) e->evicted++;
}

static void end_eviction(void *argument) { lido_release(((const eviction *)argument)->cache); }

/* No more than there are now, whatever callbacks put in their place. The cache may be destroyed in one. */
size_t lido_cache_evict(lido_cache *cache, size_t count) {
  eviction e = {.cache = lido_retain(cache), .most = lido_min(count, kept_now(cache))};
  lido_os_call_to_its_end(evict_most, end_eviction, &e);
  end_eviction(&e);
  return e.evicted;
}

/* ---- Times ---- */

/* Only what it was given for its time is looked at; whatever happened to the entry meanwhile is found under its
 * lock. */
static bool end_if_over(lido_cache *cache, lido_cache_entry *entry, uint64_t now) {
  lido_cache_parting parting = {0};
  lido_table_shard *shard = lido_table_take(&cache->table, entry->node.hash);
  bool ends = entry->listed && entry->flight == NULL && lido_cache_is_over(cache, entry, now);
  if (ends) parting = lido_cache_remove_locked(cache, shard, entry, LIDO_CACHE_EXPIRED);
  lido_table_give(shard);
  if (ends) lido_cache_part(cache, &parting);
  return ends;
}

/* The oldest, if its time is over; with one reference. */
static lido_cache_entry *oldest_over(lido_cache *cache, uint64_t now) {
  lido_cache_kept *kept = &cache->kept;
  lido_lock_take(&kept->lock);
  lido_cache_entry *oldest = kept->count != 0 ? entry_at(kept->ring.previous) : NULL;
  bool found = oldest != NULL && lido_cache_is_over(cache, oldest, now);
  if (found) lido_retain(oldest);
  lido_lock_give(&kept->lock);
  return found ? oldest : NULL;
}

static void sweep(lido_cache *cache) {
  uint64_t now = lido_cache_now(cache);
  for (int i = 0; i < SWEEP; i++) {
    lido_cache_entry *entry = oldest_over(cache, now);
    if (entry == NULL) return;
    end_if_over(cache, entry, now);
    lido_release(entry);
  }
}

/* This thread's, the innermost first: callbacks may put, and so settle again, inside. That goes some levels deep, so
 * that what a callback puts makes room at once; and all of them together may evict only so many, so that it ends,
 * whatever is put. Then more may stay until the next call. */
typedef struct settling {
  const lido_cache *cache;
  struct settling *outer;
  unsigned depth;
  size_t *turns; /* that are left: the outermost's */
  size_t own_turns;
} settling;
static __thread settling *innermost __attribute__((tls_model("initial-exec")));

static settling *settling_of(const lido_cache *cache) {
  settling *s = innermost;
  while (s != NULL && s->cache != cache) s = s->outer;
  return s;
}

static settling begin_settling(lido_cache *cache) {
  const settling *before = settling_of(cache);
  settling here = {.cache = cache, .outer = innermost};
  if (before == NULL) {
    here.own_turns = kept_now(cache) + PATIENCE;
  } else {
    here.depth = before->depth + 1;
    here.turns = before->turns;
  }
  return here;
}

void lido_cache_settle_no_more(void) { innermost = NULL; }

void lido_cache_settle(lido_cache *cache) {
  if (!cache->keeps) return;
  settling here = begin_settling(cache);
  if (here.depth == MOST_LEVELS) return;
  if (here.turns == NULL) here.turns = &here.own_turns;
  innermost = &here;
  while (*here.turns != 0 && evict_beyond(cache)) *here.turns -= *here.turns != 0;
  if (cache->ages) sweep(cache);
  innermost = here.outer;
}

/* ---- All entries whose time is over ---- */

enum { BATCH = 64 };

typedef struct harvest {
  lido_cache *cache;
  uint64_t now;
  lido_cache_entry *entries[BATCH]; /* with one reference each */
  size_t count;
} harvest;

static bool gather(lido_table_node *node, void *arg) {
  harvest *h = arg;
  lido_cache_entry *entry = lido_cache_entry_of(node);
  if (entry->flight == NULL && lido_cache_is_over(h->cache, entry, h->now)) h->entries[h->count++] = lido_retain(entry);
  return h->count < BATCH;
}

static size_t end_gathered(harvest *h) {
  size_t ended = 0;
  for (size_t i = 0; i < h->count; i++) {
    ended += end_if_over(h->cache, h->entries[i], h->now);
    lido_release(h->entries[i]);
  }
  return ended;
}

static size_t expire_shard(lido_cache *cache, lido_table_shard *shard, uint64_t now) {
  size_t ended = 0;
  harvest h = {.cache = cache, .now = now};
  do {
    h.count = 0;
    lido_lock_take(&shard->lock);
    lido_table_each_locked(shard, gather, &h);
    lido_table_give(shard);
    ended += end_gathered(&h);
  } while (h.count == BATCH);
  return ended;
}

size_t lido_cache_expire(lido_cache *cache) {
  size_t ended = 0;
  if (!cache->ages) return 0;
  uint64_t now = lido_cache_now(cache);
  lido_retain(cache); /* it may be destroyed in a callback */
  for (size_t i = 0; i < LIDO_TABLE_SHARDS; i++) ended += expire_shard(cache, &cache->table.shards[i], now);
  lido_release(cache);
  return ended;
}
