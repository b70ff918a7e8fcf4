/* lido/metrics.h: a snapshot as text: for Prometheus and OpenMetrics, and for people.
 *
 *     lido_metrics_write_fd(snapshot, LIDO_METRICS_PROMETHEUS, STDOUT_FILENO);
 *
 * Names follow Prometheus's conventions: lido_pool_live_objects{pool="conns"}, base units (bytes, seconds), counters
 * end in _total, ratios are 0 to 1. They are made from the same lists as the statistics structs, so nothing can be
 * missing; docs/metrics.md has them all. An exporter that serves them over HTTP is in lido/exporter.h.
 *
 * Threads: a snapshot is used by one at a time. Costs some microseconds a pool, and allocates nothing.
 */
#ifndef LIDO_METRICS_H
#define LIDO_METRICS_H

#include "lido/snapshot.h"

LIDO_BEGIN

typedef enum lido_metrics_format {
  LIDO_METRICS_PROMETHEUS,  /* text/plain; version=0.0.4 */
  LIDO_METRICS_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
} lido_metrics_format;

/* What HTTP calls the format. */
LIDO_API const char *lido_metrics_content_type(lido_metrics_format format);

/* 0, EINVAL (no such format), or what the sink returned. */
LIDO_API int lido_metrics_write(const lido_snapshot *snapshot, lido_metrics_format format, lido_text_sink sink,
                                void *context);

/* Into a buffer, with a zero at its end, as snprintf does. -> bytes of the whole text without that zero; no less than
 * `room` means that it did not fit. */
LIDO_API size_t lido_metrics_write_buffer(const lido_snapshot *snapshot, lido_metrics_format format, char *buffer,
                                          size_t room);

/* 0, or what write(2) said. Short writes and EINTR are seen to. */
LIDO_API int lido_metrics_write_fd(const lido_snapshot *snapshot, lido_metrics_format format, int descriptor);

/* A table for people: pools, arena classes, caches, limits. As lido_metrics_write. */
LIDO_API int lido_snapshot_print(const lido_snapshot *snapshot, lido_text_sink sink, void *context);

LIDO_END

#endif
