/* http_response.h: from an answer's status and body to the bytes that are sent.
 *
 * Answers that are not successes get a small JSON body here. When there is no memory left for an answer, a text that
 * is part of the program takes its place: 503, after which the connection goes on as if nothing had happened.
 */
#ifndef LIDO_EXAMPLES_HTTP_RESPONSE_H
#define LIDO_EXAMPLES_HTTP_RESPONSE_H

#include "examples/http_server/http_exchange.h"

/* Fills response.parts. Always succeeds, but the status may become 503. */
void http_response_render(struct exchange *exchange);

/* So many bytes of the parts are written. */
void http_response_drop(struct http_response *response, size_t written);

/* The 503 that needs no memory, for a connection that ends with it. */
uv_buf_t http_response_unavailable(void);

#endif
