/* An address is freed where nothing is mapped any more. */
#include <sys/mman.h>

#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(page != MAP_FAILED && munmap(page, 4096) == 0);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", page);
  lido_pool_free(pool, page);
  return 0;
}
