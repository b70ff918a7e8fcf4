/* memory_manager_malloc.c: see memory_manager.h and memory_reports.h. Malloc has no limits, and says nothing. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "examples/http_server/memory_manager.h"
#include "examples/http_server/memory_reports.h"

static const char *first_given(const struct memory_options *options) {
  if (options->soft_bytes != 0) return "--soft-bytes";
  if (options->hard_bytes != 0) return "--hard-bytes";
  if (options->retain_percent != 0) return "--retain-percent";
  if (options->policy != NULL) return "--policy";
  if (options->config != NULL) return "--config";
  if (options->top_socket != NULL) return "--top-socket";
  if (options->profile) return "--profile";
  return options->alert_above != 0 ? "--alert-above" : NULL;
}

int memory_manager_start(const struct memory_options *options) {
  const char *name = first_given(options);
  if (name == NULL) return 0;
  fprintf(stderr, "http_server: %s: the server on malloc has nothing for it\n", name);
  return 2;
}

uint64_t memory_manager_tick_ms(uint64_t otherwise) { return otherwise; }

void memory_manager_tick(void) {}

bool memory_manager_end(void) { return true; }

void memory_report_metrics(const struct metric_page *page) {
  if (page->open_metrics) request_bytes_add(page->text, "# EOF\n", 6);
}

int memory_report_profile(request_bytes *body) {
  (void)body;
  return ENOTSUP;
}

int memory_report_snapshot(request_bytes *body) {
  (void)body;
  return ENOTSUP;
}
