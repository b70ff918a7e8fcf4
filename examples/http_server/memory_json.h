/* memory_json.h: a manager's numbers as JSON, for the top socket and /debug/snapshot.
 *
 * Two versions: memory_json_here.c stands on lido/json.h; memory_json_absent.c is for a build without that part.
 */
#ifndef LIDO_EXAMPLES_MEMORY_JSON_H
#define LIDO_EXAMPLES_MEMORY_JSON_H

#include <lido/socket.h>

/* 0, ENOTSUP (the part is absent), ENOMEM, or what the sink says. */
int memory_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context);

/* NULL: the part is absent. */
lido_socket_answer memory_json_answer(void);

#endif
