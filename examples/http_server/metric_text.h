/* metric_text.h: a page of metrics: Prometheus' text format, version 0.0.4, or OpenMetrics 1.0.0, which is nearly the
 * same.
 *
 * Two lines about a metric, then one for each value. A page that finds no memory remembers it; nothing to check here.
 */
#ifndef LIDO_EXAMPLES_METRIC_TEXT_H
#define LIDO_EXAMPLES_METRIC_TEXT_H

#include "examples/http_server/request_memory.h"

struct metric_page {
  request_bytes *text;
  bool open_metrics; /* there the name of a counter is without _total, but in its values */
};

/* kind: "counter", whose name ends in _total, or "gauge". */
void metric_begin(const struct metric_page *page, const char *name, const char *kind, const char *help);

/* labels: "" or as in `{class="2xx"}`. */
void metric_value(const struct metric_page *page, const char *name, const char *labels, uint64_t value);

/* A metric with one value. */
void metric_single(const struct metric_page *page, const char *name, const char *kind, const char *help,
                   uint64_t value);

#endif
