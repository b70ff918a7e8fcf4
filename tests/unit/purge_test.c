/* purge_test.c: when the pages of free units go back to the system, seen by mincore(2); the time is made up. */
#include <stdlib.h>

#include "lib/mem/region_purge.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"
#include "tests/support/resident.h"

enum { UNIT = 65536, REGION = 1 << 20, SHIFT = 5 };

#define HOUR UINT64_C(3600000000000)

/* A region of its own granule and class in the system's pages, where no pool of other tests is. */
typedef struct field {
  lido_backing *backing;
  lido_region *region;
  uintptr_t start;
  size_t units;
  lido_backing_stats before;
} field;

static lido_backing_stats stats_of(const lido_backing *backing) {
  lido_backing_stats stats;
  lido_backing_stats_get(backing, &stats);
  return stats;
}

static field open_field(lido_backing *backing, size_t units) {
  lido_backing_purge(backing, UINT64_MAX);
  lido_region_release_empty(backing, 0);
  field f = {.backing = backing, .units = units, .before = stats_of(backing)};
  f.region = lido_region_take(backing, SHIFT, true, units, &f.start);
  CHECK_NOT_NULL(f.region);
  memset((void *)f.start, 0xAB, units * UNIT);
  return f;
}

static uint64_t dirty_since(const field *f) { return stats_of(f->backing).bytes_dirty - f->before.bytes_dirty; }
static uint64_t purged_since(const field *f) { return stats_of(f->backing).purged_bytes - f->before.purged_bytes; }

static void close_field(const field *f) {
  CHECK_NULL(lido_region_check(f->backing));
  lido_region_release_empty(f->backing, 0);
  lido_backing_stats after = stats_of(f->backing);
  CHECK_EQ(after.bytes_taken, f->before.bytes_taken);
  CHECK_EQ(after.bytes_dirty, f->before.bytes_dirty);
  CHECK_EQ(after.regions, f->before.regions);
}

TEST(purge, now_takes_the_pages_at_once) {
  field f = open_field(lido_backing_pages(), 4);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), pages_in(4 * UNIT));
  CHECK_EQ(stats_of(f.backing).bytes_taken - f.before.bytes_taken, 4 * UNIT);
  lido_region_give(f.region, f.start, 4);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), 0);
  CHECK_EQ(purged_since(&f), 4 * UNIT);
  CHECK_EQ(stats_of(f.backing).purges - f.before.purges, 1);
  CHECK_EQ(dirty_since(&f), 0);
  CHECK_EQ(lido_backing_purge(f.backing, UINT64_MAX), 0);
  close_field(&f);
}

TEST(purge, delayed_keeps_the_pages_until_somebody_asks_when_they_are_due) {
  field f = open_field(lido_backing_pages(), 4);
  uint64_t now = lido_os_now_ns();
  lido_region_give_later(f.region, f.start, 4, LIDO_PURGE_NOW, HOUR);
  CHECK_NULL(lido_region_check(f.backing));
  CHECK_EQ(dirty_since(&f), 4 * UNIT);
  CHECK_EQ(lido_backing_purge(f.backing, now + HOUR / 2), 0);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), pages_in(4 * UNIT));
  uintptr_t neighbour = 0; /* keeps the region when its pages have gone */
  CHECK_SAME(lido_region_take(f.backing, SHIFT, true, 1, &neighbour), f.region);
  CHECK_EQ(neighbour, f.start); /* the lowest are taken first: it is one of the four, and is not due any more */
  CHECK_EQ(*(unsigned char *)neighbour, 0xAB);
  CHECK_EQ(dirty_since(&f), 3 * UNIT);
  CHECK_EQ(lido_backing_purge(f.backing, now + 2 * HOUR), 3 * UNIT);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), pages_in(UNIT));
  CHECK_EQ(purged_since(&f), 3 * UNIT);
  CHECK_EQ(stats_of(f.backing).purges - f.before.purges, 1);
  CHECK_EQ(lido_backing_purge(f.backing, now + 2 * HOUR), 0);
  lido_region_give(f.region, neighbour, 1);
  close_field(&f);
}

TEST(purge, lazy_leaves_the_pages_to_the_system_and_counts_them_as_purged) {
  field f = open_field(lido_backing_pages(), 4);
  lido_region_give_later(f.region, f.start, 4, LIDO_PURGE_LAZY, 0);
  CHECK_EQ(purged_since(&f), 4 * UNIT);
  CHECK_EQ(dirty_since(&f), 0);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), pages_in(4 * UNIT));
  close_field(&f);
}

TEST(purge, delayed_and_lazy_is_lazy_when_its_time_has_come) {
  field f = open_field(lido_backing_pages(), 4);
  uintptr_t plain = f.start + 2 * UNIT;
  lido_region_give_later(f.region, f.start, 2, LIDO_PURGE_LAZY, HOUR);
  lido_region_give_later(f.region, plain, 1, LIDO_PURGE_NOW, HOUR);
  CHECK_EQ(dirty_since(&f), 3 * UNIT);
  CHECK_EQ(lido_backing_purge(f.backing, lido_os_now_ns() + 2 * HOUR), 3 * UNIT);
  CHECK_EQ(stats_of(f.backing).purges - f.before.purges, 2); /* one run for each way */
  CHECK_EQ(pages_resident(f.start, 2 * UNIT), pages_in(2 * UNIT));
  CHECK_EQ(pages_resident(plain, UNIT), 0);
  lido_region_give(f.region, plain + UNIT, 1);
  close_field(&f);
}

TEST(purge, never_means_only_when_everything_is_asked_for) {
  field f = open_field(lido_backing_pages(), 5);
  lido_region_give_later(f.region, f.start, 4, LIDO_PURGE_NEVER, 0);
  CHECK_EQ(lido_backing_purge(f.backing, UINT64_MAX - 1), 0);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), pages_in(4 * UNIT));
  CHECK_EQ(dirty_since(&f), 4 * UNIT);
  CHECK_EQ(lido_backing_purge(f.backing, UINT64_MAX), 4 * UNIT);
  CHECK_EQ(pages_resident(f.start, 4 * UNIT), 0);
  lido_region_give(f.region, f.start + 4 * UNIT, 1);
  close_field(&f);
}

TEST(purge, a_delay_beyond_all_time_is_never) {
  field f = open_field(lido_backing_pages(), 2);
  lido_region_give_later(f.region, f.start, 1, LIDO_PURGE_NOW, UINT64_MAX);
  CHECK_EQ(lido_backing_purge(f.backing, UINT64_MAX - 1), 0);
  CHECK_EQ(lido_backing_purge(f.backing, UINT64_MAX), UNIT);
  lido_region_give(f.region, f.start + UNIT, 1);
  close_field(&f);
}

TEST(purge, an_empty_region_stays_while_its_pages_are_not_due) {
  field f = open_field(lido_backing_pages(), 1);
  lido_region_give_later(f.region, f.start, 1, LIDO_PURGE_NEVER, 0);
  lido_region_release_empty(f.backing, 1);
  CHECK_EQ(stats_of(f.backing).regions, f.before.regions + 1);
  CHECK_EQ(dirty_since(&f), UNIT);
  lido_region_release_empty(f.backing, 0); /* a trim: what it takes counts as purged */
  CHECK_EQ(stats_of(f.backing).regions, f.before.regions);
  CHECK_EQ(dirty_since(&f), 0);
  CHECK_EQ(purged_since(&f), UNIT);
  close_field(&f);
}

TEST(purge, of_more_than_a_run_takes_several_and_all) {
  enum { UNITS = 60 };
  field f = open_field(lido_backing_pages(), UNITS + 1);
  for (size_t u = 0; u < UNITS; u++) {
    lido_region_give_later(f.region, f.start + u * UNIT, 1, LIDO_PURGE_NOW, u % 20 == 7 ? 3 * HOUR : HOUR);
  }
  uint64_t now = lido_os_now_ns();
  CHECK_EQ(lido_backing_purge(f.backing, now + 2 * HOUR), (UNITS - 3) * UNIT);
  CHECK_NULL(lido_region_check(f.backing));
  CHECK_EQ(dirty_since(&f), 3 * UNIT);
  CHECK_EQ(pages_resident(f.start, UNITS * UNIT), pages_in(3 * UNIT));
  CHECK_EQ(lido_backing_purge(f.backing, now + 4 * HOUR), 3 * UNIT);
  lido_region_give(f.region, f.start + UNITS * UNIT, 1);
  close_field(&f);
}

/* ---- Backings of functions ---- */

typedef struct caller {
  size_t calls;
  size_t bytes;
} caller;

static void *get(size_t bytes, size_t align, void *context) {
  (void)context;
  return aligned_alloc(align, bytes);
}

static void put(void *block, size_t bytes, void *context) {
  (void)bytes;
  (void)context;
  free(block);
}

static void note_purge(void *range, size_t bytes, void *context) {
  caller *c = context;
  memset(range, 0x11, bytes);
  c->calls++;
  c->bytes += bytes;
  errno = 1234;
}

TEST(purge, functions_are_called_when_it_is_due_and_lazy_is_the_same) {
  static const lido_purge ways[] = {LIDO_PURGE_NOW, LIDO_PURGE_LAZY};
  for (size_t way = 0; way < 2; way++) {
    caller c = {0};
    lido_backing *backing = lido_backing_create(&(lido_backing_functions){
        .allocate = get, .release = put, .purge = note_purge, .context = &c, .region_bytes = REGION});
    CHECK_NOT_NULL(backing);
    field f = open_field(backing, 3);
    errno = 0;
    lido_region_give_later(f.region, f.start, 1, ways[way], 0);
    CHECK_EQ(c.calls, 1);
    lido_region_give_later(f.region, f.start + UNIT, 1, ways[way], HOUR);
    CHECK_EQ(c.calls, 1);
    CHECK_EQ(dirty_since(&f), UNIT);
    CHECK_EQ(lido_backing_purge(backing, lido_os_now_ns()), 0);
    CHECK_EQ(lido_backing_purge(backing, lido_os_now_ns() + 2 * HOUR), UNIT);
    CHECK_EQ(errno, 0);
    CHECK_EQ(c.calls, 2);
    CHECK_EQ(c.bytes, 2 * UNIT);
    CHECK_EQ(purged_since(&f), 2 * UNIT);
    lido_region_give(f.region, f.start + 2 * UNIT, 1);
    close_field(&f);
    CHECK_EQ(lido_backing_destroy(backing), 0);
  }
}

TEST(purge, a_backing_that_can_not_has_nothing_due) {
  caller c = {0};
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = get, .release = put, .context = &c, .region_bytes = REGION});
  CHECK_NOT_NULL(backing);
  field f = open_field(backing, 2);
  lido_region_give_later(f.region, f.start, 1, LIDO_PURGE_NEVER, 0);
  lido_region_give(f.region, f.start + UNIT, 1);
  CHECK_EQ(dirty_since(&f), 0);
  CHECK_EQ(purged_since(&f), 0);
  CHECK_EQ(lido_backing_purge(backing, UINT64_MAX), 0);
  close_field(&f);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(purge, a_buffer_keeps_everything) {
  static _Alignas(64) char memory[1 << 18];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = backing, .retain_bytes = 1});
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  lido_backing_stats stats = stats_of(backing);
  CHECK_EQ(stats.bytes, sizeof memory);
  CHECK_EQ(stats.regions, 1);
  CHECK_GT(stats.bytes_taken, 0);
  lido_pool_free(pool, object);
  lido_pool_trim(pool);
  CHECK_EQ(lido_backing_purge(backing, UINT64_MAX), 0);
  CHECK_EQ(stats_of(backing).bytes_dirty, 0);
  CHECK_EQ(stats_of(backing).purged_bytes, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(stats_of(backing).bytes_taken, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* ---- The checks ---- */

static bool broken_is(lido_backing *backing, const char *number) {
  const char *broken = lido_region_check(backing);
  return broken != NULL && strncmp(broken, number, strlen(number)) == 0;
}

TEST(purge, checks_find_what_is_wrong) {
  field f = open_field(lido_backing_pages(), 3);
  lido_region *region = f.region;
  lido_region_give_later(region, f.start, 1, LIDO_PURGE_NOW, HOUR);
  uint64_t due = region->due[0];
  CHECK_NULL(lido_region_check(f.backing));
  region->due[0] = 0;
  CHECK(broken_is(f.backing, "R4"));
  region->due[0] = 1;
  CHECK(broken_is(f.backing, "R6"));
  region->due[0] = due;
  region->due[1] = due;
  region->dirty_units++;
  CHECK(broken_is(f.backing, "R5"));
  region->users[1] = region;
  CHECK(broken_is(f.backing, "R4"));
  region->users[1] = NULL;
  region->due[1] = 0;
  region->dirty_units--;
  f.backing->dirty_bytes += UNIT;
  CHECK(broken_is(f.backing, "B3"));
  f.backing->dirty_bytes -= UNIT;
  f.backing->taken_bytes += UNIT;
  CHECK(broken_is(f.backing, "B3"));
  f.backing->taken_bytes -= UNIT;
  f.backing->region_count++;
  CHECK(broken_is(f.backing, "B3"));
  f.backing->region_count--;
  lido_region_give(region, f.start + UNIT, 2);
  close_field(&f);
}

/* ---- Fork ---- */

/* What another thread was purging at that moment: its units are out of the free ones. */
TEST(purge, the_child_of_a_fork_has_again_what_was_being_purged) {
  field f = open_field(lido_backing_pages(), 2);
  lido_region_give_later(f.region, f.start, 2, LIDO_PURGE_NOW, HOUR);
  lido_bitmap_clear(f.region->free, 0); /* it has not come to the second */
  f.region->free_units--;
  f.region->purging_units = 1;
  f.region->earliest_due = LIDO_NEVER_DUE;
  CHECK_NULL(lido_region_check(f.backing));
  lido_backings_in_child();
  CHECK_NULL(lido_region_check(f.backing));
  CHECK_EQ(f.region->purging_units, 0);
  CHECK_EQ(lido_backing_purge(f.backing, lido_os_now_ns() + 2 * HOUR), 2 * UNIT);
  close_field(&f);
}

/* ---- Against a plain table of what each unit should be ---- */

TEST(purge, random_takes_gives_and_purges_agree_with_a_table) {
  enum { UNITS = 12, STEPS = 4000 };
  testing_random random = {testing_seed()};
  caller c = {0};
  lido_backing *backing = lido_backing_create(&(lido_backing_functions){
      .allocate = get, .release = put, .purge = note_purge, .context = &c, .region_bytes = REGION});
  CHECK_NOT_NULL(backing);
  field f = open_field(backing, UNITS);
  uint64_t due[UNITS] = {0}; /* of what is free; 0: purged */
  bool taken[UNITS];
  for (size_t u = 0; u < UNITS; u++) taken[u] = true;
  uint64_t base = lido_os_now_ns();
  for (size_t step = 0; step < testing_scaled(STEPS); step++) {
    size_t u = testing_below(&random, UNITS);
    if (taken[u]) {
      uint64_t hours = 10 * testing_below(&random, 4); /* well apart: the clock goes on between */
      bool never = testing_below(&random, 8) == 0;
      lido_region_give_later(f.region, f.start + u * UNIT, 1, never ? LIDO_PURGE_NEVER : LIDO_PURGE_NOW, hours * HOUR);
      due[u] = never ? UINT64_MAX : hours;
      taken[u] = false;
    } else if (testing_below(&random, 3) != 0) {
      uintptr_t start = 0;
      lido_region *region = lido_region_take(backing, SHIFT, true, 1, &start);
      size_t got = (start - f.start) / UNIT;
      if (region != f.region || got >= UNITS) { /* there are three units more in it, and there may be others */
        lido_region_give(region, start, 1);
      } else {
        CHECK(!taken[got]);
        taken[got] = true;
        due[got] = 0;
      }
    } else {
      uint64_t hours = 10 * testing_below(&random, 4) + 5;
      size_t bytes = 0;
      for (size_t i = 0; i < UNITS; i++) {
        if (taken[i] || due[i] == 0 || due[i] > hours) continue;
        bytes += UNIT;
        due[i] = 0;
      }
      CHECK_EQ(lido_backing_purge(backing, base + hours * HOUR), bytes);
    }
    size_t dirty = 0;
    for (size_t i = 0; i < UNITS; i++) dirty += !taken[i] && due[i] != 0;
    CHECK_EQ(dirty_since(&f), dirty * UNIT);
    CHECK_NULL(lido_region_check(backing));
  }
  for (size_t u = 0; u < UNITS; u++) {
    if (taken[u]) lido_region_give(f.region, f.start + u * UNIT, 1);
  }
  uint64_t dirty = dirty_since(&f);
  CHECK_EQ(lido_backing_purge(backing, UINT64_MAX), dirty);
  close_field(&f);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}
