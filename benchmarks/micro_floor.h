/* micro_floor.h: the floor as a subject; it stands in every program, so that ratios to it can be
 * compared across processes. */
#ifndef LIDO_BENCHMARKS_MICRO_FLOOR_H
#define LIDO_BENCHMARKS_MICRO_FLOOR_H

#include "floor.h"
#include "micro.h"

#define SUBJECT floor
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() floor_alloc()
#define SUBJECT_FREE(object) floor_free(object)
#include "micro_loops.h"

#define MICRO_FLOOR \
  { .name = "floor", SUBJECT_LOOPS(floor), .forget = floor_forget, .settle = floor_release_blocks }

#endif
