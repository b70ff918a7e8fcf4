/* text_out.h: text on its way to a sink, by way of a small buffer.
 *
 * Idea: text is collected in a buffer on its writer's stack, and goes to the sink when that is full, and at the end. So
 * a sink is called seldom, and nothing is allocated.
 * Invariants
 *   T1  what the sink has got, followed by the buffer's first `used` bytes, is all text so far, as long as there is no
 *       error.
 *   T2  after an error the sink is not called again, and text is thrown away.
 * Numbers are written without printf: it would write the locale's decimal point, and take half as long again for the
 * whole text (1,000 pools: 2.2 ms instead of 1.5).
 * Threads: one. Failure: the sink's, kept until the end.
 */
#ifndef LIDO_LIB_REPORT_TEXT_OUT_H
#define LIDO_LIB_REPORT_TEXT_OUT_H

#include <string.h>

#include "lido/metrics.h"

enum { LIDO_TEXT_OUT_BYTES = 4096 };

typedef struct lido_text_out {
  lido_text_sink sink;
  void *context;
  int error; /* the sink's first */
  size_t used;
  char buffer[LIDO_TEXT_OUT_BYTES];
} lido_text_out;

/* Leaves the buffer as it is: clearing it would be the larger part of a short text. */
void lido_text_begin(lido_text_out *out, lido_text_sink sink, void *context);
/* What is left goes to the sink. -> 0 or the sink's error. */
int lido_text_end(lido_text_out *out);

/* A sink: the descriptor that `context`, an int, is. */
int lido_text_to_descriptor(const char *text, size_t bytes, void *context);

LIDO_SLOW void lido_text_put_slow(lido_text_out *out, const char *text, size_t bytes);

static inline void lido_text_put(lido_text_out *out, const char *text, size_t bytes) {
  if (LIDO_UNLIKELY(bytes > sizeof out->buffer - out->used)) {
    lido_text_put_slow(out, text, bytes);
    return;
  }
  memcpy(out->buffer + out->used, text, bytes);
  out->used += bytes;
}

static inline void lido_text(lido_text_out *out, const char *text) { lido_text_put(out, text, strlen(text)); }

/* `count` spaces. */
void lido_text_spaces(lido_text_out *out, size_t count);

/* ---- Numbers ---- */

enum { LIDO_NUMBER_ROOM = 32 }; /* bytes for any number below, and a zero */

/* Each writes a number into `room` and a zero after it, and gives how many bytes that are without the zero. */
size_t lido_number_write(char *room, uint64_t number);
/* Nanoseconds as seconds: exact, without zeros at the end. */
size_t lido_number_write_seconds(char *room, uint64_t ns);
/* part / whole to nine digits. pre: part <= whole, whole != 0. */
size_t lido_number_write_ratio(char *room, uint64_t part, uint64_t whole);

#endif
