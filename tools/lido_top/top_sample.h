/* top_sample.h: one answer of the socket, read. What is not there is 0, or "": the program may have another version of
 * Lido. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_SAMPLE_H
#define LIDO_TOOLS_LIDO_TOP_TOP_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* false: it is no snapshot; `why` (of `room` bytes) says it. *root is to be given back by json_decref. */
bool sample_read(json_t **root, const char *text, size_t bytes, char *why, size_t room);

double json_number_at(const json_t *object, const char *name);
const char *json_text_at(const json_t *object, const char *name);

/* Seconds of the manager's clock; 0 if there is no earlier one, or it is another process's. */
double sample_seconds(const json_t *before, const json_t *now);

#endif
