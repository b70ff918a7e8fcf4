/* request_parser.c: see request_parser.h. */
#include "examples/http_server/request_parser.h"

#include <string.h>

enum { STOP = -1 }; /* of a callback: the machine fails */

static int fail(struct request_parser *parser, enum http_status status, const char *problem) {
  parser->failure = status;
  parser->problem = problem;
  return STOP;
}

/* ---- The request line ---- */

static int on_message_begin(http_parser *machine) {
  struct request_parser *parser = machine->data;
  parser->exchange = exchange_begin(parser->connection, uv_now(parser->clock), parser->spare);
  return 0;
}

/* No memory for the target is no error here: the request is read to its end, so that the connection can go on. */
static int on_url(http_parser *machine, const char *text, size_t count) {
  struct request_parser *parser = machine->data;
  request_bytes *target = &parser->exchange->request.target;
  parser->exchange->request.method = (enum http_method)machine->method;
  if (target->count + count > parser->limits->max_header) return fail(parser, HTTP_STATUS_URI_TOO_LONG, NULL);
  request_bytes_add(target, text, count);
  return 0;
}

/* ---- Header fields ---- */

static int count_header(struct request_parser *parser, size_t count) {
  struct http_request *request = &parser->exchange->request;
  request->header_bytes += count;
  if (request->header_bytes <= parser->limits->max_header) return 0;
  return fail(parser, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE, NULL);
}

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter | 0x20) : letter; }

static int on_header_field(http_parser *machine, const char *text, size_t count) {
  struct request_parser *parser = machine->data;
  for (size_t i = 0; i < count; i++) {
    size_t at = parser->field_name_count + i;
    if (at < sizeof parser->field_name) parser->field_name[at] = lower(text[i]);
  }
  parser->field_name_count += count;
  return count_header(parser, count);
}

static bool field_is(const struct request_parser *parser, const char *name) {
  size_t count = strlen(name);
  return parser->field_name_count == count && memcmp(parser->field_name, name, count) == 0;
}

/* Of an Accept field. If it comes in two pieces it may be missed: the other format is always right. */
static bool names_open_metrics(const char *text, size_t count) {
  static const char type[] = "application/openmetrics-text";
  return memmem(text, count, type, sizeof type - 1) != NULL;
}

static int on_header_value(http_parser *machine, const char *text, size_t count) {
  struct request_parser *parser = machine->data;
  struct http_request *request = &parser->exchange->request;
  if (field_is(parser, "host")) request->hosts++;
  if (field_is(parser, "expect")) request->expects = true;
  if (field_is(parser, "accept") && names_open_metrics(text, count)) request->takes_open_metrics = true;
  parser->field_name_count = 0; /* further pieces of the value belong to no name */
  return count_header(parser, count);
}

static int on_headers_complete(http_parser *machine) {
  struct request_parser *parser = machine->data;
  struct http_request *request = &parser->exchange->request;
  request->old_version = machine->http_minor == 0;
  machine->upgrade = 0; /* nothing else is spoken here, so an offer to upgrade is ignored */
  if (machine->http_major != 1 || machine->http_minor > 1) {
    return fail(parser, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, NULL);
  }
  if (request->hosts > 1 || (request->hosts == 0 && !request->old_version)) {
    return fail(parser, HTTP_STATUS_BAD_REQUEST, "a request has one Host field");
  }
  if (request->expects && !request->old_version) return fail(parser, HTTP_STATUS_EXPECTATION_FAILED, NULL);
  if (machine->content_length != UINT64_MAX && machine->content_length > parser->limits->max_body) {
    return fail(parser, HTTP_STATUS_PAYLOAD_TOO_LARGE, NULL);
  }
  return 0;
}

/* ---- Body and end ---- */

static int on_body(http_parser *machine, const char *text, size_t count) {
  (void)text;
  struct request_parser *parser = machine->data;
  struct http_request *request = &parser->exchange->request;
  request->body_bytes += count;
  return request->body_bytes <= parser->limits->max_body ? 0 : fail(parser, HTTP_STATUS_PAYLOAD_TOO_LARGE, NULL);
}

static int on_message_complete(http_parser *machine) {
  struct request_parser *parser = machine->data;
  parser->exchange->request.keep_alive = http_should_keep_alive(machine) != 0;
  http_parser_pause(machine, 1);
  return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- Failures ---- */

/* Does a word of capital letters and a space stand here? Then it may well be a method that some other server knows. */
static bool looks_like_a_method(const char *text, size_t count) {
  size_t letters = 0;
  while (letters < count && text[letters] >= 'A' && text[letters] <= 'Z') letters++;
  return letters > 0 && letters < count && text[letters] == ' ';
}

static enum http_status status_of(enum http_errno error, const char *rest, size_t count) {
  switch (error) {
    case HPE_INVALID_METHOD:
      return looks_like_a_method(rest, count) ? HTTP_STATUS_NOT_IMPLEMENTED : HTTP_STATUS_BAD_REQUEST;
    case HPE_INVALID_TRANSFER_ENCODING:
      return HTTP_STATUS_NOT_IMPLEMENTED;
    case HPE_HEADER_OVERFLOW:
      return HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
    default:
      return HTTP_STATUS_BAD_REQUEST;
  }
}

static enum parse_result result_of(struct request_parser *parser, const char *rest, size_t count) {
  enum http_errno error = HTTP_PARSER_ERRNO(&parser->machine);
  if (error == HPE_OK) return PARSE_MORE;
  if (error == HPE_PAUSED) return PARSE_COMPLETE;
  if (parser->failure == 0) fail(parser, status_of(error, rest, count), http_errno_description(error));
  return PARSE_FAILED;
}

/* ---- Use ---- */

/* The machine's own limit is for what is no part of a target, a name or a value, such as endless spaces. It must not
 * come before ours, which are only looked at between two pieces of input. */
void request_parser_setup(const struct request_limits *limits, size_t input_size) {
  uint64_t most = 2 * (limits->max_header + input_size);
  http_parser_set_max_header_size(most > UINT32_MAX ? UINT32_MAX : (uint32_t)most);
}

void request_parser_init(struct request_parser *parser, struct connection *connection,
                         const struct request_limits *limits, const uv_loop_t *clock, struct exchange *spare) {
  *parser = (struct request_parser){.limits = limits, .connection = connection, .clock = clock, .spare = spare};
  http_parser_init(&parser->machine, HTTP_REQUEST);
  parser->machine.data = parser;
}

enum parse_result request_parser_feed(struct request_parser *parser, const char *input, size_t count, size_t *used) {
  if (HTTP_PARSER_ERRNO(&parser->machine) == HPE_PAUSED) http_parser_pause(&parser->machine, 0);
  *used = http_parser_execute(&parser->machine, &callbacks, input, count);
  return result_of(parser, input + *used, count - *used);
}
