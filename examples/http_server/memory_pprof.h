/* memory_pprof.h: the heap profile as a file for pprof, for /debug/profile.
 *
 * Two versions: memory_pprof_here.c stands on lido/pprof.h; memory_pprof_absent.c is for a build without that part.
 */
#ifndef LIDO_EXAMPLES_MEMORY_PPROF_H
#define LIDO_EXAMPLES_MEMORY_PPROF_H

#include <stddef.h>
#include <stdint.h>

/* 0, ENOTSUP (the part is absent), ENOMEM, or what the sink says. mean_bytes: as given to the profile's start; 0 = its
 * default. duration_ns: since then. */
int memory_pprof_write(int (*sink)(const void *bytes, size_t count, void *context), void *context, size_t mean_bytes,
                       uint64_t duration_ns);

#endif
