/* lido/inline/utf8_inline.h: what UTF-8 is, for reports of names that may be any bytes. Private: for lido's own reports
 * and parts.
 *
 * Method: RFC 3629: no surrogates, no overlong forms, nothing beyond U+10FFFF.
 * Names that differ stay different in a report: a byte that is part of no character becomes U+FFFD and its two
 * hexadecimal digits, and so does each byte of U+FFFD itself, for else two names might become the same.
 */
#ifndef LIDO_INLINE_UTF8_INLINE_H
#define LIDO_INLINE_UTF8_INLINE_H

#include "lido/base.h"

LIDO_BEGIN

LIDO_FAST unsigned lido_utf8_byte(const char *text, size_t at) { return (unsigned char)text[at]; }

/* The range of a second byte depends on the first one; all others are 0x80 to 0xbf. */
LIDO_FAST bool lido_utf8_second_fits(unsigned first, unsigned second) {
  unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

LIDO_FAST size_t lido_utf8_bytes_by_first(unsigned first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Bytes of the character that `text` begins with, 1 to 4; 0: it begins with none. Looks at nothing beyond a zero. */
LIDO_FAST size_t lido_utf8_bytes(const char *text) {
  size_t bytes = lido_utf8_bytes_by_first(lido_utf8_byte(text, 0));
  if (bytes > 1 && !lido_utf8_second_fits(lido_utf8_byte(text, 0), lido_utf8_byte(text, 1))) return 0;
  for (size_t i = 2; i < bytes; i++) {
    if ((lido_utf8_byte(text, i) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

enum { LIDO_UTF8_BROKEN_BYTES = 5 };

/* As lido_utf8_bytes, but 0 also for U+FFFD itself. */
LIDO_FAST size_t lido_utf8_kept_bytes(const char *text) {
  size_t bytes = lido_utf8_bytes(text);
  bool is_replacement = bytes == 3 && lido_utf8_byte(text, 0) == 0xef && lido_utf8_byte(text, 1) == 0xbf &&
                        lido_utf8_byte(text, 2) == 0xbd;
  return is_replacement ? 0 : bytes;
}

/* What stands for a byte that is not kept; without a zero. */
LIDO_FAST void lido_utf8_show_broken(char *shown, unsigned byte) {
  static const char digits[] = "0123456789abcdef";
  shown[0] = '\xef';
  shown[1] = '\xbf';
  shown[2] = '\xbd';
  shown[3] = digits[byte >> 4];
  shown[4] = digits[byte & 15];
}

/* Write what text begins with, kept or shown, into `shown`, of at least LIDO_UTF8_BROKEN_BYTES; `taken` bytes of the
 * text. -> bytes written. */
LIDO_FAST size_t lido_utf8_show(char *shown, const char *text, size_t *taken) {
  size_t bytes = lido_utf8_kept_bytes(text);
  *taken = bytes != 0 ? bytes : 1;
  if (bytes == 0) lido_utf8_show_broken(shown, lido_utf8_byte(text, 0));
  for (size_t i = 0; i < bytes; i++) shown[i] = text[i];
  return bytes != 0 ? bytes : LIDO_UTF8_BROKEN_BYTES;
}

LIDO_END

#endif
