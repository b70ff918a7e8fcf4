/* depot_test.c: magazines and their store. */
#include <pthread.h>

#include "pools/depot.h"
#include "pools/pool_core.h"
#include "tests/support/objects.h"

enum { LIMIT = 100 };

/* A pool to make magazines from; the objects in them are made up. */
static lido_pool *pool;

static void begin(lido_depot *depot) {
  pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  lido_depot_init(depot, true, LIMIT);
}

static void end(lido_depot *depot) {
  CHECK_NULL(lido_depot_check(depot));
  lido_magazine *next = NULL;
  for (lido_magazine *magazine = lido_depot_take_all(depot); magazine != NULL; magazine = next) {
    next = magazine->next;
    lido_magazine_destroy(magazine);
  }
  CHECK_EQ(lido_depot_objects(depot), 0);
  lido_lock_end(&depot->lock);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static lido_magazine *magazine_with(uint32_t count) {
  lido_magazine *magazine = lido_magazine_create(lido_core_of(pool), 28);
  if (magazine == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) magazine->items[i] = (void *)(uintptr_t)(i * 64);
  magazine->count = count;
  return magazine;
}

TEST(depot, an_empty_one_has_nothing_to_give) {
  lido_depot depot;
  begin(&depot);
  lido_magazine *mine = magazine_with(0);
  CHECK_NULL(lido_depot_take_full(&depot, mine)); /* and it is still mine */
  CHECK_NULL(lido_depot_take_empty(&depot));
  CHECK_NULL(lido_depot_take_all(&depot));
  lido_magazine_destroy(mine);
  end(&depot);
}

TEST(depot, a_full_one_is_exchanged_for_an_empty_one) {
  lido_depot depot;
  begin(&depot);
  lido_magazine *full = magazine_with(10);
  lido_magazine *empty = magazine_with(0);
  CHECK(lido_depot_give_full(&depot, full, false));
  CHECK_EQ(lido_depot_objects(&depot), 10);
  CHECK_NULL(lido_depot_check(&depot));
  CHECK_SAME(lido_depot_take_full(&depot, empty), full);
  CHECK_EQ(full->count, 10);
  CHECK_EQ(lido_depot_objects(&depot), 0);
  CHECK_SAME(lido_depot_take_empty(&depot), empty);
  CHECK_NULL(lido_depot_take_empty(&depot));
  lido_magazine_destroy(full);
  lido_depot_give_empty(&depot, empty);
  end(&depot);
}

TEST(depot, objects_beyond_its_limit_are_refused_unless_they_must_be_taken) {
  lido_depot depot;
  begin(&depot);
  for (int i = 0; i < 4; i++) CHECK(lido_depot_give_full(&depot, magazine_with(25), false));
  CHECK_EQ(lido_depot_objects(&depot), LIMIT);
  lido_magazine *more = magazine_with(1);
  CHECK(!lido_depot_give_full(&depot, more, false));
  CHECK_EQ(lido_depot_objects(&depot), LIMIT);
  CHECK(lido_depot_give_full(&depot, more, true));
  CHECK_EQ(lido_depot_objects(&depot), LIMIT + 1);
  end(&depot);
}

TEST(depot, all_magazines_come_out_at_once) {
  lido_depot depot;
  begin(&depot);
  for (uint32_t i = 1; i <= 5; i++) CHECK(lido_depot_give_full(&depot, magazine_with(i), false));
  for (int i = 0; i < 3; i++) lido_depot_give_empty(&depot, magazine_with(0));
  size_t objects = 0;
  size_t count = 0;
  lido_magazine *next = NULL;
  for (lido_magazine *magazine = lido_depot_take_all(&depot); magazine != NULL; magazine = next, count++) {
    next = magazine->next;
    objects += magazine->count;
    CHECK_EQ(magazine->count == 0, count >= 5); /* the full ones first */
    lido_magazine_destroy(magazine);
  }
  CHECK_EQ(count, 8);
  CHECK_EQ(objects, 15);
  end(&depot);
}

TEST(depot, a_check_sees_what_is_wrong) {
  lido_depot depot;
  begin(&depot);
  lido_magazine *full = magazine_with(3);
  CHECK(lido_depot_give_full(&depot, full, false));
  CHECK_NULL(lido_depot_check(&depot));
  depot.objects++;
  CHECK_NOT_NULL(lido_depot_check(&depot));
  depot.objects--;
  full->count = 0;
  CHECK_NOT_NULL(lido_depot_check(&depot));
  full->count = 3;
  end(&depot);
}

TEST(depot, a_magazine_has_room_for_what_was_asked_for) {
  lido_depot depot;
  begin(&depot);
  for (uint32_t capacity = 1; capacity <= 254; capacity++) {
    lido_magazine *magazine = lido_magazine_create(lido_core_of(pool), capacity);
    CHECK_NOT_NULL(magazine);
    CHECK_EQ(magazine->count, 0);
    CHECK_EQ(magazine->capacity, capacity);
    CHECK_GE(magazine->storage, sizeof *magazine + capacity * sizeof(void *));
    for (uint32_t i = 0; i < capacity; i++) magazine->items[i] = &depot;
    CHECK_EQ(lido_magazine_count(magazine), 0);
    lido_magazine_destroy(magazine);
  }
  lido_magazine_destroy(NULL);
  CHECK_SOUND(pool);
  end(&depot);
}

typedef struct trader {
  lido_depot *depot;
  size_t objects; /* held at the end */
  lido_magazine *last;
} trader;

static void *trade(void *argument) {
  trader *t = argument;
  lido_magazine *mine = t->last;
  for (int i = 0; i < 5000; i++) {
    if (mine->count != 0) {
      lido_magazine *empty = lido_depot_take_empty(t->depot);
      if (empty == NULL) continue;
      if (!lido_depot_give_full(t->depot, mine, false)) {
        lido_depot_give_empty(t->depot, empty);
        continue;
      }
      mine = empty;
    } else {
      lido_magazine *full = lido_depot_take_full(t->depot, mine);
      if (full != NULL) mine = full;
    }
  }
  t->last = mine;
  t->objects = mine->count;
  return NULL;
}

TEST(depot, threads_trade_without_losing_any) {
  enum { THREADS = 3 };
  lido_depot depot;
  begin(&depot);
  trader traders[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < 3; i++) lido_depot_give_empty(&depot, magazine_with(0));
  for (int i = 0; i < THREADS; i++) {
    traders[i] = (trader){.depot = &depot, .last = magazine_with((uint32_t)(i + 1) * 5)};
    CHECK_NOT_NULL(traders[i].last);
    CHECK_EQ(pthread_create(&threads[i], NULL, trade, &traders[i]), 0);
  }
  size_t objects = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    objects += traders[i].objects;
  }
  CHECK_EQ(objects + lido_depot_objects(&depot), 5 + 10 + 15);
  for (int i = 0; i < THREADS; i++) lido_magazine_destroy(traders[i].last);
  end(&depot);
}
