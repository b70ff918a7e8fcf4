/* memory_json_here.c: see memory_json.h. */
#include "examples/http_server/memory_json.h"

#include <lido/json.h>

int memory_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  return lido_json_write(snapshot, sink, context);
}

lido_socket_answer memory_json_answer(void) { return lido_json_answer; }
