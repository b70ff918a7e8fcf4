/* metric_fields.h: the statistics structs as tables, from the same X-lists, and the names of the metrics that are made
 * of them.
 *
 * Idea: a list in a public header has name, kind, unit and text of each number; a table here has the offset, too. So a
 * number that is added to a list is a metric without further ado. The rule for a name (Prometheus, "Metric and label
 * naming"): lido_SUBJECT_NAME, then
 *   bytes        "_bytes"; a NAME that begins with "bytes_" loses that
 *   nanoseconds  "_seconds"; a NAME that ends in "_ns" loses that
 *   a gauge of objects or arenas: these, unless the NAME has the word already
 *   and a counter ends in "_total".
 */
#ifndef LIDO_LIB_REPORT_METRIC_FIELDS_H
#define LIDO_LIB_REPORT_METRIC_FIELDS_H

#include <string.h>

#include "lido/snapshot.h"

/* The last part of the first two is what the X-lists call a kind. */
typedef enum lido_metric_kind {
  LIDO_METRIC_gauge,
  LIDO_METRIC_counter,
  LIDO_METRIC_histogram,
  LIDO_METRIC_info,
} lido_metric_kind;

typedef struct lido_metric_field {
  const char *name;
  const char *unit;
  const char *text;
  size_t offset; /* of a uint64_t in its struct */
  lido_metric_kind kind;
} lido_metric_field;

typedef struct lido_metric_fields {
  const lido_metric_field *fields;
  size_t count;
} lido_metric_fields;

lido_metric_fields lido_pool_fields(void);
lido_metric_fields lido_arena_class_fields(void);
lido_metric_fields lido_cache_fields(void);
lido_metric_fields lido_cache_reason_fields(void); /* of evictions; names without "evicted_" */
lido_metric_fields lido_manager_fields(void);
lido_metric_fields lido_budget_fields(void);
lido_metric_fields lido_weak_fields(void);
lido_metric_fields lido_guard_fields(void);

static inline uint64_t lido_field_value(const lido_metric_field *field, const void *stats) {
  uint64_t value;
  memcpy(&value, (const char *)stats + field->offset, sizeof value);
  return value;
}

/* ---- Families ---- */

enum { LIDO_FAMILY_NAME_ROOM = 96 };

/* All samples of one name. */
typedef struct lido_family {
  lido_metric_kind kind;
  const char *unit; /* "bytes", "seconds", "ratio" or "" */
  const char *help;
  size_t bytes;                     /* of the family's name, which `name` begins with */
  size_t sample_bytes;              /* of all of it */
  char name[LIDO_FAMILY_NAME_ROOM]; /* of samples: with _total or _info */
} lido_family;

/* "lido_" `name` and what the kind adds. pre: names are short enough. */
lido_family lido_family_make(lido_metric_kind kind, const char *name, const char *unit, const char *help);

lido_family lido_family_of_field(const char *subject, const lido_metric_field *field);

#endif
