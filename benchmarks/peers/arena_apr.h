/* peers/arena_apr.h: pools of the Apache Portable Runtime: one that is cleared for each request, and one that is made
 * and destroyed. Both stand below a pool with an allocator of its own, as a server's threads have: without its lock. */
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_version.h>

#define PEER_NAME "apr"

static apr_pool_t *apr_parent;
static apr_pool_t *apr_cleared;

static inline apr_pool_t *apr_child(void) {
  apr_pool_t *pool = NULL;
  if (apr_pool_create(&pool, apr_parent) != APR_SUCCESS) bench_die("apr_pool_create failed");
  return pool;
}

#define SUBJECT apr_clear
#define SUBJECT_BEGIN apr_pool_t *pool = apr_cleared;
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) apr_palloc(pool, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) apr_pool_clear(pool)
#include "arena_loops.h"

#define SUBJECT apr_create
#define SUBJECT_BEGIN
#define SUBJECT_OPEN apr_pool_t *pool = apr_child();
#define SUBJECT_ALLOC(bytes) apr_palloc(pool, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) apr_pool_destroy(pool)
#include "arena_loops.h"

#define PEER_SUBJECTS ARENA_SUBJECT(apr_clear), ARENA_SUBJECT(apr_create)

static void peer_begin(void) {
  apr_allocator_t *allocator = NULL;
  if (apr_initialize() != APR_SUCCESS || apr_allocator_create(&allocator) != APR_SUCCESS) bench_die("no APR");
  if (apr_pool_create_ex(&apr_parent, NULL, NULL, allocator) != APR_SUCCESS) bench_die("no pool of APR");
  apr_cleared = apr_child();
  bench_fact("serving", "apr_palloc");
  bench_fact("version", apr_version_string());
}
