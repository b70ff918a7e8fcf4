/* cache_flights.c: creation by one thread while the others wait. The design is in cache_core.h.
 *
 * A flight lies in memory of its own, since its creator may have gone on before the last waiter woke. It holds one
 * reference to the result until the last one has taken its own. Who waits says so in its thread's record, and a flight
 * names its creator's: so whoever is about to wait can follow the ring of who waits for whom, and is the one who would
 * close it if it comes to itself. Proof: tests/interleavings/cache_flight_test.c, cache_wait_ring_test.c.
 */
#include <errno.h>

#include "lib/caches/cache_core.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

/* A thread, as flights see it. */
typedef struct flier {
  const lido_cache_flight *waits_for; /* under flights_lock */
  lido_cache_flight *creates;         /* its own: the innermost of its creations in progress */
} flier;

struct lido_cache_flight {
  const flier *creator;     /* under flights_lock; NULL: over */
  lido_cache_flight *outer; /* the creator's own: in whose creation this one began */
  /* under the shard's lock */
  lido_os_condition ended;
  size_t present; /* the creator and those who wait, until they have left */
  bool is_over;
  bool is_doomed;
  /* fixed when it is over */
  int error;
  void *value; /* one reference */
};

static lido_lock flights_lock = LIDO_LOCK_INITIAL(LIDO_RANK_FLIGHTS);
static __thread flier this_flier __attribute__((tls_model("initial-exec")));

/* One call, and what it may need: made without a lock, before it is known to be needed. */
typedef struct question {
  lido_cache *cache;
  uint64_t hash;
  const void *key;
  size_t key_bytes;
  lido_cache_maker create;
  void *arg;
  uint64_t wait_ns;
  uint64_t now_ns;         /* of the cache's clock */
  bool was_stale;          /* a value was found that is dead, or over */
  lido_cache_entry *entry; /* NULL: not made, or in use */
  lido_cache_flight *flight;
} question;

/* What the lock's holder found. */
typedef enum finding { FOUND_VALUE, FOUND_FLIGHT, FOUND_NOTHING, NEEDS_MEMORY } finding;

/* ---- Flights ---- */

static lido_cache_flight *make_flight(void) {
  lido_cache_flight *flight = lido_metadata_alloc(lido_metadata_system(), sizeof *flight);
  if (flight == NULL) return NULL;
  lido_os_condition_init(&flight->ended);
  flight->creator = &this_flier;
  flight->present = 1;
  return flight;
}

static void end_flight(lido_cache_flight *flight) {
  if (flight == NULL) return;
  lido_release(flight->value);
  lido_os_condition_end(&flight->ended);
  lido_metadata_free(lido_metadata_system(), flight, sizeof *flight);
}

/* pre: the shard's lock, which is given. */
static void leave(lido_table_shard *shard, lido_cache_flight *flight) {
  bool last = --flight->present == 0;
  lido_table_give(shard);
  if (last) end_flight(flight);
}

void lido_cache_doom_locked(lido_cache *cache, lido_cache_entry *entry) {
  if (entry->flight == NULL) return;
  entry->flight->is_doomed = true;
  entry->flight = NULL;
  LIDO_CACHE_COUNT_RARE(cache, flights_doomed);
}

/* ---- Waiting ---- */

static bool would_close_ring_locked(const lido_cache_flight *flight) {
  while (flight != NULL && flight->creator != NULL) {
    if (flight->creator == &this_flier) return true;
    flight = flight->creator->waits_for;
  }
  return false;
}

static bool begin_to_wait(const lido_cache_flight *flight) {
  lido_lock_take(&flights_lock);
  bool ring = would_close_ring_locked(flight);
  if (!ring) this_flier.waits_for = flight;
  lido_lock_give(&flights_lock);
  return !ring;
}

static void end_to_wait(void) {
  lido_lock_take(&flights_lock);
  this_flier.waits_for = NULL;
  lido_lock_give(&flights_lock);
}

static uint64_t deadline_after(uint64_t wait_ns) {
  uint64_t now = lido_os_now_ns();
  return now + wait_ns < now ? UINT64_MAX : now + wait_ns;
}

/* 0, or ETIMEDOUT. */
static int wait_locked(lido_table_shard *shard, lido_cache_flight *flight, uint64_t wait_ns) {
  uint64_t deadline = deadline_after(wait_ns);
  bool in_time = true;
  while (!flight->is_over && in_time) in_time = lido_os_condition_wait(&flight->ended, &shard->lock, deadline);
  return flight->is_over ? 0 : ETIMEDOUT;
}

/* The result of another's creation. pre: the shard's lock, which is given. */
static int join(const question *q, lido_table_shard *shard, lido_cache_flight *flight, void **value) {
  if (!begin_to_wait(flight)) {
    lido_table_give(shard);
    LIDO_CACHE_COUNT_RARE(q->cache, deadlocks);
    return EDEADLK;
  }
  LIDO_CACHE_COUNT_RARE(q->cache, waits);
  flight->present++;
  int error = wait_locked(shard, flight, q->wait_ns);
  end_to_wait();
  if (error == 0) {
    error = flight->error;
    *value = lido_retain(flight->value); /* the flight has a reference, so it is alive */
  } else {
    LIDO_CACHE_COUNT_RARE(q->cache, timeouts);
  }
  leave(shard, flight);
  return error;
}

/* ---- Creating ---- */

typedef struct creation {
  const question *question;
  lido_cache_entry *entry;
  lido_cache_flight *flight;
  void *value;
  int error;
  lido_cache_arrival arrival; /* of the value */
} creation;

static void note_over(lido_cache_flight *flight) {
  this_flier.creates = flight->outer;
  lido_lock_take(&flights_lock);
  flight->creator = NULL;
  lido_lock_give(&flights_lock);
  flight->is_over = true;
  lido_os_condition_wake_all(&flight->ended);
}

/* The result is entered, unless somebody was faster; and told to those who wait. */
static void land(creation *c) {
  lido_cache *cache = c->question->cache;
  lido_cache_flight *flight = c->flight;
  lido_cache_parting parting = {0};
  flight->error = c->error;
  flight->value = lido_retain(c->value);
  lido_table_shard *shard = lido_table_take(&cache->table, c->question->hash);
  bool doomed = flight->is_doomed;
  if (!doomed) {
    c->entry->flight = NULL;
    parting = c->error == 0 ? lido_cache_enter_locked(cache, c->entry, &c->arrival, LIDO_CACHE_REPLACED)
                            : lido_cache_remove_locked(cache, shard, c->entry, LIDO_CACHE_REMOVED);
  }
  note_over(flight);
  leave(shard, flight);
  if (doomed && c->error == 0) lido_cache_turn_away(&c->arrival);
  lido_cache_part(cache, &parting);
}

/* What create gave becomes an arrival, or an error. */
static void judge(creation *c) {
  const question *q = c->question;
  c->error = lido_cache_arrive(q->cache, q->hash, q->key, q->key_bytes, c->value, &c->arrival);
  if (c->error == 0) return;
  void *refused = c->value;
  c->value = NULL;
  if (c->error != EINVAL) lido_release(refused); /* EINVAL: it is no object, and that was reported */
}

static void call_create(void *argument) {
  creation *c = argument;
  const question *q = c->question;
  void *made = NULL;
  c->error = q->create(q->key, q->key_bytes, q->arg, &made);
  if (c->error == 0 && made == NULL) c->error = EINVAL;
  if (c->error != 0) return;
  c->value = made;
  judge(c);
}

/* The thread ends in create, or in what is called for its result; ask() does not go on. */
static void abandon(void *argument) {
  creation *c = argument;
  lido_cache *cache = c->question->cache;
  void *value = c->value;
  c->value = NULL;
  c->error = ECANCELED;
  LIDO_CACHE_COUNT_RARE(cache, flights_failed);
  if (value != NULL) lido_cache_turn_away(&c->arrival);
  land(c);
  lido_release(value);
  lido_release(cache);
}

static int make_value(const question *q, lido_cache_entry *entry, lido_cache_flight *flight, void **value) {
  creation c = {.question = q, .entry = entry, .flight = flight};
  LIDO_CACHE_COUNT_RARE(q->cache, flights);
  lido_os_call_to_its_end(call_create, abandon, &c);
  if (c.error != 0) LIDO_CACHE_COUNT_RARE(q->cache, flights_failed);
  land(&c);
  lido_cache_settle(q->cache);
  *value = c.value;
  return c.error;
}

/* ---- The question ---- */

/* 0, or ENOMEM. Nothing is changed then. */
static int enter_empty_locked(question *q, lido_table_shard *shard) {
  int error = lido_table_reserve_locked(shard);
  if (error != 0) return error;
  q->entry->listed = true;
  lido_table_insert_locked(shard, &q->entry->node);
  return 0;
}

static finding look_locked(question *q, lido_cache_entry *entry, void **value) {
  if (entry == NULL) return q->entry != NULL && q->flight != NULL ? FOUND_NOTHING : NEEDS_MEMORY;
  if (entry->flight != NULL) return FOUND_FLIGHT;
  *value = lido_cache_acquire_locked(q->cache, entry, q->now_ns);
  if (*value != NULL) return FOUND_VALUE;
  return q->flight != NULL ? FOUND_NOTHING : NEEDS_MEMORY;
}

/* From here on the entry waits for this thread. */
static void begin_flight_locked(question *q, lido_cache_entry *entry) {
  lido_cache_flight *flight = q->flight;
  q->flight = NULL;
  entry->flight = flight;
  flight->outer = this_flier.creates;
  this_flier.creates = flight;
}

/* The caller creates: in the present entry, whose value is dead, or in a new one. pre: the shard's lock, which is
 * given. */
static int take_off(question *q, lido_table_shard *shard, lido_cache_entry *entry, void **value) {
  int error = entry == NULL ? enter_empty_locked(q, shard) : 0;
  if (entry == NULL) entry = q->entry;
  if (error == 0) begin_flight_locked(q, entry);
  lido_cache_flight *flight = entry->flight;
  lido_table_give(shard);
  if (error == 0 && entry == q->entry) q->entry = NULL;
  lido_release(q->entry); /* in the present one's place it was not needed; and the thread may end in create */
  q->entry = NULL;
  lido_cache_count_miss(q->cache, q->was_stale);
  return error == 0 ? make_value(q, entry, flight, value) : error;
}

/* A dead value makes room at once. One that was kept until its time was over is told of first, and then one looks
 * again: its callback may do anything, and no creation is under way meanwhile. pre: the shard's lock, which is
 * given. */
static int replace_stale(question *q, lido_table_shard *shard, lido_cache_entry *entry, void **value, bool *again) {
  lido_cache_parting parting = lido_cache_empty_locked(q->cache, entry, LIDO_CACHE_EXPIRED);
  q->was_stale = true;
  if (parting.value == NULL) {
    lido_cleanup stale = parting.cleanup;
    if (stale.bits != 0) lido_cleanup_stop(stale);
    return take_off(q, shard, entry, value);
  }
  lido_table_give(shard);
  lido_cache_part(q->cache, &parting);
  *again = true;
  return 0;
}

/* What the next look may need. */
static int provide(question *q) {
  if (q->entry == NULL) q->entry = lido_cache_entry_make(q->cache, q->hash, q->key, q->key_bytes);
  if (q->entry == NULL) return errno;
  if (q->flight == NULL) q->flight = make_flight();
  return q->flight != NULL ? 0 : ENOMEM;
}

static int ask_locked(question *q, lido_table_shard *shard, void **value, bool *again) {
  lido_cache_entry *entry = lido_cache_find(q->cache, q->hash, q->key, q->key_bytes);
  switch (look_locked(q, entry, value)) {
    case FOUND_VALUE:
      lido_table_give(shard);
      lido_hit_count_add(&q->cache->hits, lido_this_guard);
      lido_cache_settle(q->cache);
      return 0;
    case FOUND_FLIGHT:
      lido_cache_count_miss(q->cache, false);
      return join(q, shard, entry->flight, value);
    case FOUND_NOTHING:
      return entry == NULL ? take_off(q, shard, entry, value) : replace_stale(q, shard, entry, value, again);
    case NEEDS_MEMORY:
      break;
  }
  lido_table_give(shard);
  *again = true;
  return provide(q);
}

static LIDO_SLOW int ask(question *q, void **value) {
  int saved_errno = errno;
  int error = 0;
  bool again = true;
  lido_retain(q->cache); /* it may be destroyed in a callback */
  while (again && error == 0) {
    again = false;
    error = ask_locked(q, lido_table_take(&q->cache->table, q->hash), value, &again);
  }
  lido_release(q->entry);
  end_flight(q->flight);
  lido_release(q->cache);
  errno = saved_errno;
  return error;
}

int lido_cache_get_or_create_within(lido_cache *cache, const void *key, size_t key_bytes, lido_cache_maker create,
                                    void *arg, uint64_t wait_ns, void **value) {
  *value = NULL;
  if (LIDO_UNLIKELY(key_bytes > LIDO_CACHE_KEY_MAX)) return EMSGSIZE;
  uint64_t hash = lido_cache_hash_of(cache, key, key_bytes);
  *value = lido_cache_get_hashed(cache, hash, key, key_bytes);
  if (LIDO_LIKELY(*value != NULL)) return 0;
  question q = {.cache = cache,
                .hash = hash,
                .key = key,
                .key_bytes = key_bytes,
                .create = create,
                .arg = arg,
                .wait_ns = wait_ns,
                .now_ns = lido_cache_now(cache)};
  return ask(&q, value);
}

int lido_cache_get_or_create(lido_cache *cache, const void *key, size_t key_bytes, lido_cache_maker create, void *arg,
                             void **value) {
  return lido_cache_get_or_create_within(cache, key, key_bytes, create, arg, UINT64_MAX, value);
}

/* ---- Fork ---- */

bool lido_cache_flight_survives_fork(lido_cache_flight *flight) {
  if (flight->creator != &this_flier) {
    lido_metadata_free(lido_metadata_system(), flight, sizeof *flight);
    return false;
  }
  return true;
}

/* Also the doomed ones, which are in no table: those who waited are not there to be waited for. */
void lido_cache_flights_in_child(void) {
  lido_lock_init(&flights_lock, LIDO_RANK_FLIGHTS);
  for (lido_cache_flight *flight = this_flier.creates; flight != NULL; flight = flight->outer) {
    lido_os_condition_init(&flight->ended);
    flight->present = 1;
  }
}
