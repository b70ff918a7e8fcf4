/* caches_managed_without_memory_test.c: every request for memory fails, once and for ever, while a manager finds or
 * creates caches. */
#include "tests/faults/drill.h"

enum { CACHES = 10 };

static void create_caches(drill_round *r) {
  lido_manager *manager = NULL;
  TRY(r, manager, lido_manager_create(&(lido_manager_options){.samples = 2}, NULL));
  for (size_t i = 0; i < CACHES; i++) {
    char name[32];
    snprintf(name, sizeof name, "cache %zu", i);
    lido_cache *cache = NULL;
    TRY(r, cache, lido_manager_cache(manager, &(lido_cache_options){.name = name}));
    CHECK(lido_manager_cache_find(manager, name) == cache);
    CHECK_NULL(lido_manager_check(manager));
  }
  size_t live = 1;
  CALM(live = lido_manager_destroy(manager));
  CHECK_EQ(live, 0);
  lido_guard_synchronize();
}

/* Caches are objects of a pool that stays as long as one of them is there. */
TEST(caches_managed_without_memory, a_cache_is_there_or_it_is_not) {
  lido_cache *standing = lido_cache_create(NULL);
  CHECK_NOT_NULL(standing);
  drill(create_caches, 10);
  lido_cache_destroy(standing);
}
