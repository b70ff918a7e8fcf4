/* accept_field.c: see accept_field.h. */
#include "lib/adapters/exporter/accept_field.h"

#include <string.h>

/* A part of the field. */
typedef struct piece {
  const char *text;
  size_t bytes;
} piece;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static piece trimmed(piece of) {
  for (; of.bytes != 0 && is_blank(*of.text); of.text++) of.bytes--;
  while (of.bytes != 0 && is_blank(of.text[of.bytes - 1])) of.bytes--;
  return of;
}

/* What comes before the next `separator`; `rest` is what comes after it. */
static piece cut(piece *rest, char separator) {
  const char *end = memchr(rest->text, separator, rest->bytes);
  piece first = {rest->text, end != NULL ? (size_t)(end - rest->text) : rest->bytes};
  size_t used = end != NULL ? first.bytes + 1 : first.bytes;
  rest->text += used;
  rest->bytes -= used;
  return trimmed(first);
}

/* Not tolower: the locale is the program's, and in a Turkish one the small letter of I is not i. */
static int small_letter(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }

/* `word` in small letters. */
static bool is(piece of, const char *word) {
  size_t i = 0;
  while (i < of.bytes && word[i] == small_letter(of.text[i])) i++;
  return i == of.bytes && word[i] == '\0';
}

/* In thousandths; 0 if it is no such number. */
static unsigned quality_of(piece text) {
  unsigned quality = 0;
  unsigned unit = 1000;
  if (text.bytes == 0 || text.bytes > 5 || (text.bytes > 1 && text.text[1] != '.')) return 0;
  for (size_t i = 0; i < text.bytes; i++) {
    if (i == 1) continue;
    if (text.text[i] < '0' || text.text[i] > '9') return 0;
    quality += (unsigned)(text.text[i] - '0') * unit;
    unit /= 10;
  }
  return quality <= 1000 ? quality : 0;
}

/* How much one element wants its type, in thousandths; 0 if it wants a version of it that we do not write. */
static unsigned wish_of(piece parameters, const char *our_version) {
  unsigned quality = 1000;
  bool ours = true;
  while (parameters.bytes != 0) {
    piece value = cut(&parameters, ';');
    piece name = cut(&value, '=');
    value = trimmed(value);
    if (is(name, "q")) quality = quality_of(value);
    if (is(name, "version")) ours = is(value, our_version);
  }
  return ours ? quality : 0;
}

lido_metrics_format lido_format_accepted(const char *accept) {
  unsigned text = 0;
  unsigned openmetrics = 0;
  piece rest = {accept, accept != NULL ? strlen(accept) : 0};
  while (rest.bytes != 0) {
    piece parameters = cut(&rest, ',');
    piece type = cut(&parameters, ';');
    unsigned for_text = is(type, "text/plain") ? wish_of(parameters, "0.0.4") : 0;
    unsigned for_openmetrics = is(type, "application/openmetrics-text") ? wish_of(parameters, "1.0.0") : 0;
    if (for_text > text) text = for_text;
    if (for_openmetrics > openmetrics) openmetrics = for_openmetrics;
  }
  return openmetrics != 0 && openmetrics >= text ? LIDO_METRICS_OPENMETRICS : LIDO_METRICS_PROMETHEUS;
}
