/* arena_budget.c: see arena_budget.h. */
#include "arenas/arena_budget.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/mem/mem_fork.h"
#include "lib/mem/metadata.h"

struct lido_arena_budget {
  size_t most; /* fixed at birth */
  size_t used; /* atomic */
  size_t arenas;
};

lido_arena_budget *lido_arena_budget_create(size_t bytes) {
  if (bytes == 0) {
    errno = EINVAL;
    return NULL;
  }
  int error = lido_mem_fork_join();
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_arena_budget *budget = lido_metadata_alloc(lido_metadata_system(), sizeof *budget);
  if (budget != NULL) budget->most = bytes;
  return budget;
}

int lido_arena_budget_destroy(lido_arena_budget *budget) {
  if (budget == NULL) return 0;
  if (lido_load_relaxed(&budget->arenas) != 0) return EBUSY; /* RELAXED: its caller knows that all arenas are gone */
  lido_metadata_free(lido_metadata_system(), budget, sizeof *budget);
  return 0;
}

size_t lido_arena_budget_used(const lido_arena_budget *budget) {
  return lido_load_relaxed(&budget->used); /* RELAXED: a count of its own */
}

void lido_arena_budget_hold(lido_arena_budget *budget) {
  lido_add_relaxed(&budget->arenas, 1); /* RELAXED: a count of its own */
}

void lido_arena_budget_let_go(lido_arena_budget *budget) {
  lido_sub_relaxed(&budget->arenas, 1); /* RELAXED: a count of its own */
}

bool lido_arena_budget_take(lido_arena_budget *budget, size_t bytes) {
  size_t used = lido_load_relaxed(&budget->used); /* RELAXED: a count of its own */
  do {
    if (bytes > budget->most - used) return false;
  } while (!lido_cas_relaxed(&budget->used, &used, used + bytes)); /* RELAXED: as above */
  return true;
}

void lido_arena_budget_give(lido_arena_budget *budget, size_t bytes) {
  lido_sub_relaxed(&budget->used, bytes); /* RELAXED: a count of its own */
}
