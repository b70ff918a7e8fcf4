/* metrics_sinks.c: metrics into a buffer and to a file descriptor. */
#include "lib/base/bits.h"
#include "lib/report/text_out.h"

/* ---- A buffer ---- */

typedef struct text_buffer {
  char *text;
  size_t room;
  size_t wanted; /* bytes so far, also those that had no place */
} text_buffer;

static int put_into_buffer(const char *text, size_t bytes, void *context) {
  text_buffer *buffer = context;
  if (buffer->wanted < buffer->room) {
    memcpy(buffer->text + buffer->wanted, text, lido_min(bytes, buffer->room - buffer->wanted));
  }
  buffer->wanted += bytes;
  return 0;
}

size_t lido_metrics_write_buffer(const lido_snapshot *snapshot, lido_metrics_format format, char *buffer, size_t room) {
  text_buffer into = {.text = buffer, .room = room};
  lido_metrics_write(snapshot, format, put_into_buffer, &into);
  if (room != 0) buffer[lido_min(into.wanted, room - 1)] = '\0';
  return into.wanted;
}

/* ---- A descriptor ---- */

int lido_metrics_write_fd(const lido_snapshot *snapshot, lido_metrics_format format, int descriptor) {
  return lido_metrics_write(snapshot, format, lido_text_to_descriptor, &descriptor);
}
