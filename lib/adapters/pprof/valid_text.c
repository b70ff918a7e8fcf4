/* valid_text.c: see valid_text.h. */
#include "lib/adapters/pprof/valid_text.h"

#include <stdbool.h>
#include <string.h>

/* Sequences that begin with first_least to first_most: their length, and what the second byte may be. The others are 0x80 to 0xbf. */
typedef struct sequence {
  unsigned char first_least, first_most;
  unsigned char length;
  unsigned char second_least, second_most;
} sequence;

static const sequence sequences[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static bool is_between(unsigned char byte, unsigned char least, unsigned char most) {
  return byte >= least && byte <= most;
}

static bool fits(const sequence *form, const unsigned char *text) {
  if (!is_between(text[0], form->first_least, form->first_most)) return false;
  if (form->length > 1 && !is_between(text[1], form->second_least, form->second_most)) return false;
  for (size_t i = 2; i < form->length; i++) {
    if (!is_between(text[i], 0x80, 0xbf)) return false; /* a zero ends it */
  }
  return true;
}

/* Bytes of the character that the text begins with; 0: of none. */
static size_t length_of(const unsigned char *text) {
  for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
    if (fits(&sequences[i], text)) return sequences[i].length;
  }
  return 0;
}

size_t valid_text(const char *text, char *out, size_t room) {
  size_t at = 0;
  while (*text != '\0') {
    size_t length = length_of((const unsigned char *)text);
    size_t bytes = length == 0 ? 1 : length;
    if (at + bytes >= room) break;
    memcpy(out + at, length == 0 ? "?" : text, bytes);
    at += bytes;
    text += bytes;
  }
  out[at] = '\0';
  return at;
}
