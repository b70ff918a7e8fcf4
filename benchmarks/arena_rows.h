/* arena_rows.h: a subject of the arena rows (an allocator that serves requests), and the rows.
 *
 * A request takes some pieces, writes to each, and drops them all. As in the micro rows a sample is one slice
 * of some tens of milliseconds, and the subjects of a row take turns slice by slice.
 */
#ifndef LIDO_BENCHMARKS_ARENA_ROWS_H
#define LIDO_BENCHMARKS_ARENA_ROWS_H

#include <stddef.h>

#include "harness.h"

enum { ARENA_PIECES = 64, ARENA_KEPT_MAX = 1 << 17 };

/* Sizes of a request's pieces, 16 to 512 bytes: the same in every program and for every request. */
extern unsigned short arena_sizes[ARENA_PIECES];

/* Pieces of the present request, for allocators that want them back one by one. */
extern void *arena_kept[ARENA_KEPT_MAX];

typedef struct arena_subject {
  const char *name;
  void (*requests)(size_t count);
  size_t parts;                             /* figures are for one of so many: the pieces of a request; 0 = 1 */
  void (*one)(size_t pieces, size_t bytes); /* a request of so many pieces of one size, every page written; optional */
} arena_subject;

/* Read the command line and make the table of sizes. */
bench_options arena_begin(int argc, char **argv);

/* One row: nanoseconds for each subject. */
void arena_row(const bench_options *options, const char *row, const arena_subject *subjects, size_t count);

/* The rows that every program has. The first subject is the floor; the second is asked what it keeps after a huge
 * request (`reserved`, or NULL: only the kernel is asked). */
void arena_run(const bench_options *options, const arena_subject *subjects, size_t count, double (*reserved)(void));

#endif
