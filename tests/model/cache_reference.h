/* cache_reference.h: a plain reference of a cache that one thread uses.
 *
 * It has a list of objects, of which the test holds some references and the cache others; for each key which object it
 * leads to, and its times; and the ring of what is kept, newest first, with SIEVE's hand. So it foretells every result,
 * every eviction and its reason, every count of references and every statistic.
 */
#ifndef LIDO_TESTS_MODEL_CACHE_REFERENCE_H
#define LIDO_TESTS_MODEL_CACHE_REFERENCE_H

#include "tests/support/cached.h"
#include "tests/support/random.h"

enum {
  KEYS = 90,
  OBJECTS = 160,
  NONE = -1,
  MOST_LOOKS = 64,
  SWEEP = 2,
  KEY_MOST = 24,
  STEPS_TO_CHECK = 64,
  EVENTS_MOST = 256
};

typedef struct object {
  cached_value *value; /* NULL: not alive */
  size_t held;         /* references of the test's */
  size_t kept;         /* of the cache's */
  bool killed;
} object;

typedef struct entry {
  int object; /* NONE: no entry */
  uint64_t ends;
  uint64_t asked;
  size_t weight;
  bool kept;
  bool was_asked;
  bool was_let_go;
} entry;

typedef struct event {
  int key;
  uint64_t number;
  lido_cache_reason reason;
} event;

/* Of one operation, in any order. */
typedef struct event_list {
  event items[EVENTS_MOST];
  size_t count;
} event_list;

static struct {
  cached_world world;
  lido_cache_options options;
  testing_random random;
  size_t step;
  uint64_t now;
  uint64_t next_number;
  object objects[OBJECTS];
  entry entries[KEYS];
  int ring[KEYS]; /* keys, newest first */
  size_t ring_count;
  int hand; /* a key in the ring, or NONE: at the oldest */
  event_list foretold;
  event_list told;
  lido_cache_stats stats; /* as they must be */
} m;

#define HOLD(condition)                                                         \
  do {                                                                          \
    if (!(condition)) TESTING_FAIL("step %zu: not so: %s", m.step, #condition); \
  } while (0)

static size_t below(size_t bound) { return testing_below(&m.random, bound); }

/* ---- What the cache calls ---- */

static uint64_t read_clock(void *context) {
  (void)context;
  return m.now;
}

static size_t weight_of(uint64_t number) { return number % 13; }

static size_t weigh(const void *key, size_t key_bytes, const void *value, void *context) {
  (void)key, (void)key_bytes, (void)context;
  return weight_of(((const cached_value *)value)->number);
}

static void on_evict(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  int number;
  (void)key_bytes, (void)context;
  memcpy(&number, key, sizeof number);
  if (m.told.count < EVENTS_MOST) m.told.items[m.told.count] = (event){number, ((cached_value *)value)->number, reason};
  m.told.count++;
}

static size_t write_key(int key, char *bytes) {
  memset(bytes, 'k', KEY_MOST);
  memcpy(bytes, &key, sizeof key);
  return sizeof key + (size_t)key % (KEY_MOST - sizeof key + 1);
}

/* ---- The reference: objects ---- */

static bool keeps(void) {
  return m.options.keep_count != 0 || m.options.keep_bytes != 0 || m.options.live_ns != 0 || m.options.idle_ns != 0;
}

static bool ages(void) { return m.options.live_ns != 0 || m.options.idle_ns != 0; }

/* If nobody has it any more, it dies, and its entries with it. */
static void look_for_death(int number) {
  object *o = &m.objects[number];
  if (o->value == NULL || o->held + o->kept != 0) return;
  o->value = NULL;
  for (int key = 0; key < KEYS; key++) {
    if (m.entries[key].object != number) continue;
    m.entries[key].object = NONE;
    m.stats.deaths++;
  }
}

/* -> its place, or NONE: there are enough. */
static int new_object(cached_value *value) {
  for (int i = 0; i < OBJECTS; i++) {
    if (m.objects[i].value != NULL) continue;
    m.objects[i] = (object){.value = value, .held = 1};
    return i;
  }
  return NONE;
}

static size_t live_objects(void) {
  size_t live = 0;
  for (int i = 0; i < OBJECTS; i++) live += m.objects[i].value != NULL;
  return live;
}

static int any_held(void) {
  size_t first = below(OBJECTS);
  for (size_t i = 0; i < OBJECTS; i++) {
    size_t at = (first + i) % OBJECTS;
    if (m.objects[at].held != 0) return (int)at;
  }
  return NONE;
}

static int object_at(const void *value) {
  for (int i = 0; i < OBJECTS; i++) {
    if (m.objects[i].value == value) return i;
  }
  return NONE;
}

/* ---- The reference: what is kept ---- */

static size_t place_of(int key) {
  size_t place = 0;
  while (m.ring[place] != key) place++;
  return place;
}

static int newer_than(size_t place) { return place == 0 ? NONE : m.ring[place - 1]; }

static void keep(int key) {
  entry *e = &m.entries[key];
  memmove(&m.ring[1], &m.ring[0], m.ring_count * sizeof m.ring[0]);
  m.ring[0] = key;
  m.ring_count++;
  m.objects[e->object].kept++;
  m.stats.kept_weight += e->weight;
  e->kept = true;
  e->was_asked = false;
  e->was_let_go = false;
}

/* The reference to the object is the caller's to drop. */
static void take_out(int key) {
  size_t place = place_of(key);
  if (m.hand == key) m.hand = newer_than(place);
  memmove(&m.ring[place], &m.ring[place + 1], (m.ring_count - place - 1) * sizeof m.ring[0]);
  m.ring_count--;
  m.stats.kept_weight -= m.entries[key].weight;
  m.entries[key].kept = false;
}

static void foretell(int key, int number, lido_cache_reason reason) {
  static const size_t counters[] = {
#define REASON_PLACE(constant, name, text) offsetof(lido_cache_stats, name),
      LIDO_CACHE_REASONS(REASON_PLACE)
#undef REASON_PLACE
  };
  event e = {key, m.objects[number].value->number, reason};
  if (m.foretold.count < EVENTS_MOST) m.foretold.items[m.foretold.count] = e;
  m.foretold.count++;
  ++*(uint64_t *)(void *)((char *)&m.stats + counters[reason]);
}

/* The entry goes, or loses its object. */
static void drop_entry(int key, lido_cache_reason reason) {
  entry *e = &m.entries[key];
  int number = e->object;
  e->object = NONE;
  if (!e->kept) return;
  take_out(key);
  foretell(key, number, reason);
  m.objects[number].kept--;
  look_for_death(number);
}

static int choose(void) {
  for (size_t looks = 0;; looks++) {
    int key = m.hand != NONE ? m.hand : m.ring[m.ring_count - 1];
    m.hand = newer_than(place_of(key));
    if (!m.entries[key].was_asked || looks == MOST_LOOKS) return key;
    m.entries[key].was_asked = false;
  }
}

static void let_go(lido_cache_reason reason) {
  int key = choose();
  int number = m.entries[key].object;
  m.entries[key].was_let_go = true;
  take_out(key);
  foretell(key, number, reason);
  m.objects[number].kept--;
  look_for_death(number);
}

static bool is_over(const entry *e) {
  if (m.options.live_ns != 0 && m.now >= e->ends) return true;
  return m.options.idle_ns != 0 && m.now - e->asked >= m.options.idle_ns;
}

static void settle(void) {
  if (!keeps()) return;
  for (;;) {
    bool too_many = m.options.keep_count != 0 && m.ring_count > m.options.keep_count;
    if (!too_many && (m.options.keep_bytes == 0 || m.stats.kept_weight <= m.options.keep_bytes)) break;
    let_go(too_many ? LIDO_CACHE_COUNT : LIDO_CACHE_BYTES);
  }
  for (int i = 0; i < SWEEP && ages() && m.ring_count != 0; i++) {
    int oldest = m.ring[m.ring_count - 1];
    if (!is_over(&m.entries[oldest])) return;
    drop_entry(oldest, LIDO_CACHE_EXPIRED);
  }
}

/* ---- The reference: entries ---- */

static bool leads_somewhere(int key) {
  const entry *e = &m.entries[key];
  return e->object != NONE && !m.objects[e->object].killed && !is_over(e);
}

/* pre: it leads somewhere. -> whether it was kept again. */
static bool ask(int key) {
  entry *e = &m.entries[key];
  bool again = e->was_let_go && keeps();
  e->asked = m.now;
  e->was_asked = true;
  if (again) keep(key);
  return again;
}

/* The object becomes the key's. What was before goes after it. */
static void enter(int key, int number) {
  entry before = m.entries[key];
  if (before.object != NONE && before.kept) take_out(key);
  uint64_t value_number = m.objects[number].value->number;
  size_t weight = m.options.weight != NULL ? weight_of(value_number) : 0;
  m.entries[key] = (entry){.object = number, .ends = m.now + m.options.live_ns, .asked = m.now, .weight = weight};
  if (keeps() && (m.options.keep_bytes == 0 || weight <= m.options.keep_bytes)) {
    keep(key);
  } else {
    m.stats.too_heavy += keeps();
  }
  if (before.object == NONE || !before.kept) return;
  foretell(key, before.object, LIDO_CACHE_REPLACED);
  m.objects[before.object].kept--;
  look_for_death(before.object);
}

#endif
