/* json_outlet.c: see json_outlet.h. */
#include "lib/adapters/json/json_outlet.h"

#include <errno.h>
#include <string.h>

void lido_json_outlet_begin(json_outlet *out, lido_text_sink sink, void *context) {
  out->sink = sink;
  out->context = context;
  out->error = 0;
  out->began = false;
  out->bytes = 0;
}

static int flush(json_outlet *out) {
  if (out->error == 0 && out->bytes != 0) {
    out->began = true;
    out->error = out->sink(out->text, out->bytes, out->context);
  }
  out->bytes = 0;
  return out->error == 0 ? 0 : -1;
}

/* As jansson calls it: 0, or -1. */
static int take(const char *text, size_t bytes, void *context) {
  json_outlet *out = context;
  while (bytes != 0) {
    size_t room = sizeof out->text - out->bytes;
    size_t part = bytes < room ? bytes : room;
    memcpy(out->text + out->bytes, text, part);
    out->bytes += part;
    text += part;
    bytes -= part;
    if (out->bytes == sizeof out->text && flush(out) != 0) return -1;
  }
  return 0;
}

void lido_json_outlet_text(json_outlet *out, const char *text) {
  if (out->error == 0) take(text, strlen(text), out);
}

void lido_json_outlet_value(json_outlet *out, json_t *value) {
  bool whole =
      out->error == 0 && value != NULL && json_dump_callback(value, take, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
  json_decref(value);
  if (!whole && out->error == 0) out->error = ENOMEM;
}

int lido_json_outlet_end(json_outlet *out, bool *began) {
  lido_json_outlet_text(out, "\n");
  flush(out);
  if (began != NULL) *began = out->began;
  return out->error;
}
