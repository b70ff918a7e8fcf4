/* pprof_text.c: see pprof_text.h. */
#include "lib/adapters/pprof/pprof_text.h"

#include <string.h>

#include "lido/inline/utf8_inline.h"

size_t lido_pprof_text(const char *text, char *out, size_t room) {
  size_t at = 0;
  while (*text != '\0') {
    char shown[LIDO_UTF8_BROKEN_BYTES];
    size_t taken;
    size_t bytes = lido_utf8_show(shown, text, &taken);
    if (at + bytes >= room) break;
    memcpy(out + at, shown, bytes);
    at += bytes;
    text += taken;
  }
  out[at] = '\0';
  return at;
}
