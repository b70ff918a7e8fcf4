/* name_text.c: see name_text.h. */
#include "lib/report/name_text.h"

#include "lido/inline/utf8_inline.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static unsigned byte_at(const char *text, size_t at) { return (unsigned char)text[at]; }

/* ---- Labels ---- */

static bool is_plain(char c) { return c != '\\' && c != '"' && c != '\n'; }

static void put_escaped(lido_text_out *out, char c) {
  lido_text_put(out, "\\", 1);
  lido_text_put(out, c == '\n' ? "n" : &c, 1);
}

static void put_broken(lido_text_out *out, unsigned byte) {
  char shown[LIDO_UTF8_BROKEN_BYTES];
  lido_utf8_show_broken(shown, byte);
  lido_text_put(out, shown, sizeof shown);
}

/* The commonest first: small letters and the underscore lie above the backslash. */
static bool is_plain_ascii(unsigned byte) {
  if (byte > '\\') return byte < 0x80;
  if (byte > '"') return byte != '\\';
  return byte != '\0' && byte != '\n' && byte != '"';
}

/* Bytes up to the first that needs something done. Most names are ASCII, and each is written some dozens of times. */
static size_t plain_bytes(const char *text) {
  size_t bytes = 0;
  for (;;) {
    while (is_plain_ascii(byte_at(text, bytes))) bytes++;
    size_t more = byte_at(text, bytes) >= 0x80 ? lido_utf8_kept_bytes(text + bytes) : 0;
    if (more == 0) return bytes;
    bytes += more;
  }
}

void lido_name_put_label(lido_text_out *out, const char *name) {
  for (;;) {
    size_t plain = plain_bytes(name);
    lido_text_put(out, name, plain);
    name += plain;
    if (*name == '\0') return;
    if (is_plain(*name)) {
      put_broken(out, byte_at(name, 0));
    } else {
      put_escaped(out, *name);
    }
    name++;
  }
}

/* ---- For people ---- */

/* Controls, those of ISO 6429 beyond ASCII (U+0080 to U+009F) too. */
static bool is_control(const char *text) {
  unsigned first = byte_at(text, 0);
  return first < 0x20 || first == 0x7f || (first == 0xc2 && byte_at(text, 1) < 0xa0);
}

size_t lido_name_put_visible(lido_text_out *out, const char *name) {
  size_t characters = 0;
  for (; *name != '\0'; characters++) {
    size_t bytes = lido_utf8_bytes(name);
    bool visible = bytes != 0 && !is_control(name);
    if (out != NULL) lido_text(out, visible ? "" : REPLACEMENT);
    if (out != NULL && visible) lido_text_put(out, name, bytes);
    name += bytes != 0 ? bytes : 1;
  }
  return characters;
}
