/* memory_pprof_absent.c: see memory_pprof.h. */
#include "examples/http_server/memory_pprof.h"

#include <errno.h>

int memory_pprof_write(int (*sink)(const void *bytes, size_t count, void *context), void *context, size_t mean_bytes,
                       uint64_t duration_ns) {
  (void)sink, (void)context, (void)mean_bytes, (void)duration_ns;
  return ENOTSUP;
}
