/* memory_json_absent.c: see memory_json.h. */
#include "examples/http_server/memory_json.h"

#include <errno.h>
#include <stddef.h>

int memory_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  (void)snapshot, (void)sink, (void)context;
  return ENOTSUP;
}

lido_socket_answer memory_json_answer(void) { return NULL; }
