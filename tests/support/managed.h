/* managed.h: a manager whose clock the test moves, and a pool of it with as many live objects as the test says. */
#ifndef LIDO_TESTS_SUPPORT_MANAGED_H
#define LIDO_TESTS_SUPPORT_MANAGED_H

#include "tests/support/objects.h"

enum { MANAGED_OBJECT = 1024 };
#define MANAGED_SECOND UINT64_C(1000000000)

/* Nanoseconds of the managers below; atomic. */
static uint64_t managed_now_ns;

static inline uint64_t managed_now(void *context) {
  (void)context;
  return __atomic_load_n(&managed_now_ns, __ATOMIC_ACQUIRE);
}

static inline void managed_wait(uint64_t ns) { __atomic_fetch_add(&managed_now_ns, ns, __ATOMIC_ACQ_REL); }

typedef struct managed {
  lido_manager *manager;
  lido_pool *pool; /* "pool" */
  object_list live;
} managed;

static inline lido_manager *managed_manager(const lido_manager_options *options) {
  lido_manager_options with_clock = options != NULL ? *options : (lido_manager_options){0};
  with_clock.now = managed_now;
  lido_message message;
  lido_manager *manager = lido_manager_create(&with_clock, &message);
  if (manager == NULL) TESTING_FAIL("no manager: %s, errno %d", message.text, errno);
  return manager;
}

static inline lido_pool *managed_pool(lido_manager *manager, const char *name) {
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = MANAGED_OBJECT});
  CHECK_NOT_NULL(pool);
  return pool;
}

static inline managed managed_begin(const lido_manager_options *options) {
  managed m = {.manager = managed_manager(options)};
  m.pool = managed_pool(m.manager, "pool");
  return m;
}

static inline void managed_live(managed *m, size_t count) {
  while (m->live.count < count) {
    void *object = lido_pool_alloc(m->pool);
    CHECK_NOT_NULL(object);
    object_list_push(&m->live, object);
  }
  while (m->live.count > count) lido_pool_free(m->pool, object_list_pop(&m->live));
}

/* A second later. */
static inline void managed_tick(managed *m) {
  managed_wait(MANAGED_SECOND);
  lido_manager_tick(m->manager);
}

static inline void managed_end(managed *m) {
  objects_free_all(m->pool, &m->live);
  object_list_end(&m->live);
  CHECK_NULL(lido_manager_check(m->manager));
  CHECK_EQ(lido_manager_destroy(m->manager), 0);
}

#endif
