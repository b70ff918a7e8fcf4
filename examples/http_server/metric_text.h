/* metric_text.h: Prometheus' text format, version 0.0.4: two lines about a metric, then one for each value. */
#ifndef LIDO_EXAMPLES_METRIC_TEXT_H
#define LIDO_EXAMPLES_METRIC_TEXT_H

#include "examples/http_server/request_memory.h"

/* kind: "counter" or "gauge". A page that finds no memory remembers it; nothing to check here. */
void metric_begin(request_bytes *page, const char *name, const char *kind, const char *help);

/* labels: "" or as in `{class="2xx"}`. */
void metric_value(request_bytes *page, const char *name, const char *labels, uint64_t value);

/* A metric with one value. */
void metric_single(request_bytes *page, const char *name, const char *kind, const char *help, uint64_t value);

#endif
