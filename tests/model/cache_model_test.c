/* cache_model_test.c: random operations on a cache, by one thread and with a clock of its own, compared with a plain
 * reference, which foretells every result, eviction and number. LIDO_SEED repeats a run.
 */
#include "tests/model/cache_reference.h"

/* ---- Operations: on the cache, and on the reference ---- */

static cached_value *make_value(void) { return cached_make(&m.world, ++m.next_number); }

static void make_object(void) {
  if (live_objects() < OBJECTS / 2) new_object(make_value());
}

static void release_object(void) {
  int number = any_held();
  if (number == NONE) return;
  cached_value *value = m.objects[number].value;
  m.objects[number].held--;
  look_for_death(number);
  lido_release(value);
}

static void kill_object(void) {
  int number = any_held();
  if (number == NONE || below(8) != 0) return;
  HOLD(lido_weak_kill(lido_weak_make(m.objects[number].value)) == !m.objects[number].killed);
  m.objects[number].killed = true;
}

/* What came with a reference is held, or let go of again. */
static void take_reference(int number, cached_value *value) {
  HOLD(m.objects[number].value == value);
  m.objects[number].held++;
  if (m.objects[number].held + m.objects[number].kept > 3 || below(2) == 0) {
    m.objects[number].held--;
    look_for_death(number);
    lido_release(value);
  }
}

static void get(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  int number = m.entries[key].object;
  bool hit = leads_somewhere(key);
  m.stats.hits += hit;
  m.stats.misses += !hit;
  m.stats.stale += !hit && number != NONE;
  if (hit) m.objects[number].held++; /* before anything is let go of for it */
  if (!hit && number != NONE) drop_entry(key, LIDO_CACHE_EXPIRED);
  if (!hit || ask(key)) settle();
  cached_value *value = lido_cache_get(m.world.cache, bytes, key_bytes);
  HOLD(value == (hit ? m.objects[number].value : NULL));
  if (!hit) return;
  m.objects[number].held--;
  take_reference(number, value);
}

static void put(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  int number = any_held();
  if (number == NONE) return;
  int expected = m.objects[number].killed ? ESTALE : 0;
  if (expected == 0) {
    enter(key, number);
    settle();
  }
  HOLD(lido_cache_put(m.world.cache, bytes, key_bytes, m.objects[number].value) == expected);
}

static void put_absent(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  void *present = &m;
  int number = any_held();
  if (number == NONE) return;
  cached_value *value = m.objects[number].value;
  int before = m.entries[key].object;
  bool there = leads_somewhere(key) && !m.objects[number].killed;
  int expected = m.objects[number].killed ? ESTALE : there ? EEXIST : 0;
  if (expected == EEXIST) {
    size_t weight = m.options.weight != NULL ? weight_of(value->number) : 0;
    m.stats.too_heavy += keeps() && m.options.keep_bytes != 0 && weight > m.options.keep_bytes;
    m.objects[before].held++;
    ask(key);
  }
  if (expected == 0) enter(key, number);
  if (expected != ESTALE) settle();
  HOLD(lido_cache_put_absent(m.world.cache, bytes, key_bytes, value, &present) == expected);
  HOLD(present == (there ? m.objects[before].value : NULL));
  if (!there) return;
  m.objects[before].held--;
  take_reference(before, present);
}

static int create(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes;
  *value = *(cached_value **)arg;
  return *value != NULL ? 0 : EIO;
}

/* The object that may be created is made before: `create` gives it, or an error. */
static void get_or_create(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  int before = m.entries[key].object;
  bool hit = leads_somewhere(key);
  bool fails = below(5) == 0 || live_objects() > OBJECTS - 4;
  cached_value *made = hit || fails ? NULL : make_value();
  int number = hit ? before : NONE;
  if (hit) {
    m.stats.hits++;
    m.objects[number].held++;
    if (ask(key)) settle();
  } else {
    m.stats.misses++;
    m.stats.stale += before != NONE;
    m.stats.flights++;
    m.stats.flights_failed += fails;
    if (before != NONE) drop_entry(key, LIDO_CACHE_EXPIRED);
    if (made != NULL) number = new_object(made);
    if (made != NULL) enter(key, number);
    settle();
  }
  void *value = &m;
  int error = lido_cache_get_or_create(m.world.cache, bytes, key_bytes, create, &made, &value);
  HOLD(error == (!hit && fails ? EIO : 0));
  HOLD(value == (number != NONE ? m.objects[number].value : NULL));
  if (number == NONE) return;
  m.objects[number].held--;
  take_reference(number, value);
}

static void remove_key(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  bool there = m.entries[key].object != NONE;
  if (there) drop_entry(key, LIDO_CACHE_REMOVED);
  HOLD(lido_cache_remove(m.world.cache, bytes, key_bytes) == there);
}

static void remove_if(int key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  int number = below(2) == 0 && m.entries[key].object != NONE ? m.entries[key].object : any_held();
  if (number == NONE) return;
  lido_weak handle = lido_weak_make(m.objects[number].value);
  bool there = m.entries[key].object == number;
  if (there) drop_entry(key, LIDO_CACHE_REMOVED);
  HOLD(lido_cache_remove_if(m.world.cache, bytes, key_bytes, handle) == there);
}

static void evict(void) {
  size_t wanted = below(10);
  size_t count = wanted < m.ring_count ? wanted : m.ring_count;
  size_t evicted = 0;
  for (; evicted < count && m.ring_count != 0; evicted++) let_go(LIDO_CACHE_SHED);
  HOLD(lido_cache_evict(m.world.cache, wanted) == evicted);
}

/* ---- ... on all entries ---- */

static size_t drop_all(bool only_over, lido_cache_reason reason) {
  size_t dropped = 0;
  bool wanted[KEYS]; /* what dies with another was there too */
  for (int key = 0; key < KEYS; key++) {
    wanted[key] = m.entries[key].object != NONE && (!only_over || is_over(&m.entries[key]));
    dropped += wanted[key];
  }
  for (int key = 0; key < KEYS; key++) {
    if (wanted[key] && !m.entries[key].kept) m.entries[key].object = NONE;
  }
  for (int key = 0; key < KEYS; key++) {
    if (wanted[key] && m.entries[key].object != NONE) drop_entry(key, reason);
  }
  return dropped;
}

/* A value that is let go of may be the last to hold an object, whose other entries then go by its death: before they
 * come to be dropped, or not. */
static void compare_dropped(size_t dropped, size_t dead_before, size_t foretold_dead) {
  uint64_t dead = cached_stats(m.world.cache).deaths;
  HOLD(dropped + dead == foretold_dead);
  HOLD(dead >= dead_before);
  m.stats.deaths = dead;
}

static void clear(void) {
  size_t dead = m.stats.deaths;
  size_t count = drop_all(false, LIDO_CACHE_REMOVED);
  compare_dropped(lido_cache_clear(m.world.cache), dead, m.stats.deaths + count);
}

static bool visit(const void *key, size_t key_bytes, void *value, void *arg) {
  int number;
  bool *seen = arg;
  memcpy(&number, key, sizeof number);
  char bytes[KEY_MOST];
  if (number < 0 || number >= KEYS || key_bytes != write_key(number, bytes)) return false;
  seen[number] = m.entries[number].object != NONE && m.objects[m.entries[number].object].value == value;
  return true;
}

static void walk(void) {
  bool seen[KEYS] = {false};
  size_t visited = 0;
  size_t expected = 0;
  HOLD(lido_cache_for_each(m.world.cache, visit, seen, &visited) == 0);
  for (int key = 0; key < KEYS; key++) {
    HOLD(seen[key] == leads_somewhere(key));
    expected += seen[key];
  }
  HOLD(visited == expected);
}

static void expire(void) {
  size_t dead = m.stats.deaths;
  size_t count = ages() ? drop_all(true, LIDO_CACHE_EXPIRED) : 0;
  compare_dropped(lido_cache_expire(m.world.cache), dead, m.stats.deaths + count);
}

/* ---- Checks ---- */

static bool take_event(event_list *list, const event *wanted) {
  for (size_t i = 0; i < list->count; i++) {
    const event *e = &list->items[i];
    if (e->key != wanted->key || e->number != wanted->number || e->reason != wanted->reason) continue;
    list->items[i] = list->items[--list->count];
    return true;
  }
  return false;
}

static void compare_events(void) {
  HOLD(m.told.count == m.foretold.count);
  HOLD(m.told.count <= EVENTS_MOST);
  for (size_t i = 0; i < m.foretold.count; i++) HOLD(take_event(&m.told, &m.foretold.items[i]));
  m.foretold.count = 0;
  m.told.count = 0;
}

static size_t count_entries(void) {
  size_t count = 0;
  for (int key = 0; key < KEYS; key++) count += m.entries[key].object != NONE;
  return count;
}

static void compare_stats(void) {
  lido_cache_stats got = cached_stats(m.world.cache);
  lido_cache_stats want = m.stats;
  want.entries = count_entries();
  want.kept = m.ring_count;
  want.bytes_reserved = got.bytes_reserved;
  if (m.options.weight == NULL) want.kept_weight = got.kept_weight; /* of objects: that of their pool */
#define COMPARE(name, kind, unit, text) HOLD(got.name == want.name);
  LIDO_CACHE_STATISTICS(COMPARE)
#undef COMPARE
#define COMPARE(constant, name, text) HOLD(got.name == want.name);
  LIDO_CACHE_REASONS(COMPARE)
#undef COMPARE
}

static void check_all(void) {
  cached_check(m.world.cache);
  compare_stats();
  HOLD(objects_stats(m.world.pool).live == live_objects());
  for (int i = 0; i < OBJECTS; i++) {
    if (m.objects[i].value == NULL) continue;
    HOLD(object_at(m.objects[i].value) == i);
    HOLD(lido_reference_count(m.objects[i].value) == m.objects[i].held + m.objects[i].kept);
  }
}

/* ---- The run ---- */

/* Some keys are asked for more than others. */
static int any_key(void) { return (int)(below(3) == 0 ? below(KEYS) : below(KEYS / 4)); }

static void step(void) {
  size_t dice = below(1000);
  int key = any_key();
  if (dice < 300) {
    get(key);
  } else if (dice < 420) {
    put(key);
  } else if (dice < 480) {
    put_absent(key);
  } else if (dice < 600) {
    get_or_create(key);
  } else if (dice < 720) {
    make_object();
  } else if (dice < 870) {
    release_object();
  } else if (dice < 890) {
    kill_object();
  } else if (dice < 920) {
    remove_key(key);
  } else if (dice < 940) {
    remove_if(key);
  } else if (dice < 960) {
    evict();
  } else if (dice < 970) {
    walk();
  } else if (dice < 975) {
    expire();
  } else if (dice == 975) {
    clear();
  } else if (dice == 976) {
    lido_cache_trim(m.world.cache);
  } else {
    m.now += below(20);
  }
}

static void run(lido_cache_options options) {
  memset(&m, 0, sizeof m);
  options.now = read_clock;
  options.on_evict = on_evict;
  m.options = options;
  m.now = 1000;
  m.hand = NONE;
  m.random.state = testing_seed();
  for (int key = 0; key < KEYS; key++) m.entries[key].object = NONE;
  m.world = cached_begin(&options);
  for (size_t last = testing_scaled(60000); m.step < last; m.step++) {
    step();
    compare_events();
    if (m.step % STEPS_TO_CHECK == 0) check_all();
  }
  check_all();
  clear();
  for (int i = 0; i < OBJECTS; i++) {
    for (; m.objects[i].held != 0; m.objects[i].held--) lido_release(m.objects[i].value);
  }
  HOLD(objects_stats(m.world.pool).live == 0);
  cached_end(&m.world);
}

TEST(cache_model, nothing_kept) { run((lido_cache_options){0}); }
TEST(cache_model, a_few_kept) { run((lido_cache_options){.keep_count = 7}); }
TEST(cache_model, many_kept) { run((lido_cache_options){.keep_count = 75}); }
TEST(cache_model, one_kept) { run((lido_cache_options){.keep_count = 1}); }
TEST(cache_model, so_much_weight) { run((lido_cache_options){.keep_bytes = 60, .weight = weigh}); }
TEST(cache_model, some_too_heavy) { run((lido_cache_options){.keep_bytes = 9, .keep_count = 5, .weight = weigh}); }
TEST(cache_model, for_some_time) { run((lido_cache_options){.live_ns = 100}); }
TEST(cache_model, while_in_use) { run((lido_cache_options){.idle_ns = 40}); }
TEST(cache_model, everything) {
  run((lido_cache_options){.keep_bytes = 100, .keep_count = 20, .weight = weigh, .live_ns = 150, .idle_ns = 60});
}
