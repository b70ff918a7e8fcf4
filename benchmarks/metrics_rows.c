/* metrics_rows.c: the numbers of a manager with 1,000 pools, as a snapshot and as text.
 *
 *     metrics_1k    per pool. copy: memcpy of the same text, in pieces of a page, which is the least that a sink costs;
 *                   prometheus, openmetrics: the texts, into a sink that copies them; take: the snapshot
 */
#include <errno.h>
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timed_row.h"

enum { POOLS = 1000, TEXT_MAX = 8 << 20, PIECE = 4096 };

static lido_manager *manager;
static lido_snapshot *snapshot;
static char *text;
static char *source; /* the text that `copy` copies */
static size_t text_bytes;

static int put(const char *part, size_t bytes, void *unused) {
  (void)unused;
  if (text_bytes + bytes > TEXT_MAX) return ENOSPC;
  memcpy(text + text_bytes, part, bytes);
  text_bytes += bytes;
  return 0;
}

static void write_text(lido_metrics_format format) {
  text_bytes = 0;
  if (lido_metrics_write(snapshot, format, put, NULL) != 0) bench_die("the text has no room");
}

static void copy(size_t count) {
  size_t bytes = text_bytes;
  for (size_t i = 0; i < count; i++) {
    text_bytes = 0;
    while (text_bytes < bytes) put(source + text_bytes, PIECE < bytes - text_bytes ? PIECE : bytes - text_bytes, NULL);
  }
}

static void prometheus(size_t count) {
  for (size_t i = 0; i < count; i++) write_text(LIDO_METRICS_PROMETHEUS);
}

static void openmetrics(size_t count) {
  for (size_t i = 0; i < count; i++) write_text(LIDO_METRICS_OPENMETRICS);
}

static void take(size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (lido_snapshot_take(snapshot, manager) != 0) bench_die("no memory for a snapshot");
  }
}

static void make_pools(void) {
  for (int i = 0; i < POOLS; i++) {
    char name[32];
    snprintf(name, sizeof name, "requests_of_kind_%d", i);
    lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = 64});
    for (int j = 0; pool != NULL && j < 10 + i; j++) {
      if (lido_pool_alloc(pool) == NULL) bench_die("no memory for objects");
    }
    if (pool == NULL) bench_die("no pool");
  }
}

static void metrics_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "copy", .run = copy, .parts = POOLS},
                                    {.name = "prometheus", .run = prometheus, .parts = POOLS},
                                    {.name = "openmetrics", .run = openmetrics, .parts = POOLS},
                                    {.name = "take", .run = take, .parts = POOLS}};
  text = malloc(TEXT_MAX);
  source = malloc(TEXT_MAX);
  manager = lido_manager_create(NULL, NULL);
  snapshot = lido_snapshot_create();
  if (text == NULL || source == NULL || manager == NULL || snapshot == NULL) bench_die("no memory");
  make_pools();
  take(1);
  write_text(LIDO_METRICS_PROMETHEUS);
  memcpy(source, text, text_bytes);
  timed_row(options, "metrics_1k", subjects, sizeof subjects / sizeof *subjects);
}

static void start_thread(void *unused) { (void)unused; }

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  bench_job nothing = {.run = start_thread};
  bench_together(NULL, &nothing);
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  if (bench_wants(&options, "metrics_1k")) metrics_row(&options);
  return 0;
}
