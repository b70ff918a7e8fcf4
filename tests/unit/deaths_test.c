/* deaths_test.c: what happens in pools with handles when objects die: once, in order, on little stack. */
#include "tests/support/objects.h"

typedef struct node {
  struct node *next; /* a reference */
  lido_pool *pool;
  uint64_t number;
} node;

static size_t deaths;
static uint64_t order[8];

static lido_pool *pool_with(void (*destroy)(void *object, void *context), void *context) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(node), .flags = LIDO_POOL_HANDLES, .destroy = destroy, .context = context});
  CHECK_NOT_NULL(pool);
  deaths = 0;
  return pool;
}

static void check_end(lido_pool *pool, size_t live) {
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), live);
  CHECK_NULL(lido_weak_check());
}

static void count_death(void *object, void *context) {
  (void)context;
  if (deaths < 8) order[deaths] = ((node *)object)->number;
  deaths++;
}

/* A request of another thread makes the next free take the slow path, and once is enough. */
static void *trim(void *pool) {
  lido_pool_trim(pool);
  return NULL;
}

TEST(deaths, one_for_each_life_also_after_a_trim_by_another_thread) {
  lido_pool *pool = pool_with(count_death, NULL);
  for (size_t life = 1; life <= 20; life++) {
    void *object = lido_pool_alloc(pool);
    if (life % 2 == 0) lido_weak_make(object);
    objects_in_thread(trim, pool);
    life % 4 < 2 ? lido_release(object) : lido_pool_free(pool, object);
    CHECK_EQ(deaths, life);
    CHECK_EQ(objects_stats(pool).live, 0);
  }
  check_end(pool, 0);
  CHECK_EQ(deaths, 20);
}

/* ---- Deaths inside deaths ---- */

static void release_next(void *object, void *context) {
  char here;
  uintptr_t *lowest = context;
  if (*lowest == 0 || (uintptr_t)&here < *lowest) *lowest = (uintptr_t)&here;
  deaths++;
  lido_release(((node *)object)->next);
}

TEST(deaths, a_chain_of_any_length_needs_no_stack) {
  enum { LENGTH = 100000 };
  uintptr_t lowest = 0;
  lido_pool *pool = pool_with(release_next, &lowest);
  node *first = NULL;
  for (size_t i = 0; i < LENGTH; i++) {
    node *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    object->next = first;
    first = object;
  }
  lido_release(first);
  CHECK_EQ(deaths, LENGTH);
  CHECK_LT((uintptr_t)&lowest - lowest, 65536);
  check_end(pool, 0);
}

/* Those that die meanwhile die in the order of their last releases, after the one that caused it. */
static node *others[3];

static void release_others(void *object, void *context) {
  count_death(object, context);
  for (size_t i = 0; i < 3 && ((node *)object)->number == 1; i++) {
    lido_weak weak = lido_weak_make(others[i]);
    lido_release(others[i]);
    if (deaths != 1 || lido_weak_acquire(weak) != NULL) deaths += 100;
  }
}

TEST(deaths, in_the_order_of_the_last_releases) {
  lido_pool *pool = pool_with(release_others, NULL);
  node *first = lido_pool_alloc(pool);
  first->number = 1;
  for (size_t i = 0; i < 3; i++) {
    others[i] = lido_pool_alloc(pool);
    others[i]->number = i + 2;
  }
  lido_release(first);
  CHECK_EQ(deaths, 4);
  for (size_t i = 0; i < 4; i++) CHECK_EQ(order[i], i + 1);
  check_end(pool, 0);
}

static void alloc_and_free(void *object, void *context) {
  lido_pool *pool = ((node *)object)->pool;
  (void)context;
  if (++deaths > 10) return;
  node *another = lido_pool_alloc(pool);
  if (another == object) deaths += 100;
  another->pool = pool;
  lido_weak weak = lido_weak_make(another);
  if (lido_weak_acquire(weak) != another) deaths += 100;
  lido_release_n(another, 2);
  lido_pool_trim(pool);
}

TEST(deaths, a_destructor_may_use_its_pool) {
  lido_pool *pool = pool_with(alloc_and_free, NULL);
  node *object = lido_pool_alloc(pool);
  object->pool = pool;
  lido_release(object);
  CHECK_EQ(deaths, 11);
  check_end(pool, 0);
}

static void end_other_pool(void *object, void *context) {
  (void)object;
  lido_pool **other = context;
  if (deaths++ != 0) return;
  if (lido_pool_destroy(*other) != 5) deaths += 100;
}

TEST(deaths, a_destructor_may_end_another_pool) {
  lido_pool *other = pool_with(count_death, NULL);
  lido_pool *pool = pool_with(end_other_pool, &other);
  for (size_t i = 0; i < 5; i++) lido_weak_make(lido_pool_alloc(other));
  lido_release(lido_pool_alloc(pool));
  CHECK_EQ(deaths, 6);
  check_end(pool, 0);
}

/* And one of whose objects some have just died, and wait for their turn. */
static node *waiting;

static void release_and_end(void *object, void *context) {
  (void)object;
  lido_pool **other = context;
  if (deaths++ != 0) return;
  lido_release(waiting);
  if (deaths != 1) deaths += 100;
  if (lido_pool_destroy(*other) != 1) deaths += 100;
  if (deaths != 3) deaths += 100;
}

TEST(deaths, the_end_of_a_pool_waits_for_its_deaths) {
  lido_pool *other = pool_with(count_death, NULL);
  lido_pool *pool = pool_with(release_and_end, &other);
  waiting = lido_pool_alloc(other);
  lido_pool_alloc(other);
  lido_release(lido_pool_alloc(pool));
  CHECK_EQ(deaths, 3);
  check_end(pool, 0);
}

/* What destructors make while the pool ends dies too. */
TEST(deaths, what_is_made_while_the_pool_ends_dies) {
  lido_pool *pool = pool_with(alloc_and_free, NULL);
  for (size_t i = 0; i < 3; i++) {
    node *object = lido_pool_alloc(pool);
    object->pool = pool;
  }
  CHECK_EQ(lido_pool_destroy(pool), 3);
  CHECK_GE(deaths, 11);
  CHECK_LT(deaths, 100);
  CHECK_NULL(lido_weak_check());
}

/* Also where deaths wait for readers. */
static void free_next(void *object, void *context) {
  node *n = object;
  (void)context;
  deaths++;
  if (n->next != NULL && n->number % 2 == 0) lido_release(n->next);
}

TEST(deaths, each_dies_once_when_a_guarded_pool_ends) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(node), .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED, .destroy = free_next});
  CHECK_NOT_NULL(pool);
  node *nodes[1000];
  deaths = 0;
  CHECK_EQ(lido_pool_alloc_batch(pool, (void **)nodes, 1000), 1000);
  for (size_t i = 0; i < 1000; i++) {
    *nodes[i] = (node){.number = i, .next = i + 1 < 1000 ? nodes[i + 1] : NULL}; /* the walk has not come there yet */
    if (i % 3 == 0) lido_weak_make(nodes[i]);
  }
  size_t live = lido_pool_destroy(pool);
  CHECK_EQ(deaths, 1000);
  CHECK_LE(live, 1000);
  CHECK_NULL(lido_weak_check());
}

/* A handle of an object that is killed stays dead when another thread still holds it; its references still count. */
TEST(deaths, a_killed_object_dies_with_its_last_reference) {
  lido_pool *pool = pool_with(count_death, NULL);
  node *object = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(object);
  lido_retain_n(object, 2);
  CHECK(lido_weak_kill(weak));
  lido_weak_release(weak);
  lido_release(object);
  CHECK_EQ(deaths, 0);
  lido_pool_free(pool, object);
  CHECK_EQ(deaths, 1);
  check_end(pool, 0);
}
