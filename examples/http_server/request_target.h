/* request_target.h: the path and the query of a request's target, and what stands in them once decoded. */
#ifndef LIDO_EXAMPLES_REQUEST_TARGET_H
#define LIDO_EXAMPLES_REQUEST_TARGET_H

#include "examples/http_server/request_memory.h"

/* A part of the target; not decoded, no zero at its end. */
struct target_part {
  const char *text; /* NULL: there is none */
  size_t count;
};

struct request_target {
  struct target_part path;
  struct target_part query;
};

/* Of "/path?query" and of "http://host/path?query". -> false if it is neither. */
bool request_target_parse(struct request_target *target, const char *text, size_t count);

/* The value of the query's first field of this name; not decoded. */
struct target_part query_field(struct target_part query, const char *name);

/* "%41" becomes "A". NULL: a bad escape or an encoded NUL (errno EINVAL), or no memory (ENOMEM). */
char *decode_path(request_memory *memory, struct target_part part);

/* The same, and "+" becomes a space. */
char *decode_field(request_memory *memory, struct target_part part);

#endif
