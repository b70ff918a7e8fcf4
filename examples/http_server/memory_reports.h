/* memory_reports.h: what the memory can say of itself: metrics, a heap profile, a snapshot.
 *
 * memory_reports_lido.c asks the manager; memory_manager_malloc.c knows nothing.
 */
#ifndef LIDO_EXAMPLES_MEMORY_REPORTS_H
#define LIDO_EXAMPLES_MEMORY_REPORTS_H

#include "examples/http_server/metric_text.h"
#include "examples/http_server/request_memory.h"

/* Lines of the metrics page; its last ones, for they may end it. No memory: the page is failed. */
void memory_report_metrics(const struct metric_page *page);

/* 0; ENOENT: the profile was not started; ENOTSUP: this build can't; ENOMEM. */
int memory_report_profile(request_bytes *body);

/* 0, ENOTSUP, ENOMEM. */
int memory_report_snapshot(request_bytes *body);

#endif
