/* metrics_page.c: see metrics_page.h. */
#include "examples/http_server/metrics_page.h"

#include <stdio.h>

#include "examples/http_server/connection_memory.h"
#include "examples/http_server/memory_reports.h"
#include "examples/http_server/metric_text.h"

#define WRITE_COUNTER(name, kind, text) metric_single(page, "http_" #name, #kind, text, counters->name);

static void write_requests(const struct metric_page *page, const struct server_counters *counters) {
  metric_begin(page, "http_requests_total", "counter", "requests answered, by the class of the status");
  for (int class = 1; class < STATUS_CLASSES; class ++) {
    char label[32];
    snprintf(label, sizeof label, "{class=\"%dxx\"}", class);
    metric_value(page, "http_requests_total", label, counters->requests[class]);
  }
}

static void write_memory(const struct metric_page *page) {
  uint64_t calls = request_memory_allocator_calls() + connection_memory_allocator_calls();
  metric_single(page, "http_allocator_calls_total", "counter", "calls of the allocator behind requests and connections",
                calls);
  metric_single(page, "http_memory_requests_live", "gauge", "requests that have memory", request_memory_live());
  metric_single(page, "http_memory_connections_live", "gauge", "connections that have memory",
                connection_memory_live());
}

const char *metrics_page_type(bool open_metrics) {
  return open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4";
}

void metrics_page_write(request_bytes *text, const struct server_counters *counters, bool open_metrics) {
  const struct metric_page *page = &(struct metric_page){.text = text, .open_metrics = open_metrics};
  write_requests(page, counters);
  SERVER_COUNTERS(WRITE_COUNTER)
  write_memory(page);
  memory_report_metrics(page);
}
