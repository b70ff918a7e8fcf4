/* metric_text.c: see metric_text.h. */
#include "examples/http_server/metric_text.h"

#include <inttypes.h>
#include <string.h>

void metric_begin(const struct metric_page *page, const char *name, const char *kind, const char *help) {
  size_t count = strlen(name);
  if (page->open_metrics && strcmp(kind, "counter") == 0) count -= sizeof "_total" - 1;
  request_bytes_printf(page->text, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)count, name, help, (int)count, name, kind);
}

void metric_value(const struct metric_page *page, const char *name, const char *labels, uint64_t value) {
  request_bytes_printf(page->text, "%s%s %" PRIu64 "\n", name, labels, value);
}

void metric_single(const struct metric_page *page, const char *name, const char *kind, const char *help,
                   uint64_t value) {
  metric_begin(page, name, kind, help);
  metric_value(page, name, "", value);
}
