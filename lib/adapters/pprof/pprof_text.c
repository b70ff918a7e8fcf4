/* pprof_text.c: see pprof_text.h. */
#include "lib/adapters/pprof/pprof_text.h"

#include <string.h>

#include "lido/inline/utf8_inline.h"

size_t lido_pprof_text(const char *text, char *out, size_t room) {
  size_t at = 0;
  while (*text != '\0') {
    size_t length = lido_utf8_bytes(text);
    size_t bytes = length == 0 ? 1 : length;
    if (at + bytes >= room) break;
    memcpy(out + at, length == 0 ? "?" : text, bytes);
    at += bytes;
    text += bytes;
  }
  out[at] = '\0';
  return at;
}
