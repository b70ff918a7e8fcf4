/* metric_samples.c: see metric_samples.h. */
#include "lib/report/metric_samples.h"

#include "lib/base/bits.h"
#include "lib/report/name_text.h"

/* ---- Families ---- */

static const char *type_of(lido_metrics_format format, lido_metric_kind kind) {
  static const char *const types[] = {"gauge", "counter", "histogram", "info"};
  return format == LIDO_METRICS_PROMETHEUS && kind == LIDO_METRIC_info ? "gauge" : types[kind];
}

static void put_line(lido_metrics_writer *writer, const char *what, const lido_family *family, const char *text) {
  size_t bytes = writer->format == LIDO_METRICS_PROMETHEUS ? family->sample_bytes : family->bytes;
  lido_text(&writer->out, what);
  lido_text_put(&writer->out, family->name, bytes);
  lido_text(&writer->out, " ");
  lido_text(&writer->out, text);
  lido_text(&writer->out, "\n");
}

void lido_family_put(lido_metrics_writer *writer, const lido_family *family) {
  put_line(writer, "# HELP ", family, family->help);
  put_line(writer, "# TYPE ", family, type_of(writer->format, family->kind));
  if (writer->format == LIDO_METRICS_OPENMETRICS && *family->unit != '\0') {
    put_line(writer, "# UNIT ", family, family->unit);
  }
}

/* ---- Samples ---- */

static void put_label(lido_text_out *out, const char *before, lido_label label) {
  lido_text(out, before);
  lido_text(out, label.key);
  lido_text_put(out, "=\"", 2);
  lido_name_put_label(out, label.value);
  lido_text_put(out, "\"", 1);
}

static void put_labels(lido_text_out *out, lido_label first, lido_label second) {
  if (first.key == NULL) return;
  put_label(out, "{", first);
  if (second.key != NULL) put_label(out, ",", second);
  lido_text_put(out, "}", 1);
}

static void put_sample(lido_metrics_writer *writer, const lido_family *family, lido_label first, lido_label second,
                       const char *number, size_t bytes) {
  lido_text_put(&writer->out, family->name, family->sample_bytes);
  put_labels(&writer->out, first, second);
  lido_text_put(&writer->out, " ", 1);
  lido_text_put(&writer->out, number, bytes);
  lido_text_put(&writer->out, "\n", 1);
}

void lido_sample_put(lido_metrics_writer *writer, const lido_family *family, lido_label first, lido_label second,
                     uint64_t value) {
  char number[LIDO_NUMBER_ROOM];
  put_sample(writer, family, first, second, number, lido_number_write(number, value));
}

void lido_sample_put_seconds(lido_metrics_writer *writer, const lido_family *family, lido_label first,
                             lido_label second, uint64_t ns) {
  char number[LIDO_NUMBER_ROOM];
  put_sample(writer, family, first, second, number, lido_number_write_seconds(number, ns));
}

void lido_sample_put_ratio(lido_metrics_writer *writer, const lido_family *family, lido_label first, lido_label second,
                           uint64_t part, uint64_t whole) {
  char number[LIDO_NUMBER_ROOM];
  if (whole == 0) return;
  size_t bytes = lido_number_write_ratio(number, lido_min(part, whole), whole);
  put_sample(writer, family, first, second, number, bytes);
}

/* ---- Histograms ---- */

static void put_histogram_sample(lido_metrics_writer *writer, const lido_family *family, const char *suffix,
                                 const char *limit, const char *number) {
  lido_text_put(&writer->out, family->name, family->bytes);
  lido_text(&writer->out, suffix);
  if (limit != NULL) put_label(&writer->out, "{", (lido_label){"le", limit});
  lido_text(&writer->out, limit != NULL ? "} " : " ");
  lido_text(&writer->out, number);
  lido_text(&writer->out, "\n");
}

static void write_limit(char *room, size_t bucket) {
  if (bucket == LIDO_DURATION_BUCKETS - 1) {
    memcpy(room, "+Inf", sizeof "+Inf");
  } else {
    lido_number_write_seconds(room, lido_duration_bucket_end(bucket));
  }
}

/* The count is added up here, since no scraper takes one that is not that of the buckets. "le" is "less or equal", and
 * a bucket's end is not in the bucket: what took exactly so many nanoseconds is counted one bucket too high. */
void lido_durations_put(lido_metrics_writer *writer, const lido_family *family, const lido_durations *durations) {
  char limit[LIDO_NUMBER_ROOM];
  char number[LIDO_NUMBER_ROOM];
  uint64_t count = 0;
  lido_family_put(writer, family);
  for (size_t i = 0; i < LIDO_DURATION_BUCKETS; i++) {
    count += durations->buckets[i];
    write_limit(limit, i);
    lido_number_write(number, count);
    put_histogram_sample(writer, family, "_bucket", limit, number);
  }
  put_histogram_sample(writer, family, "_count", NULL, number);
  lido_number_write_seconds(number, durations->sum_ns);
  put_histogram_sample(writer, family, "_sum", NULL, number);
}
