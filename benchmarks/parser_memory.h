/* parser_memory.h: where a parser and what is built of its document take their memory: one allocator for each program,
 * by one of JOB_LIBC, JOB_MIMALLOC, JOB_APR, JOB_LIDO, JOB_LIDO_REUSE.
 *
 * An arena and a pool of APR need no free: at the end of the document everything goes. But a realloc must know the old
 * size, which the hooks of C libraries do not tell, so pieces have a header of 16 bytes there, unless the job
 * says that its library never resizes (MEMORY_PLAIN, which must not be freed either).
 */
#ifndef LIDO_BENCHMARKS_PARSER_MEMORY_H
#define LIDO_BENCHMARKS_PARSER_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "harness.h"

static size_t memory_calls; /* of the functions below; counted for all alike */

/* ---- Without regions: pieces come and go one by one ---- */

#if defined(JOB_LIBC) || defined(JOB_MIMALLOC)

#if defined(JOB_MIMALLOC)
#include <mimalloc.h>
#define JOB_NAME "mimalloc"
#define MEMORY_CALL(name) mi_##name
#else
#define JOB_NAME "libc"
#define MEMORY_CALL(name) name
#endif

enum { MEMORY_FORGETS = 0 };

static void memory_begin(void) {}
static void memory_reset(void) {}

static inline void *memory_alloc(size_t bytes) {
  memory_calls++;
  return MEMORY_CALL(malloc)(bytes);
}

static inline void *memory_realloc(void *piece, size_t bytes) {
  memory_calls++;
  return MEMORY_CALL(realloc)(piece, bytes);
}

static inline void memory_free(void *piece) {
  memory_calls++;
  MEMORY_CALL(free)(piece);
}

static inline void *memory_alloc_plain(size_t bytes) { return memory_alloc(bytes); }
static inline void memory_free_plain(void *piece) { memory_free(piece); }

/* ---- Regions ---- */

#else

enum { MEMORY_FORGETS = 1, MEMORY_HEADER = 16 };

#if defined(JOB_APR)

#include <apr_general.h>
#include <apr_pools.h>
#define JOB_NAME "apr"

static apr_pool_t *region;

static void memory_begin(void) {
  apr_allocator_t *allocator = NULL;
  if (apr_initialize() != APR_SUCCESS || apr_allocator_create(&allocator) != APR_SUCCESS) bench_die("no APR");
  if (apr_pool_create_ex(&region, NULL, NULL, allocator) != APR_SUCCESS) bench_die("no pool of APR");
}

static void memory_reset(void) { apr_pool_clear(region); }

static inline void *region_alloc(size_t bytes) { return apr_palloc(region, bytes); }

static inline void *region_realloc(char *piece, size_t old_bytes, size_t bytes) {
  return bytes <= old_bytes ? piece : memcpy(region_alloc(bytes), piece, old_bytes);
}

static inline void region_free(char *piece, size_t bytes) { (void)piece, (void)bytes; }

#else

#include <lido/arena.h>

#if defined(JOB_LIDO_REUSE)
#define JOB_NAME "lido_reuse"
#define MEMORY_FLAGS LIDO_ARENA_REUSE
#else
#define JOB_NAME "lido"
#define MEMORY_FLAGS 0
#endif

#ifndef MEMORY_CHUNK
#define MEMORY_CHUNK 0 /* the default */
#endif

static lido_arena *region;

static void memory_begin(void) {
  region =
      lido_arena_create(&(lido_arena_options){.name = "document", .chunk_bytes = MEMORY_CHUNK, .flags = MEMORY_FLAGS});
  if (region == NULL) bench_die("no arena");
}

static void memory_reset(void) { lido_arena_reset(region); }

static inline void *region_alloc(size_t bytes) { return lido_arena_alloc(region, bytes); }

static inline void *region_realloc(char *piece, size_t old_bytes, size_t bytes) {
  return lido_arena_realloc(region, piece, old_bytes, bytes);
}

/* Without reuse, nothing is gained by telling the arena. */
static inline void region_free(char *piece, size_t bytes) {
  if (MEMORY_FLAGS != 0) lido_arena_free(region, piece, bytes);
}

#endif

static inline void *with_header(char *memory, size_t bytes) {
  if (memory == NULL) return NULL;
  *(size_t *)(void *)memory = bytes;
  return memory + MEMORY_HEADER;
}

static inline size_t size_of(char *piece) { return *(size_t *)(void *)(piece - MEMORY_HEADER); }

static inline void *memory_alloc(size_t bytes) {
  memory_calls++;
  return with_header(region_alloc(bytes + MEMORY_HEADER), bytes);
}

static inline void *memory_realloc(void *piece, size_t bytes) {
  if (piece == NULL) return memory_alloc(bytes);
  memory_calls++;
  char *memory = (char *)piece - MEMORY_HEADER;
  return with_header(region_realloc(memory, size_of(piece) + MEMORY_HEADER, bytes + MEMORY_HEADER), bytes);
}

static inline void memory_free(void *piece) {
  memory_calls++;
  if (piece != NULL) region_free((char *)piece - MEMORY_HEADER, size_of(piece) + MEMORY_HEADER);
}

static inline void *memory_alloc_plain(size_t bytes) {
  memory_calls++;
  return region_alloc(bytes);
}

static inline void memory_free_plain(void *piece) {
  (void)piece;
  memory_calls++;
}

#endif

#endif
