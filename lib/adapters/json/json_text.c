/* json_text.c: see json_text.h. */
#include "lib/adapters/json/json_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lido/inline/utf8_inline.h"

static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD */

enum { REPLACEMENT_BYTES = sizeof REPLACEMENT - 1 };

/* `out` has room for the replacement of each byte. */
static size_t make_valid(const char *text, char *out) {
  char *end = out;
  while (*text != '\0') {
    size_t bytes = lido_utf8_bytes(text);
    memcpy(end, bytes != 0 ? text : REPLACEMENT, bytes != 0 ? bytes : REPLACEMENT_BYTES);
    end += bytes != 0 ? bytes : REPLACEMENT_BYTES;
    text += bytes != 0 ? bytes : 1;
  }
  return (size_t)(end - out);
}

static bool is_valid(const char *text) {
  size_t bytes = 0;
  while (*text != '\0' && (bytes = lido_utf8_bytes(text)) != 0) text += bytes;
  return *text == '\0';
}

json_t *lido_json_valid_text(const char *text) {
  if (is_valid(text)) return json_string(text);
  char *valid = malloc(strlen(text) * REPLACEMENT_BYTES);
  if (valid == NULL) return NULL;
  json_t *value = json_stringn(valid, make_valid(text, valid));
  free(valid);
  return value;
}
