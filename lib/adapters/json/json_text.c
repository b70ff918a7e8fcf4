/* json_text.c: see json_text.h. */
#include "lib/adapters/json/json_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lido/inline/utf8_inline.h"

/* `out` has room for what stands for each byte. */
static size_t make_valid(const char *text, char *out) {
  char *end = out;
  size_t taken;
  for (; *text != '\0'; text += taken) end += lido_utf8_show(end, text, &taken);
  return (size_t)(end - out);
}

static bool is_valid(const char *text) {
  size_t bytes = 0;
  while (*text != '\0' && (bytes = lido_utf8_kept_bytes(text)) != 0) text += bytes;
  return *text == '\0';
}

json_t *lido_json_valid_text(const char *text) {
  if (is_valid(text)) return json_string(text);
  char *valid = malloc(strlen(text) * LIDO_UTF8_BROKEN_BYTES);
  if (valid == NULL) return NULL;
  json_t *value = json_stringn(valid, make_valid(text, valid));
  free(valid);
  return value;
}
