/* 35_tuning.c: a pool is tuned while it is used: first so that no alloc waits for the system, then so that free memory
 * goes back. */
#include <inttypes.h>
#include <lido/pool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MESSAGE = 4096, BURST = 2000, BURST_BYTES = BURST * MESSAGE };

static void *messages[BURST];

static void show(const char *when, lido_pool *pool) {
  uint64_t bins[LIDO_OCCUPANCY_BINS];
  lido_pool_stats stats;
  lido_backing_stats backing;
  lido_pool_stats_get(pool, &stats);
  lido_pool_occupancy_histogram(pool, bins);
  lido_backing_stats_get(lido_backing_pages(), &backing);
  printf("%-22s %4" PRIu64 " slabs, %4" PRIu64 " of them empty, %4" PRIu64 " ready; %6" PRIu64
         " KiB wait for a purge\n",
         when, stats.slabs, bins[0], stats.slabs_ready, backing.bytes_dirty / 1024);
}

static int burst(lido_pool *pool) {
  if (lido_pool_alloc_batch(pool, messages, BURST) != BURST) return -1;
  for (size_t i = 0; i < BURST; i++) memset(messages[i], 1, MESSAGE);
  lido_pool_free_batch(pool, messages, BURST);
  return 0;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(void) {
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.name = "messages", .object_size = MESSAGE, .backing = lido_backing_pages()});
  if (pool == NULL) return 1;

  /* Ahead of the burst: its slabs with their pages, none of which goes back by itself. */
  lido_pool_tuning fast = {.ready_bytes = BURST_BYTES, .retain_bytes = SIZE_MAX};
  if (lido_pool_tune(pool, &fast) != 0 || lido_pool_prepare(pool) < BURST_BYTES) return 1;
  show("made ready", pool);
  if (burst(pool) != 0) return 1;
  show("after a burst", pool);

  /* Quiet times: memory goes back, its pages a second later. Whoever needs it before finds them still there. */
  lido_pool_tuning lean = {.retain_bytes = 1, .retain_percent = LIDO_RETAIN_NONE, .purge_delay_ns = 1000000000};
  if (lido_pool_tune(pool, &lean) != 0) return 1;
  size_t given_back = lido_pool_trim_to(pool, 1 << 20);
  show("all but a MiB goes", pool);
  size_t too_early = lido_backing_purge(lido_backing_pages(), now_ns());
  size_t purged = lido_backing_purge(lido_backing_pages(), now_ns() + 1000000000); /* from a timer, a second later */
  show("and its pages too", pool);
  return lido_pool_destroy(pool) == 0 && too_early == 0 && purged >= given_back ? 0 : 1;
}
