/* routes.h: which request is answered by what.
 *
 *     GET /characters/{hex}                  one character
 *     GET /characters?name=WORD&limit=N      those whose name has the word in it
 *     GET /blocks                            all blocks
 *     GET /blocks/{name}                     a block and all its characters
 *     GET /healthz                           is the server there?
 *     GET /metrics                           its figures, for Prometheus
 *     GET /debug/profile                     who has the memory, for pprof (--profile)
 *     GET /debug/snapshot                    the memory's figures, as JSON
 */
#ifndef LIDO_EXAMPLES_ROUTES_H
#define LIDO_EXAMPLES_ROUTES_H

#include "examples/http_server/http_exchange.h"
#include "examples/http_server/request_target.h"

struct character_database;
struct server_counters;

/* What answers are made of. */
struct sources {
  struct character_database *database;
  const struct server_counters *counters;
};

/* What a route found in the target. */
struct route_input {
  const char *item; /* the last segment of the path, decoded */
  struct target_part query;
};

/* Fills status, type, body and problem of the response. */
void routes_answer(struct exchange *exchange, const struct sources *sources);

#endif
