/* metrics_page.h: all figures of the server and of its memory, for Prometheus. */
#ifndef LIDO_EXAMPLES_METRICS_PAGE_H
#define LIDO_EXAMPLES_METRICS_PAGE_H

#include "examples/http_server/request_memory.h"
#include "examples/http_server/server_counters.h"

/* What HTTP calls the page. */
const char *metrics_page_type(bool open_metrics);

void metrics_page_write(request_bytes *text, const struct server_counters *counters, bool open_metrics);

#endif
