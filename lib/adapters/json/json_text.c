/* json_text.c: see json_text.h. */
#include "lib/adapters/json/json_text.h"

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

/* The value of a small hexadecimal digit, or 16. */
static unsigned digit_of(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Does it begin with what stands for a byte? A zero is none. */
static bool is_shown(const char *text, char *byte) {
  if (strncmp(text, "\xef\xbf\xbd", 3) != 0 || text[3] == '\0') return false;
  unsigned high = digit_of(text[3]), low = digit_of(text[4]);
  if (high > 15 || low > 15 || high + low == 0) return false;
  *byte = (char)(16 * high + low);
  return true;
}

bool lido_json_text_restore(char *text) {
  bool has_any = false;
  char *end = text;
  while (*text != '\0') {
    char byte = *text;
    bool shown = is_shown(text, &byte);
    *end++ = byte; /* never beyond the text's place */
    text += shown ? LIDO_UTF8_BROKEN_BYTES : 1;
    has_any |= shown;
  }
  *end = '\0';
  return has_any;
}
