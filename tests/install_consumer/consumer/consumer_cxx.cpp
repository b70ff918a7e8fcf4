// consumer_cxx.cpp: the same from C++, where operator new could change hands as well.
#include <lido/lido.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "malloc_owner.h"

struct item {
  int number = 0;
};

int main(int argc, char **argv) {
  if (argc != 3 || std::string(lido_version()) != argv[1]) return 1;
  lido_pool_options options = {};
  options.object_size = sizeof(item);
  lido_pool *pool = lido_pool_create(&options);
  if (pool == nullptr) return 2;
  void *object = lido_pool_alloc(pool);
  if (object == nullptr || !lido_pool_owns(pool, object)) return 3;
  lido_pool_free(pool, object);
  if (lido_pool_destroy(pool) != 0) return 4;

  if (std::atoi(argv[2]) != mimalloc_is_loaded()) return 6;
  char *block = new char[100];
  bool taken_over = block_is_mimallocs(block) != 0;
  if (taken_over) std::fprintf(stderr, "operator new is served by mimalloc\n");
  delete[] block;
  return taken_over || count_taken_over() != 0 ? 7 : 0;
}
