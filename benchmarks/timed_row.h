/* timed_row.h: a row of loops that are timed against each other: slice by slice in turns, so that what else happens on
 * the machine hits all alike. A sample is one slice of some tens of milliseconds.
 */
#ifndef LIDO_BENCHMARKS_TIMED_ROW_H
#define LIDO_BENCHMARKS_TIMED_ROW_H

#include "harness.h"

enum { TIMED_SUBJECTS_MAX = 8 };

typedef struct timed_subject {
  const char *name;
  void (*run)(size_t count);
  size_t parts; /* figures are for one of so many in each of `count`; 0 = 1 */
} timed_subject;

/* Nanoseconds for each subject. */
void timed_row(const bench_options *options, const char *row, const timed_subject *subjects, size_t count);

#endif
