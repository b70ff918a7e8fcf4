/* An address is freed that lies in a slab, behind its last object. */
#include "misuse_program.h"

enum { BYTES = 384 }; /* 170 of them leave 256 bytes of 64 KiB */

int main(void) {
  lido_pool *pool = pool_named("conn", BYTES);
  char *first = object_of(pool);
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  char *tail = first + stats.objects * BYTES;
  NEED(stats.slabs == 1 && lido_pool_of(tail) == pool);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)tail);
  lido_pool_free(pool, tail);
  return 0;
}
