/* routes.c: see routes.h. */
#include "examples/http_server/routes.h"

#include <errno.h>
#include <string.h>

#include "examples/http_server/character_routes.h"
#include "examples/http_server/memory_reports.h"
#include "examples/http_server/metrics_page.h"

struct route {
  const char *path;
  bool has_item; /* one more segment follows the path; it comes to the handler decoded */
  enum http_status (*answer)(struct exchange *exchange, const struct sources *sources, const struct route_input *input);
};

/* ---- The server itself ---- */

static enum http_status answer_health(struct exchange *exchange, const struct sources *sources,
                                      const struct route_input *input) {
  (void)sources, (void)input;
  request_bytes_printf(&exchange->response.body, "{\"status\":\"ok\"}\n");
  return HTTP_STATUS_OK;
}

static enum http_status answer_metrics(struct exchange *exchange, const struct sources *sources,
                                       const struct route_input *input) {
  (void)input;
  bool open_metrics = exchange->request.takes_open_metrics;
  exchange->response.type = metrics_page_type(open_metrics);
  metrics_page_write(&exchange->response.body, sources->counters, open_metrics);
  return HTTP_STATUS_OK;
}

/* ---- Reports on the memory ---- */

static enum http_status status_of_report(int error) {
  switch (error) {
    case 0:
      return HTTP_STATUS_OK;
    case ENOENT:
      return HTTP_STATUS_NOT_FOUND;
    case ENOTSUP:
      return HTTP_STATUS_NOT_IMPLEMENTED;
    default:
      return HTTP_STATUS_SERVICE_UNAVAILABLE;
  }
}

static enum http_status answer_profile(struct exchange *exchange, const struct sources *sources,
                                       const struct route_input *input) {
  (void)sources, (void)input;
  exchange->response.type = "application/octet-stream";
  return status_of_report(memory_report_profile(&exchange->response.body));
}

static enum http_status answer_snapshot(struct exchange *exchange, const struct sources *sources,
                                        const struct route_input *input) {
  (void)sources, (void)input;
  return status_of_report(memory_report_snapshot(&exchange->response.body));
}

/* ---- The table ---- */

static const struct route routes[] = {
    {"/characters/", true, answer_character},  {"/characters", false, answer_search},
    {"/blocks/", true, answer_block},          {"/blocks", false, answer_blocks},
    {"/healthz", false, answer_health},        {"/metrics", false, answer_metrics},
    {"/debug/profile", false, answer_profile}, {"/debug/snapshot", false, answer_snapshot},
};

static bool fits(const struct route *route, struct target_part path) {
  size_t count = strlen(route->path);
  if (path.count < count || memcmp(path.text, route->path, count) != 0) return false;
  if (!route->has_item) return path.count == count;
  return path.count > count && memchr(path.text + count, '/', path.count - count) == NULL;
}

static const struct route *route_of(struct target_part path) {
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    if (fits(&routes[i], path)) return &routes[i];
  }
  return NULL;
}

static enum http_status call(const struct route *route, struct exchange *exchange, const struct sources *sources,
                             const struct request_target *target) {
  struct route_input input = {.query = target->query};
  if (route->has_item) {
    size_t start = strlen(route->path);
    struct target_part item = {.text = target->path.text + start, .count = target->path.count - start};
    input.item = decode_path(exchange->memory, item);
    if (input.item == NULL) return errno == ENOMEM ? HTTP_STATUS_SERVICE_UNAVAILABLE : HTTP_STATUS_BAD_REQUEST;
  }
  return route->answer(exchange, sources, &input);
}

/* ---- Methods ---- */

/* Those of HTTP itself are known but not allowed here; those of its extensions are not even known. */
static enum http_status refuse(enum http_method method) {
  switch (method) {
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_PATCH:
    case HTTP_OPTIONS:
    case HTTP_TRACE:
    case HTTP_CONNECT:
      return HTTP_STATUS_METHOD_NOT_ALLOWED;
    default:
      return HTTP_STATUS_NOT_IMPLEMENTED;
  }
}

static enum http_status status_of(struct exchange *exchange, const struct sources *sources) {
  const struct http_request *request = &exchange->request;
  struct request_target target;
  if (request->target.failed) return HTTP_STATUS_SERVICE_UNAVAILABLE;
  if (request->method != HTTP_GET && request->method != HTTP_HEAD) return refuse(request->method);
  if (!request_target_parse(&target, request->target.data, request->target.count)) return HTTP_STATUS_BAD_REQUEST;
  const struct route *route = route_of(target.path);
  return route == NULL ? HTTP_STATUS_NOT_FOUND : call(route, exchange, sources, &target);
}

void routes_answer(struct exchange *exchange, const struct sources *sources) {
  struct http_response *response = &exchange->response;
  response->type = "application/json";
  if (exchange->memory == NULL) {
    response->status = HTTP_STATUS_SERVICE_UNAVAILABLE;
    return;
  }
  response->body = request_bytes_begin(exchange->memory);
  response->status = status_of(exchange, sources);
}
