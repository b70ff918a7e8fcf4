/* metric_text.c: see metric_text.h. */
#include "examples/http_server/metric_text.h"

#include <inttypes.h>

void metric_begin(request_bytes *page, const char *name, const char *kind, const char *help) {
  request_bytes_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void metric_value(request_bytes *page, const char *name, const char *labels, uint64_t value) {
  request_bytes_printf(page, "%s%s %" PRIu64 "\n", name, labels, value);
}

void metric_single(request_bytes *page, const char *name, const char *kind, const char *help, uint64_t value) {
  metric_begin(page, name, kind, help);
  metric_value(page, name, "", value);
}
