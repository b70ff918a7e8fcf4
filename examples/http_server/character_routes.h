/* character_routes.h: the answers about characters and blocks. */
#ifndef LIDO_EXAMPLES_CHARACTER_ROUTES_H
#define LIDO_EXAMPLES_CHARACTER_ROUTES_H

#include "examples/http_server/http_exchange.h"
#include "examples/http_server/routes.h"

/* All of one kind: they write the body and give OK, or give another status and may say more in response.problem. */
enum http_status answer_character(struct exchange *exchange, const struct sources *sources,
                                  const struct route_input *input);
enum http_status answer_search(struct exchange *exchange, const struct sources *sources,
                               const struct route_input *input);
enum http_status answer_blocks(struct exchange *exchange, const struct sources *sources,
                               const struct route_input *input);
enum http_status answer_block(struct exchange *exchange, const struct sources *sources,
                              const struct route_input *input);

#endif
