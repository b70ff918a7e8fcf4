/* json_writer.h: JSON written straight into the bytes of a response, by yajl on the request's memory.
 *
 * yajl's own growing buffer is replaced by a print callback: yajl does not check what realloc gives, and what it wrote
 * would have to be copied into the response. Values without a key go into arrays, those with one into objects. No
 * call can fail; json_end says whether all of them succeeded.
 */
#ifndef LIDO_EXAMPLES_JSON_WRITER_H
#define LIDO_EXAMPLES_JSON_WRITER_H

#include <yajl/yajl_gen.h>

#include "examples/http_server/request_memory.h"

struct json_writer {
  request_memory *memory;
  request_bytes *out;
  yajl_alloc_funcs functions;
  yajl_gen generator; /* NULL: there was no memory for it */
  bool ok;
  _Alignas(16) char spare[64]; /* for the one allocation that yajl does not check */
};

/* `out` must not be used by others before json_end; the writer stays where it is. */
void json_begin(struct json_writer *json, request_memory *memory, request_bytes *out);

/* -> true if the document is complete. */
bool json_end(struct json_writer *json);

void json_object_open(struct json_writer *json);
void json_object_close(struct json_writer *json);
void json_array_open(struct json_writer *json, const char *key);
void json_array_close(struct json_writer *json);

/* NULL becomes null. */
void json_text(struct json_writer *json, const char *key, const char *text);
void json_text_counted(struct json_writer *json, const char *key, const char *text, size_t count);
void json_number(struct json_writer *json, const char *key, long long number);
void json_bool(struct json_writer *json, const char *key, bool value);

#endif
