/* server_options.h: the command line. */
#ifndef LIDO_EXAMPLES_SERVER_OPTIONS_H
#define LIDO_EXAMPLES_SERVER_OPTIONS_H

#include "examples/http_server/memory_options.h"

struct server_options {
  const char *host;            /* an address, not a name */
  uint64_t port;               /* 0 = any that is free */
  uint64_t max_connections;    /* 0 = not said */
  uint64_t max_header;         /* bytes: of a target, and of all header fields of a request */
  uint64_t max_body;           /* bytes */
  uint64_t max_request_bytes;  /* of memory; 0 = no limit */
  uint64_t send_buffer;        /* bytes; 0 = as the system likes */
  uint64_t idle_timeout_ms;    /* without a byte from or to the client */
  uint64_t request_timeout_ms; /* from a request's first byte to its last */
  const char *database;
  const char *unicode_data; /* a folder */
  uint64_t tick_ms;         /* between two looks at the memory; 0 = not said */
  struct memory_options memory;
  bool verbose;
};

/* -> false: the program ends now, with *status. */
bool server_options_parse(struct server_options *options, int argc, char **argv, int *status);

#endif
