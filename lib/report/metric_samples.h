/* metric_samples.h: families and samples in the two text formats.
 *
 * Idea: the formats differ in what stands before a family's samples, and at the end; the samples are the same, so that
 * a series has the same name and labels whichever format a scraper asks for.
 *                  Prometheus 0.0.4                OpenMetrics 1.0.0
 *   counter        family x_total                  family x, samples x_total
 *   info           family x_info, a gauge          family x, samples x_info
 *   unit           only in the name                # UNIT, too, if it is bytes, seconds or ratio
 *   end            nothing                         # EOF
 * Not done: OpenMetrics' state sets, whose label would have to be named like the metric; a state is a gauge of 0 or 1
 * for each.
 * Sources: "Exposition formats" (Prometheus); OpenMetrics 1.0.0.
 */
#ifndef LIDO_LIB_REPORT_METRIC_SAMPLES_H
#define LIDO_LIB_REPORT_METRIC_SAMPLES_H

#include "lib/report/metric_fields.h"
#include "lib/report/text_out.h"

typedef struct lido_metrics_writer {
  const lido_snapshot *snapshot;
  lido_metrics_format format;
  lido_text_out out;
} lido_metrics_writer;

typedef struct lido_label {
  const char *key; /* NULL: there is no label */
  const char *value;
} lido_label;

static const lido_label LIDO_NO_LABEL = {NULL, NULL};

static inline bool lido_metrics_go_on(const lido_metrics_writer *writer) { return writer->out.error == 0; }

/* Before the family's first sample. */
void lido_family_put(lido_metrics_writer *writer, const lido_family *family);

/* One sample. */
void lido_sample_put(lido_metrics_writer *writer, const lido_family *family, lido_label first, lido_label second,
                     uint64_t value);
void lido_sample_put_seconds(lido_metrics_writer *writer, const lido_family *family, lido_label first,
                             lido_label second, uint64_t ns);
/* None if `whole` is 0, for there is no such ratio; no more than 1. */
void lido_sample_put_ratio(lido_metrics_writer *writer, const lido_family *family, lido_label first, lido_label second,
                           uint64_t part, uint64_t whole);

/* A whole histogram without labels. */
void lido_durations_put(lido_metrics_writer *writer, const lido_family *family, const lido_durations *durations);

#endif
