/* memory_pprof_here.c: see memory_pprof.h. */
#include "examples/http_server/memory_pprof.h"

#include <lido/pprof.h>

int memory_pprof_write(int (*sink)(const void *bytes, size_t count, void *context), void *context, size_t mean_bytes,
                       uint64_t duration_ns) {
  return lido_pprof_write(sink, context, &(lido_pprof_options){.mean_bytes = mean_bytes, .duration_ns = duration_ns});
}
