/* lido/pprof.h: the heap profile (lido/heap_profile.h) as a file for pprof.
 *
 *     lido_heap_profile_start(NULL);
 *     ...
 *     int error = lido_pprof_write_fd(file, NULL);
 *
 *     $ go tool pprof -top PROGRAM FILE                      what is in use, by function
 *     $ go tool pprof -sample_index=alloc_space -top ...     what was allocated
 *     $ go tool pprof -tags ...                              by pool and arena
 *     $ go tool pprof -tagfocus=pool=conns -http=: ...       one pool, in a browser
 *
 * Format: profile.proto, as google/pprof and Go's tools read it, in gzip. Four numbers for each stack and owner:
 * alloc_objects, alloc_space, inuse_objects, inuse_space (the default); the owner's name is the label "pool" or
 * "arena". They are scaled already: no tool has to. Names of functions come from the program's file when pprof reads
 * the profile; exported ones are in the profile, too, for where there is no such file. Build ids of the program and its
 * libraries are in it, so that pprof sees whether a file is the right one.
 *
 * This is a library of its own, lido_pprof, which needs protobuf-c and zlib.
 *
 * Threads: any, and several at once. Sinks are called without locks.
 * Cost: a copy of the profile's sites, and then memory for each address and name in it, once; the file is packed site
 * by site. docs/pprof.md has figures.
 * Errors: 0 or an errno value; errno is left alone. After an error the file is of no use.
 */
#ifndef LIDO_PPROF_H
#define LIDO_PPROF_H

#include "lido/base.h"
#include "lido/heap_profile.h"

LIDO_BEGIN

/* Takes `count` bytes of the file. 0, or an errno value, which ends the writing. */
typedef int (*lido_pprof_sink)(const void *bytes, size_t count, void *context);

/* Zero means default. */
typedef struct lido_pprof_options {
  size_t mean_bytes;    /* as given to lido_heap_profile_start: pprof shows it as the period. 0 = 512 KiB */
  uint64_t duration_ns; /* since the start of the profile; 0 = not told */
} lido_pprof_options;

/* Write the profile. 0, ENOMEM, or what the sink returned. `options` may be NULL. A program that never started a
 * profile has one without samples. */
LIDO_API int lido_pprof_write(lido_pprof_sink sink, void *context, const lido_pprof_options *options);

/* The same to a file descriptor. 0, ENOMEM, or what write(2) said. Short writes and EINTR are seen to. */
LIDO_API int lido_pprof_write_fd(int descriptor, const lido_pprof_options *options);

LIDO_END

#endif
