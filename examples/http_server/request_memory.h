/* request_memory.h: the memory of one request, from its first byte until its answer has been written.
 *
 * Idea: what a request needs it takes here, piece by piece; nothing goes back before the end, and the end gives all of
 * it back at once. That is an arena, and request_memory_lido.c takes one from a class; request_memory_malloc.c does
 * the same with a list of malloc's blocks, for comparison. The rest of the server does not know which of the two it
 * stands on.
 * Threads: one.
 * Failure: NULL or false, when there is no memory or one request wants more than max_bytes.
 */
#ifndef LIDO_EXAMPLES_REQUEST_MEMORY_H
#define LIDO_EXAMPLES_REQUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct request_memory request_memory;

#ifdef HTTP_SERVER_ON_MALLOC

typedef struct request_bytes {
  request_memory *memory;
  char *data; /* followed by a zero; NULL before the first byte */
  size_t count;
  size_t room;
  bool failed; /* an add found no memory; later ones do nothing */
} request_bytes;

#else

#include <lido/arena.h>

typedef lido_bytes request_bytes;

#endif

/* Once, at start. max_bytes: most that one request may take, 0 = no limit. */
bool request_memory_setup(size_t max_bytes);

/* Once, when no request is left. -> false if one was. */
bool request_memory_teardown(void);

request_memory *request_memory_begin(void);
void request_memory_end(request_memory *memory);

void *request_alloc(request_memory *memory, size_t bytes);
char *request_printf(request_memory *memory, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes that grow: a response while it is written. Whether an add failed may be asked once, at the end. */
request_bytes request_bytes_begin(request_memory *memory);
bool request_bytes_add(request_bytes *bytes, const void *data, size_t count);
bool request_bytes_printf(request_bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Figures ---- */

uint64_t request_memory_live(void);            /* requests between begin and end */
uint64_t request_memory_allocator_calls(void); /* README.md says what is counted */

#endif
