/* http_response.c: see http_response.h. */
#include "examples/http_server/http_response.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examples/http_server/json_writer.h"

static const char *reason_of(enum http_status status) {
  const char *reason = http_status_str(status);
  return reason == NULL ? "Unknown" : reason;
}

/* ---- Without memory ---- */

#define UNAVAILABLE_BODY "{\"status\":503,\"error\":\"no memory for this request\"}\n"
#define UNAVAILABLE_START                \
  "HTTP/1.1 503 Service Unavailable\r\n" \
  "Content-Type: application/json\r\n"   \
  "Content-Length: 52\r\n"

_Static_assert(sizeof UNAVAILABLE_BODY - 1 == 52, "as Content-Length says");

static char unavailable_body[] = UNAVAILABLE_BODY;
static char unavailable_head[] = UNAVAILABLE_START "\r\n";
static char unavailable_head_1_0[] = UNAVAILABLE_START "Connection: keep-alive\r\n\r\n";
static char unavailable_last_head[] = UNAVAILABLE_START "Connection: close\r\n\r\n";
static char unavailable_last[] = UNAVAILABLE_START "Connection: close\r\n\r\n" UNAVAILABLE_BODY;

static uv_buf_t part(char *text, size_t count) { return uv_buf_init(text, (unsigned)count); }

static void take_parts(struct exchange *exchange, uv_buf_t head, uv_buf_t body) {
  struct http_response *response = &exchange->response;
  response->parts[0] = head;
  response->parts[1] = body;
  response->part_count = exchange->request.method == HTTP_HEAD || body.len == 0 ? 1 : 2;
  response->bytes = head.len + (response->part_count == 2 ? body.len : 0);
}

static void render_unavailable(struct exchange *exchange) {
  struct http_response *response = &exchange->response;
  char *head = response->closes                ? unavailable_last_head
               : exchange->request.old_version ? unavailable_head_1_0
                                               : unavailable_head;
  response->status = HTTP_STATUS_SERVICE_UNAVAILABLE;
  take_parts(exchange, part(head, strlen(head)), part(unavailable_body, sizeof unavailable_body - 1));
}

uv_buf_t http_response_unavailable(void) { return part(unavailable_last, sizeof unavailable_last - 1); }

/* ---- With memory ---- */

/* Changes once a second, and is used by one thread. */
static const char *date(void) {
  static char text[40];
  static time_t last;
  time_t now = time(NULL);
  if (now != last) {
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    last = now;
  }
  return text;
}

static void write_problem(struct exchange *exchange) {
  struct http_response *response = &exchange->response;
  struct json_writer json;
  response->type = "application/json";
  response->body = request_bytes_begin(exchange->memory);
  json_begin(&json, exchange->memory, &response->body);
  json_object_open(&json);
  json_number(&json, "status", response->status);
  json_text(&json, "error", response->problem == NULL ? reason_of(response->status) : response->problem);
  json_object_close(&json);
  if (!json_end(&json)) response->body.failed = true;
}

static request_bytes write_head(struct exchange *exchange) {
  const struct http_response *response = &exchange->response;
  request_bytes head = request_bytes_begin(exchange->memory);
  request_bytes_printf(&head, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                       response->status, reason_of(response->status), date(), response->type, response->body.count);
  if (response->status == HTTP_STATUS_METHOD_NOT_ALLOWED) request_bytes_printf(&head, "Allow: GET, HEAD\r\n");
  if (response->closes) {
    request_bytes_printf(&head, "Connection: close\r\n");
  } else if (exchange->request.old_version) {
    request_bytes_printf(&head, "Connection: keep-alive\r\n");
  }
  request_bytes_add(&head, "\r\n", 2);
  return head;
}

void http_response_render(struct exchange *exchange) {
  struct http_response *response = &exchange->response;
  if (exchange->memory != NULL && response->status != HTTP_STATUS_OK) write_problem(exchange);
  if (response->body.failed) {
    render_unavailable(exchange);
    return;
  }
  request_bytes head = write_head(exchange);
  if (head.failed) {
    render_unavailable(exchange);
  } else {
    take_parts(exchange, part(head.data, head.count), part(response->body.data, response->body.count));
  }
}

void http_response_drop(struct http_response *response, size_t written) {
  while (response->part_count > 0 && written >= response->parts[0].len) {
    written -= response->parts[0].len;
    response->parts[0] = response->parts[1];
    response->part_count--;
  }
  if (response->part_count == 0) return;
  response->parts[0].base += written;
  response->parts[0].len -= written;
}
