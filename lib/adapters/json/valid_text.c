/* valid_text.c: see valid_text.h. UTF-8 as RFC 3629 has it: no surrogates, no longer forms than needed, nothing beyond U+10FFFF. */
#include "lib/adapters/json/valid_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD */

enum { REPLACEMENT_BYTES = sizeof REPLACEMENT - 1 };

static size_t length_by_first(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* What the first byte leaves open is decided by the second. */
static bool second_fits(unsigned char first, unsigned char second) {
  if (first == 0xe0) return second >= 0xa0;
  if (first == 0xed) return second < 0xa0;
  if (first == 0xf0) return second >= 0x90;
  return first != 0xf4 || second < 0x90;
}

/* Bytes of the character that begins here; 0: none does. Looks at nothing beyond a zero. */
static size_t character_bytes(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  size_t bytes = length_by_first(at[0]);
  for (size_t i = 1; i < bytes; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  return bytes < 2 || second_fits(at[0], at[1]) ? bytes : 0;
}

/* `out` has room for the replacement of each byte. */
static size_t make_valid(const char *text, char *out) {
  char *end = out;
  while (*text != '\0') {
    size_t bytes = character_bytes(text);
    memcpy(end, bytes != 0 ? text : REPLACEMENT, bytes != 0 ? bytes : REPLACEMENT_BYTES);
    end += bytes != 0 ? bytes : REPLACEMENT_BYTES;
    text += bytes != 0 ? bytes : 1;
  }
  return (size_t)(end - out);
}

static bool is_valid(const char *text) {
  size_t bytes = 0;
  while (*text != '\0' && (bytes = character_bytes(text)) != 0) text += bytes;
  return *text == '\0';
}

json_t *json_valid_text(const char *text) {
  if (is_valid(text)) return json_string(text);
  char *valid = malloc(strlen(text) * REPLACEMENT_BYTES);
  if (valid == NULL) return NULL;
  json_t *value = json_stringn(valid, make_valid(text, valid));
  free(valid);
  return value;
}
