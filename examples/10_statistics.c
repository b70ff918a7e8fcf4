/* 10_statistics.c: every statistic of a pool, from the one list that defines them. */
#include <inttypes.h>
#include <lido/pool.h>
#include <stdio.h>

#define PRINT(name, kind, unit, text) printf("%-15s %12" PRIu64 " %-8s %s\n", #name, stats.name, #unit, text);

int main(void) {
  enum { COUNT = 10000 };
  static void *objects[COUNT];
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "sample", .object_size = 48, .align = 16});
  if (pool == NULL) return 1;
  if (lido_pool_alloc_batch(pool, objects, COUNT) != COUNT) return 1;
  lido_pool_free_batch(pool, objects, COUNT / 2);

  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  LIDO_POOL_STATISTICS(PRINT)
  printf("hit rate        %12.4f\n", lido_pool_hit_rate(&stats));

  lido_pool_free_batch(pool, objects + COUNT / 2, COUNT / 2);
  printf("trim gave back  %12zu bytes\n", lido_pool_trim(pool));
  return lido_pool_destroy(pool) == 0 && stats.live == COUNT / 2 ? 0 : 1;
}
