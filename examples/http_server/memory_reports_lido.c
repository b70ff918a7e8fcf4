/* memory_reports_lido.c: see memory_reports.h.
 *
 * The snapshot is made once and used again, outside of the limits; only the text of a report is memory of its request.
 */
#include "examples/http_server/memory_reports_lido.h"

#include <errno.h>
#include <lido/alert.h>
#include <lido/heap_profile.h>
#include <lido/metrics.h>
#include <lido/snapshot.h>
#include <lido/socket.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "examples/http_server/memory_json.h"
#include "examples/http_server/memory_manager_owner.h"
#include "examples/http_server/memory_pprof.h"
#include "examples/http_server/memory_reports.h"

static struct {
  lido_snapshot *snapshot;
  lido_snapshot_socket *window; /* NULL: not asked for */
  uint64_t profile_start_ns;
} reports;

enum { CLEAR_PERCENT = 90 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int fail(int status, const char *option, const char *why) {
  fprintf(stderr, "http_server: %s: %s\n", option, why);
  return status;
}

/* ---- Alerts ---- */

static void log_alert(const lido_alert_event *event, void *context) {
  (void)context;
  const char *edge = event->edge == LIDO_ALERT_FIRING ? "FIRING" : "RESOLVED";
  fprintf(stderr, "alert %s %s: %.0f bytes in use, threshold %.0f\n", edge, event->name, event->value,
          event->threshold);
}

/* It ends some way below, so that a load that hovers does not fill the log. */
static int start_alert(uint64_t above) {
  double threshold = (double)above;
  lido_alert alert = lido_alert_add(memory_manager(), &(lido_alert_rule){.name = "memory",
                                                                         .field = LIDO_SAMPLE_budget_used,
                                                                         .above = true,
                                                                         .threshold = threshold,
                                                                         .clear = threshold * CLEAR_PERCENT / 100,
                                                                         .on_change = log_alert});
  return alert != 0 ? 0 : fail(1, "--alert-above", strerror(errno));
}

/* ---- The profile and the window ---- */

static int start_profile(const struct memory_options *options) {
  int error = lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = options->profile_mean});
  reports.profile_start_ns = now_ns();
  if (error == ENOTSUP) return fail(2, "--profile", "this build of Lido has no heap profile");
  return error == 0 ? 0 : fail(1, "--profile", strerror(error));
}

static int open_window(const char *path) {
  lido_snapshot_socket_options options = {.answer = memory_json_answer(), .path = path};
  if (options.answer == NULL) return fail(2, "--top-socket", "this build is without the part json");
  if (strcmp(path, MEMORY_TOP_DEFAULT) == 0) {
    options.path = NULL;
  } else if (path[0] != '/') {
    return fail(2, "--top-socket", "the path must begin with /");
  }
  reports.window = lido_snapshot_socket_open(memory_manager(), &options);
  return reports.window != NULL ? 0 : fail(1, "--top-socket", strerror(errno));
}

int memory_reports_start(const struct memory_options *options) {
  reports.snapshot = lido_snapshot_create();
  int status = reports.snapshot == NULL ? fail(1, "start", strerror(errno)) : 0;
  if (status == 0 && options->alert_above != 0) status = start_alert(options->alert_above);
  if (status == 0 && options->profile) status = start_profile(options);
  if (status == 0 && options->top_socket != NULL) status = open_window(options->top_socket);
  return status;
}

void memory_reports_end(void) {
  lido_snapshot_socket_close(reports.window);
  lido_heap_profile_stop();
  lido_snapshot_destroy(reports.snapshot);
}

/* ---- Reports ---- */

static int add_text(const char *text, size_t count, void *context) {
  return request_bytes_add(context, text, count) ? 0 : ENOMEM;
}

static int add_bytes(const void *bytes, size_t count, void *context) { return add_text(bytes, count, context); }

void memory_report_metrics(const struct metric_page *page) {
  lido_metrics_format format = page->open_metrics ? LIDO_METRICS_OPENMETRICS : LIDO_METRICS_PROMETHEUS;
  if (lido_snapshot_take(reports.snapshot, memory_manager()) != 0 ||
      lido_metrics_write(reports.snapshot, format, add_text, page->text) != 0) {
    page->text->failed = true;
  }
}

int memory_report_profile(request_bytes *body) {
  if (!memory_manager_options()->profile) return ENOENT;
  return memory_pprof_write(add_bytes, body, memory_manager_options()->profile_mean,
                            now_ns() - reports.profile_start_ns);
}

int memory_report_snapshot(request_bytes *body) {
  int error = lido_snapshot_take(reports.snapshot, memory_manager());
  return error != 0 ? error : memory_json_write(reports.snapshot, add_text, body);
}
