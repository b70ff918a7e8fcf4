/* http_exchange.h: one request and its answer, with the memory of both.
 *
 * Life: begun at the request's first byte, ended when its answer has been written or its connection closed. Several of
 * one connection may be waiting for their answers to be written. The exchange lies in its own memory.
 * Lack of memory: a request that finds none is received all the same, in a spare exchange of its connection, so that it
 * gets its 503 when it is complete and the connection goes on. There is one spare for each connection: nothing more is
 * read from it until that answer is written.
 */
#ifndef LIDO_EXAMPLES_HTTP_EXCHANGE_H
#define LIDO_EXAMPLES_HTTP_EXCHANGE_H

#include <http_parser.h>
#include <uv.h>

#include "examples/http_server/request_memory.h"

struct connection;

struct http_request {
  enum http_method method;
  request_bytes target; /* as it came: "/blocks/Basic%20Latin?x=1" */
  bool keep_alive;      /* what the client wants */
  bool old_version;     /* HTTP/1.0 */
  unsigned hosts;       /* Host fields */
  bool expects;         /* has an Expect field */
  bool takes_open_metrics;
  uint64_t header_bytes; /* names and values so far */
  uint64_t body_bytes;
};

enum { RESPONSE_PARTS = 2 };

struct http_response {
  enum http_status status;
  const char *type;    /* of the content */
  request_bytes body;  /* of a success; for HEAD, too */
  const char *problem; /* of a failure: what the client is told, NULL = the status's reason */
  bool closes;         /* the connection ends after it */
  uv_buf_t parts[RESPONSE_PARTS];
  unsigned part_count;
  size_t bytes; /* of all parts, written or not */
};

struct exchange {
  request_memory *memory;        /* NULL: a spare */
  struct connection *connection; /* NULL: a spare that is free */
  uint64_t began;                /* the loop's time, milliseconds */
  struct http_request request;
  struct http_response response;
  uv_write_t write;
};

/* `spare`, which must be free, is what is used if there is no memory. */
struct exchange *exchange_begin(struct connection *connection, uint64_t now, struct exchange *spare);
void exchange_end(struct exchange *exchange); /* NULL is ignored */

#endif
