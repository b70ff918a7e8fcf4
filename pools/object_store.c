/* object_store.c: see object_store.h. */
#include "pools/object_store.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

enum { FIRST_CREDIT = 4, BYTES_SHARE = 64 };

static bool fences; /* fixed before the first store */

/* Objects in the owner's hands, while it holds the lock and after. */
typedef struct batch {
  size_t count;
  lido_kept items[LIDO_OBJECT_ITEMS + 2]; /* all of a store, and one that is on its way into it */
} batch;

/* ---- Beginning and end ---- */

static bool system_orders_owners(void) {
#if defined(LIDO_TSAN) || defined(__SANITIZE_THREAD__)
  return false; /* the sanitizer would not know */
#else
  return lido_os_barrier_prepare();
#endif
}

void lido_object_stores_prepare_locked(void) {
  static bool is_prepared;
  if (!is_prepared) fences = !system_orders_owners();
  is_prepared = true;
}

lido_object_rest *lido_object_rest_create(lido_object_core *core) {
  lido_object_rest *rest = lido_metadata_alloc(lido_metadata_system(), sizeof *rest);
  if (rest == NULL) return NULL;
  rest->face.core = core;
  rest->face.stop = fences ? LIDO_STOP_FENCE : 0;
  rest->face.put_asks = core->put_calls | LIDO_PUT_NO_CREDIT;
  lido_list_init(&rest->in_thread);
  lido_lock_take(&core->lock);
  lido_list_append(&core->stores, &rest->in_pool);
  core->store_count++;
  lido_lock_give(&core->lock);
  return rest;
}

lido_object_rest *lido_object_rest_adopt(lido_object_core *core) {
  lido_object_rest *found = NULL;
  lido_lock_take(&core->lock);
  for (lido_link *link = core->stores.next; link != &core->stores && found == NULL; link = link->next) {
    lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    if (rest->is_orphan) found = rest;
  }
  if (found != NULL) found->is_orphan = false;
  lido_lock_give(&core->lock);
  return found;
}

void lido_object_rest_destroy_locked(lido_object_rest *rest) {
  lido_object_core *core = rest->face.core;
  LIDO_ASSERT(rest->credit == 0);
  core->retired_gets += lido_load_relaxed(&rest->face.gets); /* RELAXED: statistic */
  core->store_count--;
  lido_list_remove(&rest->in_pool);
  lido_metadata_free(lido_metadata_system(), rest, sizeof *rest);
}

/* ---- What a store holds ---- */

static bool is_sized(const lido_object_rest *rest) { return lido_object_is_sized(rest->face.core); }

static bool has_bytes_bound(const lido_object_core *core) { return core->options.keep_bytes != SIZE_MAX; }

/* RELAXED: of the owner's, or after an acquire of the count; statistics take what they find. */
static size_t bytes_of(const lido_object_rest *rest, size_t count) {
  return count != 0 ? lido_load_relaxed(&rest->sums[count - 1]) : 0;
}

static void set_sum(lido_object_rest *rest, size_t i, size_t bytes) {
  lido_store_relaxed(&rest->sums[i], bytes); /* RELAXED: the count that follows releases it */
}

static lido_kept item_at(const lido_object_rest *rest, size_t i) {
  size_t bytes = is_sized(rest) ? bytes_of(rest, i + 1) - bytes_of(rest, i) : 0;
  return (lido_kept){.object = rest->face.items[i], .bytes = bytes};
}

/* RELAXED: under the lock only the owner changes it, and this is the owner, or it is gone. */
static bool is_closed_locked(const lido_object_rest *rest) {
  return (lido_load_relaxed(&rest->face.stop) & LIDO_STOP_CLOSED) != 0;
}

static size_t content_of(const lido_object_rest *rest) { return rest->face.count + (rest->face.hot != NULL); }

static size_t bytes_held(const lido_object_rest *rest) { return is_sized(rest) ? bytes_of(rest, rest->face.count) : 0; }

/* ---- Credit ---- */

bool lido_object_fits_locked(const lido_object_core *core, size_t objects, size_t bytes) {
  size_t kept = core->granted + core->fresh.objects + core->victims.objects;
  size_t kept_bytes = core->granted_bytes + core->fresh.bytes + core->victims.bytes;
  if (core->options.keep_objects - kept < objects) return false;
  return !has_bytes_bound(core) || core->options.keep_bytes - kept_bytes >= bytes;
}

static size_t credit_most(const lido_object_rest *rest) { return LIDO_OBJECT_ITEMS + (is_sized(rest) ? 0 : 1); }

static void set_credit_locked(lido_object_rest *rest, size_t objects, size_t bytes) {
  lido_object_core *core = rest->face.core;
  core->granted += objects - rest->credit;
  core->granted_bytes += bytes - rest->credit_bytes;
  rest->credit = objects;
  rest->credit_bytes = bytes;
}

/* What the owner's fast paths know of it. */
static void show_credit(lido_object_rest *rest) {
  size_t hot = is_sized(rest) ? 0 : 1;
  rest->face.capacity = rest->credit > hot ? (uint32_t)(rest->credit - hot) : 0;
  rest->capacity_bytes = has_bytes_bound(rest->face.core) ? rest->credit_bytes : SIZE_MAX;
  rest->face.put_asks = rest->face.core->put_calls | (rest->credit != 0 ? 0 : LIDO_PUT_NO_CREDIT);
}

static bool try_credit_locked(lido_object_rest *rest, size_t objects, size_t bytes) {
  if (!lido_object_fits_locked(rest->face.core, objects - rest->credit, bytes - rest->credit_bytes)) return false;
  set_credit_locked(rest, objects, bytes);
  show_credit(rest);
  return true;
}

/* Credit for so much in all: twice what there was, or if that is too much what is needed. */
static bool grant_locked(lido_object_rest *rest, size_t objects, size_t bytes) {
  const lido_object_core *core = rest->face.core;
  size_t most = credit_most(rest);
  if (objects > most) return false;
  size_t needed = lido_max(objects, rest->credit);
  size_t needed_bytes = has_bytes_bound(core) ? lido_max(bytes, rest->credit_bytes) : 0;
  size_t wish =
      needed == rest->credit ? needed : lido_max(needed, lido_min(most, lido_max(2 * rest->credit, FIRST_CREDIT)));
  size_t share = needed_bytes == rest->credit_bytes ? 0 : core->options.keep_bytes / BYTES_SHARE;
  return try_credit_locked(rest, wish, needed_bytes + share) || try_credit_locked(rest, needed, needed_bytes);
}

/* ---- Into the store, by its owner under the lock ---- */

static bool has_room(const lido_object_rest *rest, size_t bytes) {
  if (content_of(rest) >= rest->credit || !is_sized(rest)) return content_of(rest) < rest->credit;
  return !has_bytes_bound(rest->face.core) || bytes_held(rest) + bytes <= rest->credit_bytes;
}

static bool place(lido_object_rest *rest, lido_kept kept) {
  lido_object_store *store = &rest->face;
  if (!has_room(rest, kept.bytes)) return false;
  if (!is_sized(rest) && store->hot == NULL) {
    lido_store_release(&store->hot, kept.object); /* RELEASE object_store.kept: as in the fast paths */
    return true;
  }
  if (is_sized(rest)) set_sum(rest, store->count, bytes_held(rest) + kept.bytes);
  store->items[store->count] = kept.object;
  lido_store_release(&store->count, store->count + 1); /* RELEASE object_store.kept: as above */
  return true;
}

/* The oldest items become a magazine for others, as many as the bounds allow. */
static size_t shareable_locked(const lido_object_rest *rest) {
  size_t count = lido_min(LIDO_OBJECT_MAGAZINE, rest->face.count);
  while (count != 0 && !lido_object_fits_locked(rest->face.core, count, is_sized(rest) ? bytes_of(rest, count) : 0))
    count--;
  return count;
}

static void remove_oldest(lido_object_rest *rest, size_t count) {
  lido_object_store *store = &rest->face;
  size_t left = store->count - count;
  size_t bytes = is_sized(rest) ? bytes_of(rest, count) : 0;
  memmove(store->items, store->items + count, left * sizeof *store->items);
  for (size_t i = 0; i < left && is_sized(rest); i++) set_sum(rest, i, bytes_of(rest, i + count + 1) - bytes);
  lido_store_relaxed(&store->count, (uint32_t)left); /* RELAXED: a trim needs the lock */
}

static bool share_locked(lido_object_rest *rest) {
  size_t count = shareable_locked(rest);
  lido_object_magazine *magazine = count != 0 ? lido_object_magazine_get(&rest->face.core->spares) : NULL;
  if (magazine == NULL) return false;
  for (size_t i = 0; i < count; i++) magazine->items[i] = item_at(rest, i);
  magazine->count = count;
  remove_oldest(rest, count);
  lido_object_shelf_push(&rest->face.core->fresh, magazine);
  return true;
}

static bool keep_in_store_locked(lido_object_rest *rest, lido_kept kept) {
  if (place(rest, kept)) return true;
  if (grant_locked(rest, content_of(rest) + 1, bytes_held(rest) + kept.bytes)) return place(rest, kept);
  return share_locked(rest) && place(rest, kept);
}

static bool keep_locked(lido_object_core *core, lido_object_rest *rest, lido_kept kept) {
  if (core->ending) return false;
  if (rest != NULL && keep_in_store_locked(rest, kept)) return true;
  return lido_object_fits_locked(core, 1, kept.bytes) && lido_object_shelf_add(&core->fresh, kept, &core->spares);
}

/* What can be kept is; the batch is then what can't. */
static void keep_batch_locked(lido_object_core *core, lido_object_rest *rest, batch *b) {
  size_t doomed = 0;
  for (size_t i = 0; i < b->count; i++) {
    if (!keep_locked(core, rest, b->items[i])) b->items[doomed++] = b->items[i];
  }
  b->count = doomed;
}

static void destroy_batch(lido_object_core *core, batch *b) {
  for (size_t i = 0; i < b->count; i++) lido_object_destroy(core, b->items[i].object, LIDO_OBJECT_BOUND);
}

static void add_to_batch(batch *b, lido_kept kept) { b->items[b->count++] = kept; }

/* ---- Closing, taking, opening ---- */

static void withdraw_credit_locked(lido_object_rest *rest) { set_credit_locked(rest, 0, 0); }

/* Everything that is left in the store comes into the batch, and the store is open. By the owner, or when it is
 * gone. */
static void open_locked(lido_object_rest *rest, batch *b) {
  lido_object_store *store = &rest->face;
  for (size_t i = rest->taken_count; i < store->count; i++) add_to_batch(b, item_at(rest, i));
  if (store->hot != NULL && store->hot != rest->taken_hot) add_to_batch(b, (lido_kept){.object = store->hot});
  rest->taken_hot = NULL;
  rest->taken_count = 0;
  show_credit(rest);
  /* RELAXED: all three; a trim needs the lock. */
  lido_store_relaxed(&store->hot, NULL);
  lido_store_relaxed(&store->count, 0);
  lido_store_relaxed(&store->stop, (uint8_t)(store->stop & LIDO_STOP_FENCE));
}

static void open_if_closed_locked(lido_object_rest *rest, batch *b) {
  if (is_closed_locked(rest)) open_locked(rest, b);
}

static void close_locked(lido_object_rest *rest) {
  /* RELAXED: the barrier that follows orders it. */
  lido_store_relaxed(&rest->face.stop, (uint8_t)(rest->face.stop | LIDO_STOP_CLOSED));
}

/* T2. */
static void order_owners(void) {
  if (fences) {
    lido_fence_full();
  } else {
    lido_os_barrier();
  }
}

static void take_closed_locked(lido_object_rest *rest, lido_object_shelf *shelf) {
  lido_object_spares *spares = &rest->face.core->spares;
  /* ACQUIRE object_store.kept: the objects are found as they were put. */
  void *hot = lido_load_acquire(&rest->face.hot);
  uint32_t count = lido_load_acquire(&rest->face.count);
  bool added = true;
  for (uint32_t i = 0; i < count; i++) added &= lido_object_shelf_add(shelf, item_at(rest, i), spares);
  if (hot != NULL) added &= lido_object_shelf_add(shelf, (lido_kept){.object = hot}, spares);
  LIDO_ASSERT(added); /* the magazines were there before */
  (void)added;
  rest->taken_hot = hot;
  rest->taken_count = count;
  withdraw_credit_locked(rest);
}

/* -> whether any; those that are closed and still have credit are to be taken. */
static bool close_all_locked(lido_object_core *core) {
  size_t objects = 0;
  for (lido_link *link = core->stores.next; link != &core->stores; link = link->next) {
    lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    if (rest->credit == 0) continue;
    size_t magazines = (objects + rest->credit) / LIDO_OBJECT_MAGAZINE + 1;
    if (!lido_object_spares_reserve(&core->spares, magazines)) break;
    objects += rest->credit;
    close_locked(rest);
  }
  return objects != 0;
}

static void take_all_closed_locked(lido_object_core *core, lido_object_shelf *shelf) {
  lido_link *next = NULL;
  for (lido_link *link = core->stores.next; link != &core->stores; link = next) {
    lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    next = link->next;
    if (rest->credit == 0 || !is_closed_locked(rest)) continue;
    take_closed_locked(rest, shelf);
    if (rest->is_orphan) lido_object_rest_destroy_locked(rest);
  }
}

void lido_object_stores_take_locked(lido_object_core *core, lido_object_shelf *shelf) {
  if (close_all_locked(core)) {
    order_owners();
    take_all_closed_locked(core, shelf);
  }
  lido_object_spares_end(&core->spares);
}

/* With no more credit than that needs: the shelf takes the others without asking. */
static bool stay_locked(lido_object_rest *rest, lido_kept kept) {
  size_t bytes = has_bytes_bound(rest->face.core) ? bytes_held(rest) + kept.bytes : 0;
  return try_credit_locked(rest, content_of(rest) + 1, bytes) && place(rest, kept);
}

void lido_object_rest_flush_locked(lido_object_rest *rest, lido_object_shelf *shelf) {
  batch b;
  b.count = 0;
  withdraw_credit_locked(rest);
  open_locked(rest, &b);
  for (size_t i = 0; i < b.count; i++) {
    if (lido_object_shelf_add(shelf, b.items[i], &rest->face.core->spares)) continue;
    bool stays = stay_locked(rest, b.items[i]);
    LIDO_ASSERT(stays); /* the credit that was withdrawn is there */
    (void)stays;
  }
}

static void take_shelf_locked(lido_object_core *core, lido_object_shelf *shelf, batch *b) {
  lido_object_magazine *magazine = lido_object_shelf_pop(shelf);
  for (size_t i = 0; magazine != NULL && i < magazine->count; i++) add_to_batch(b, magazine->items[i]);
  lido_object_magazine_put(&core->spares, magazine);
}

/* One magazine's, or one store's. */
static void take_some_locked(lido_object_core *core, batch *b) {
  take_shelf_locked(core, core->fresh.first != NULL ? &core->fresh : &core->victims, b);
  for (lido_link *link = core->stores.next; link != &core->stores && b->count == 0; link = link->next) {
    lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    withdraw_credit_locked(rest);
    open_locked(rest, b);
  }
}

static size_t destroy_some(lido_object_core *core) {
  batch b;
  b.count = 0;
  lido_lock_take(&core->lock);
  core->ending = true;
  take_some_locked(core, &b);
  lido_lock_give(&core->lock);
  for (size_t i = 0; i < b.count; i++) lido_object_destroy(core, b.items[i].object, LIDO_OBJECT_END);
  return b.count;
}

void lido_object_core_empty(lido_object_core *core) {
  while (destroy_some(core) != 0) {}
}

/* ---- The owner's slow paths ---- */

/* After the owner's announcement. In a process without membarrier the look is good only behind a fence. RELAXED: as in
 * the fast paths, or the fence orders it. */
static bool is_closed(const lido_object_store *store) {
  if ((lido_load_relaxed(&store->stop) & LIDO_STOP_FENCE) != 0) lido_fence_full();
  return (lido_load_relaxed(&store->stop) & LIDO_STOP_CLOSED) != 0; /* RELAXED: as above */
}

static void *count_get(lido_object_store *store, void *object) {
  lido_count_owned(&store->gets);
  return object;
}

/* The store is open and empty; what was left in it, and what the owner had in hands, is kept again. */
static void resume(lido_object_rest *rest, batch *b) {
  int saved_errno = errno;
  lido_object_core *core = rest->face.core;
  open_if_closed_locked(rest, b);
  keep_batch_locked(core, rest, b);
  core->slow++;
  lido_lock_give(&core->lock);
  destroy_batch(core, b);
  errno = saved_errno;
}

static lido_object_rest *lock_store(lido_object_store *store) {
  lido_lock_take(&store->core->lock);
  return lido_object_rest_of(store);
}

void *lido_object_get_stopped(lido_object_store *store, void *object) {
  if (!is_closed(store)) return count_get(store, object);
  batch b;
  b.count = 0;
  lido_object_rest *rest = lock_store(store);
  bool is_mine = rest->taken_hot != object;
  resume(rest, &b);
  return is_mine ? count_get(store, object) : lido_object_get_slow(&store->core->face, NULL);
}

void *lido_object_get_item_stopped(lido_object_store *store) {
  void *object = store->items[store->count];
  if (!is_closed(store)) return count_get(store, object);
  batch b;
  b.count = 0;
  lido_object_rest *rest = lock_store(store);
  bool is_mine = rest->taken_count <= store->count;
  resume(rest, &b);
  return is_mine ? count_get(store, object) : lido_object_get_slow(&store->core->face, NULL);
}

void lido_object_put_stopped(lido_object_store *store, void *object, void *old) {
  if (!is_closed(store)) {
    if (old != NULL) lido_object_demote(store, object, old);
    return;
  }
  batch b;
  b.count = 0;
  lido_object_rest *rest = lock_store(store);
  if (old == object) {
    rest->taken_hot = NULL; /* what was taken has come back at the same address */
  } else if (old != NULL && old != rest->taken_hot) {
    add_to_batch(&b, (lido_kept){.object = old});
  }
  resume(rest, &b);
}

void lido_object_put_item_stopped(lido_object_store *store) {
  if (!is_closed(store)) return;
  batch b;
  b.count = 0;
  resume(lock_store(store), &b);
}

void lido_object_keep_slow(lido_object_core *core, lido_object_store *store, lido_kept kept) {
  int saved_errno = errno;
  lido_object_rest *rest = store != NULL ? lido_object_rest_of(store) : NULL;
  batch b;
  b.count = 1;
  b.items[0] = kept;
  lido_lock_take(&core->lock);
  if (rest != NULL) open_if_closed_locked(rest, &b);
  keep_batch_locked(core, rest, &b);
  core->slow++;
  lido_lock_give(&core->lock);
  destroy_batch(core, &b);
  errno = saved_errno;
}

void lido_object_overflow(lido_object_store *store, void *object) {
  lido_object_keep_slow(store->core, store, (lido_kept){.object = object});
}

void lido_object_keep_sized(lido_object_store *store, lido_kept kept) {
  lido_object_rest *rest = lido_object_rest_of(store);
  uint32_t count = store->count;
  size_t sum = bytes_of(rest, count) + kept.bytes;
  if (LIDO_UNLIKELY(count == store->capacity) || LIDO_UNLIKELY(sum > rest->capacity_bytes)) {
    lido_object_keep_slow(store->core, store, kept);
    return;
  }
  set_sum(rest, count, sum);
  store->items[count] = kept.object;
  lido_store_release(&store->count, count + 1); /* RELEASE object_store.kept: as in lido_object_demote */
  if (lido_object_is_stopped(store)) lido_object_put_item_stopped(store);
}

/* ---- From the shelves ---- */

/* All of a magazine, but for one, into an empty store. */
static void *refill_locked(lido_object_rest *rest, lido_object_magazine *magazine) {
  size_t left = magazine->count - 1;
  void *object = magazine->items[left].object;
  magazine->count = left;
  bool fits = left == 0 || grant_locked(rest, left, lido_object_magazine_bytes(magazine));
  if (left != 0) fits = fits && place(rest, magazine->items[left - 1]);
  for (size_t i = 0; i + 1 < left; i++) fits = fits && place(rest, magazine->items[i]);
  LIDO_ASSERT(fits); /* within the bounds that the shelf has just left */
  (void)fits;
  lido_object_magazine_put(&rest->face.core->spares, magazine);
  return object;
}

/* The newest object of a store that is not empty, as it was adopted, or opened just now. RELAXED: a trim needs the
 * lock. */
static void *take_own(lido_object_rest *rest) {
  lido_object_store *store = &rest->face;
  void *hot = store->hot;
  if (hot == NULL) lido_store_relaxed(&store->count, store->count - 1);
  lido_store_relaxed(&store->hot, NULL);
  return hot != NULL ? hot : store->items[store->count];
}

/* Of the victims just the one: the others are not used by that. */
static void *take_kept_locked(lido_object_core *core, lido_object_rest *rest) {
  lido_kept kept = {0};
  if (rest != NULL && content_of(rest) != 0) return take_own(rest);
  if (rest != NULL && core->fresh.first != NULL) return refill_locked(rest, lido_object_shelf_pop(&core->fresh));
  if (!lido_object_shelf_take(&core->fresh, &kept, &core->spares))
    lido_object_shelf_take(&core->victims, &kept, &core->spares);
  return kept.object;
}

void *lido_object_find(lido_object_core *core, lido_object_store *store) {
  lido_object_rest *rest = store != NULL ? lido_object_rest_of(store) : NULL;
  batch b;
  b.count = 0;
  lido_lock_take(&core->lock);
  if (rest != NULL) open_if_closed_locked(rest, &b);
  void *object = b.count != 0 ? b.items[--b.count].object : take_kept_locked(core, rest);
  keep_batch_locked(core, rest, &b);
  core->slow++;
  lido_lock_give(&core->lock);
  destroy_batch(core, &b);
  return object;
}

/* ---- Questions ---- */

/* What the owner sees in its open store is there: had it been taken, and come back to the program, the owner would see
 * CLOSED, too. */
bool lido_object_store_holds(const lido_object_store *store, const void *object) {
  if ((lido_load_relaxed(&store->stop) & LIDO_STOP_CLOSED) != 0) return false; /* RELAXED: as said */
  if (store->hot == object) return true;
  size_t least = LIDO_CHECKS == LIDO_CHECKS_FULL || store->count == 0 ? 0 : store->count - 1;
  for (size_t i = least; i < store->count; i++) {
    if (store->items[i] == object) return true;
  }
  return false;
}

/* RELAXED: statistics; owners may be at work. */
lido_kept lido_object_rest_sum_locked(const lido_object_rest *rest, size_t *objects) {
  const void *hot = lido_load_relaxed(&rest->face.hot);
  uint32_t count = lido_load_relaxed(&rest->face.count);
  size_t from = lido_min(rest->taken_count, count);
  *objects = count - from + (hot != NULL && hot != rest->taken_hot);
  return (lido_kept){.bytes = is_sized(rest) ? bytes_of(rest, count) - bytes_of(rest, from) : 0};
}

static const char *check_items(const lido_object_rest *rest) {
  const lido_object_store *store = &rest->face;
  for (size_t i = rest->taken_count; i < store->count; i++) {
    if (store->items[i] == NULL || store->items[i] == store->hot) return "O1: an item that is hot, or none";
    for (size_t j = i + 1; j < store->count; j++) {
      if (store->items[i] == store->items[j]) return "O1: an object twice in a store";
    }
    if (is_sized(rest) && bytes_of(rest, i + 1) < bytes_of(rest, i)) return "T6: sums that fall";
  }
  return NULL;
}

const char *lido_object_rest_check(const lido_object_rest *rest) {
  const lido_object_store *store = &rest->face;
  bool closed = is_closed_locked(rest);
  if (closed && (rest->credit != 0 || rest->credit_bytes != 0)) return "T4: a closed store with credit";
  if (!closed && (rest->taken_hot != NULL || rest->taken_count != 0)) return "T3: an open store with notes of a trim";
  if (!closed && content_of(rest) > rest->credit) return "T4: more in a store than its credit";
  if (!closed && has_bytes_bound(store->core) && bytes_held(rest) > rest->credit_bytes)
    return "T4: more bytes in a store than its credit";
  if (!closed && store->capacity > LIDO_OBJECT_ITEMS) return "T5: more capacity than items";
  if (is_sized(rest) && store->hot != NULL) return "T5: a hot object in a store with sizes";
  return check_items(rest);
}
