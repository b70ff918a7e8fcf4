/* memory_lido.c: what objects cost in memory, and what stays when they are gone.
 *
 *     fill      N objects of 64 bytes, each written once: bytes resident and reserved for each
 *     sparse    9 of 10 freed at random, then a trim: what stays reserved, and what the slabs with a
 *               live object need (as information also with 999 of 1,000 freed)
 *     empty     all freed, then a trim: what stays reserved and resident
 *
 * Resident is what the kernel says of the process, less what it said before the pool was made; the
 * array of pointers is the benchmark's own and resident from the start.
 */
#include <lido/pool.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { OBJECT = 64, OBJECTS = 2000000 };

typedef struct memory_bed {
  lido_pool *pool;
  void **objects;
  size_t count;
  size_t live;
  size_t before; /* bytes resident */
  size_t slab_bytes;
} memory_bed;

static double resident_growth(const memory_bed *bed) {
  size_t now = bench_resident();
  return now > bed->before ? (double)(now - bed->before) : 0;
}

static lido_pool_stats stats_of(const memory_bed *bed) {
  lido_pool_stats stats;
  lido_pool_stats_get(bed->pool, &stats);
  return stats;
}

static void create(memory_bed *bed) {
  bed->pool = lido_pool_create(&(lido_pool_options){.name = "memory", .object_size = OBJECT});
  if (bed->pool == NULL) bench_die("the pool could not be created");
}

static void fill(memory_bed *bed) {
  for (size_t i = 0; i < bed->count; i++) {
    uint64_t *object = lido_pool_alloc(bed->pool);
    if (object == NULL) bench_die("no memory for object %zu", i);
    *object = i;
    bed->objects[i] = object;
  }
  bed->live = bed->count;
  lido_pool_stats stats = stats_of(bed);
  bed->slab_bytes = (size_t)(stats.objects / stats.slabs) * OBJECT;
}

static void report_fill(const memory_bed *bed) {
  lido_pool_stats stats = stats_of(bed);
  bench_number("memory_fill", "resident", "bytes/object", resident_growth(bed) / (double)bed->count);
  bench_number("memory_fill", "reserved", "bytes/object", (double)stats.bytes_reserved / (double)bed->count);
  bench_number("memory_fill", "metadata", "bytes/object", (double)stats.bytes_metadata / (double)bed->count);
}

/* Free objects, picked at random, until `rest` are left. */
static void free_down_to(memory_bed *bed, size_t rest, uint64_t *seed) {
  bench_shuffle(bed->objects, bed->live, seed);
  while (bed->live > rest) lido_pool_free(bed->pool, bed->objects[--bed->live]);
}

/* How many slabs hold a live object, by the objects' addresses: slabs are aligned to their size when that is
 * a power of two. 0 = cannot be told. */
static size_t live_slabs(const memory_bed *bed) {
  size_t slab = bed->slab_bytes;
  if ((slab & (slab - 1)) != 0) return 0;
  uintptr_t low = UINTPTR_MAX, high = 0;
  for (size_t i = 0; i < bed->live; i++) {
    uintptr_t at = (uintptr_t)bed->objects[i] / slab;
    if (at < low) low = at;
    if (at > high) high = at;
  }
  size_t span = high - low + 1, slabs = 0;
  unsigned char *seen = bench_pages(span);
  for (size_t i = 0; i < bed->live; i++) seen[(uintptr_t)bed->objects[i] / slab - low] = 1;
  for (size_t i = 0; i < span; i++) slabs += seen[i];
  bench_pages_free(seen, span);
  return slabs;
}

static void report_sparse(const memory_bed *bed, const char *row) {
  double start = bench_now();
  size_t trimmed = lido_pool_trim(bed->pool);
  double took = bench_now() - start;
  lido_pool_stats stats = stats_of(bed);
  size_t needed = live_slabs(bed);
  bench_number(row, "live", "bytes", (double)bed->live * OBJECT);
  bench_number(row, "trimmed", "bytes", (double)trimmed);
  bench_number(row, "trim", "ns", took);
  bench_number(row, "reserved", "bytes", (double)stats.bytes_reserved);
  bench_number(row, "metadata", "bytes", (double)stats.bytes_metadata);
  bench_number(row, "resident", "bytes", resident_growth(bed));
  bench_number(row, "slabs", "slabs", (double)stats.slabs);
  bench_number(row, "slab", "bytes", (double)bed->slab_bytes);
  if (needed == 0) return;
  bench_number(row, "slabs_needed", "slabs", (double)needed);
  bench_number(row, "reserved_needed", "bytes", (double)(needed * bed->slab_bytes + stats.bytes_metadata));
}

static void report_empty(const memory_bed *bed) {
  size_t trimmed = lido_pool_trim(bed->pool);
  lido_pool_stats stats = stats_of(bed);
  bench_number("memory_empty", "trimmed", "bytes", (double)trimmed);
  bench_number("memory_empty", "reserved", "bytes", (double)stats.bytes_reserved);
  bench_number("memory_empty", "resident", "bytes", resident_growth(bed));
  bench_number("memory_empty", "backing", "bytes", (double)lido_backing_bytes(lido_backing_default()));
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  uint64_t seed = options.seed;
  memory_bed bed = {.count = options.scale != 0 ? options.scale : OBJECTS};
  bed.objects = bench_pages(bed.count * sizeof *bed.objects);
  bed.before = bench_resident();
  create(&bed);
  fill(&bed);
  report_fill(&bed);
  free_down_to(&bed, bed.count / 10, &seed);
  report_sparse(&bed, "memory_sparse");
  free_down_to(&bed, bed.count / 1000, &seed);
  report_sparse(&bed, "memory_thin");
  free_down_to(&bed, 0, &seed);
  report_empty(&bed);
  size_t left = lido_pool_destroy(bed.pool);
  if (left != 0) bench_die("%zu objects were still live", left);
  return 0;
}
