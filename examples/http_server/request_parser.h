/* request_parser.h: bytes of a connection become requests, one at a time.
 *
 * http-parser does the parsing; here are the limits, the few header fields that matter, and the translation of its
 * errors into statuses. It is paused after each request, so that nothing is answered from inside a callback and what
 * follows a request in the input waits there.
 */
#ifndef LIDO_EXAMPLES_REQUEST_PARSER_H
#define LIDO_EXAMPLES_REQUEST_PARSER_H

#include "examples/http_server/http_exchange.h"

struct request_limits {
  uint64_t max_header; /* bytes: of the target, and of all header fields together */
  uint64_t max_body;
};

struct request_parser {
  http_parser machine;
  const struct request_limits *limits;
  struct connection *connection;
  const uv_loop_t *clock;
  struct exchange *exchange; /* the one being received; NULL between two */
  struct exchange *spare;    /* for one that finds no memory; free between two */
  enum http_status failure;  /* the answer to what could not be parsed */
  const char *problem;       /* the same in words; NULL: the status says enough */
  char field_name[8];        /* of the header field being read, in lower case, as far as it fits */
  size_t field_name_count;   /* all of it */
};

enum parse_result {
  PARSE_MORE,     /* all input used, and no request complete */
  PARSE_COMPLETE, /* parser->exchange is complete; the caller takes it, and sets it to NULL */
  PARSE_FAILED,   /* parser->failure is the answer, after which the connection must end */
};

/* Once per process. input_size: most bytes given to feed at once. */
void request_parser_setup(const struct request_limits *limits, size_t input_size);

void request_parser_init(struct request_parser *parser, struct connection *connection,
                         const struct request_limits *limits, const uv_loop_t *clock, struct exchange *spare);

/* Reads on. -> in *used how many bytes of the input are done with. */
enum parse_result request_parser_feed(struct request_parser *parser, const char *input, size_t count, size_t *used);

#endif
