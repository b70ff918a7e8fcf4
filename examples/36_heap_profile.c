/* 36_heap_profile.c: who allocated what is there.
 *
 * Two parts of a program share a pool; the profile tells them apart by their stacks. A real program leaves mean_bytes
 * at its default; here little is allocated, so samples are taken more often.
 */
#include <errno.h>
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REQUESTS = 3000, SESSIONS = 1000 };

struct conn {
  char bytes[200];
};

static void *requests[REQUESTS];
static void *sessions[SESSIONS];

static __attribute__((noinline)) void open_requests(lido_pool *pool) {
  for (size_t i = 0; i < REQUESTS; i++) requests[i] = lido_pool_alloc(pool);
}

static __attribute__((noinline)) void open_sessions(lido_pool *pool) {
  for (size_t i = 0; i < SESSIONS; i++) sessions[i] = lido_pool_alloc(pool);
}

static bool print_site(const lido_heap_site *site, void *unused) {
  (void)unused;
  printf("%s '%s': about %llu objects allocated, %llu live (%llu bytes), from %p\n", site->kind, site->name,
         (unsigned long long)site->alloc_objects, (unsigned long long)site->live_objects,
         (unsigned long long)site->live_bytes, site->frame_count != 0 ? site->frames[0] : NULL);
  return true;
}

int main(void) {
  int error = lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 4096, .cost_permille = 1000});
  if (error != 0) return error == ENOTSUP ? EXIT_SUCCESS : EXIT_FAILURE; /* built without checks */

  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "conn", .object_size = sizeof(struct conn)});
  if (pool == NULL) return EXIT_FAILURE;
  open_requests(pool);
  open_sessions(pool);
  lido_pool_free_batch(pool, requests, REQUESTS);

  if (lido_heap_profile_read(print_site, NULL) != 0) return EXIT_FAILURE;
  lido_heap_profile_stop();

  /* For people, with the names of functions as far as they are known (link with -rdynamic). The sessions are still
   * live. */
  fflush(stdout);
  if (lido_heap_leaks_write(STDOUT_FILENO) != 0) return EXIT_FAILURE;
  return lido_pool_destroy(pool) == SESSIONS ? EXIT_SUCCESS : EXIT_FAILURE;
}
