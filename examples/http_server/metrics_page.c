/* metrics_page.c: see metrics_page.h. */
#include "examples/http_server/metrics_page.h"

#include <stdio.h>

#include "examples/http_server/connection_memory.h"
#include "examples/http_server/metric_text.h"

#define WRITE_COUNTER(name, kind, text) metric_single(page, "http_" #name, #kind, text, counters->name);

static void write_requests(request_bytes *page, const struct server_counters *counters) {
  metric_begin(page, "http_requests_total", "counter", "requests answered, by the class of the status");
  for (int class = 1; class < STATUS_CLASSES; class ++) {
    char label[32];
    snprintf(label, sizeof label, "{class=\"%dxx\"}", class);
    metric_value(page, "http_requests_total", label, counters->requests[class]);
  }
}

static void write_memory(request_bytes *page) {
  uint64_t calls = request_memory_allocator_calls() + connection_memory_allocator_calls();
  metric_single(page, "http_allocator_calls_total", "counter", "calls of the allocator behind requests and connections",
                calls);
  metric_single(page, "http_memory_requests_live", "gauge", "requests that have memory", request_memory_live());
  metric_single(page, "http_memory_connections_live", "gauge", "connections that have memory",
                connection_memory_live());
  request_memory_describe(page);
  connection_memory_describe(page);
}

void metrics_page_write(request_bytes *page, const struct server_counters *counters) {
  write_requests(page, counters);
  SERVER_COUNTERS(WRITE_COUNTER)
  write_memory(page);
}
