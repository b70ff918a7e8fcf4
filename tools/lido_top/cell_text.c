/* cell_text.c: see cell_text.h. */
#include "tools/lido_top/cell_text.h"

#include <langinfo.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* ---- Lines ---- */

void line_begin(struct text_line *line, int most) {
  *line = (struct text_line){.most = most};
  line->text[0] = '\0';
}

static void put_bytes(struct text_line *line, const char *text, size_t bytes, int columns) {
  if (columns > line->most - line->columns || bytes >= sizeof line->text - line->bytes) return;
  memcpy(line->text + line->bytes, text, bytes);
  line->bytes += bytes;
  line->columns += columns;
  line->text[line->bytes] = '\0';
}

void line_put(struct text_line *line, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (const char *at = text; *at != '\0'; at++) put_bytes(line, at, 1, 1);
}

/* ---- Names ---- */

struct character {
  const char *text; /* what to show */
  size_t bytes;
  int columns;
  size_t taken; /* bytes of the name */
};

static bool shows_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

/* jansson lets only whole characters through. */
static size_t bytes_by_first(unsigned char first) {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

static wchar_t code_of(const char *text, size_t bytes) {
  unsigned code = (unsigned char)text[0];
  if (bytes > 1) code &= 0x7fu >> bytes;
  for (size_t i = 1; i < bytes; i++) code = code << 6 | ((unsigned char)text[i] & 0x3fu);
  return (wchar_t)code;
}

/* Signs that change the direction of what follows would reorder the table. */
static bool is_steering(wchar_t code) {
  return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static struct character character_at(const char *name) {
  size_t bytes = bytes_by_first((unsigned char)*name);
  if (strnlen(name, bytes) < bytes) bytes = strlen(name);
  wchar_t code = code_of(name, bytes);
  int columns = bytes > 1 && !shows_utf8() ? -1 : wcwidth(code);
  if (columns < 0 || is_steering(code)) return (struct character){"?", 1, 1, bytes};
  return (struct character){name, bytes, columns, bytes};
}

int name_columns(const char *name) {
  int columns = 0;
  while (*name != '\0') {
    struct character next = character_at(name);
    columns += next.columns;
    name += next.taken;
  }
  return columns;
}

void line_name(struct text_line *line, const char *name, int columns) {
  int needed = name_columns(name);
  int wanted = columns != 0 ? columns : needed;
  bool is_cut = needed > wanted;
  int end = line->columns + (is_cut ? wanted - 1 : wanted);
  while (*name != '\0') {
    struct character next = character_at(name);
    if (line->columns + next.columns > end) break;
    put_bytes(line, next.text, next.bytes, next.columns);
    name += next.taken;
  }
  if (is_cut) put_bytes(line, "~", 1, 1);
  for (end += is_cut; line->columns < end && line->columns < line->most;) put_bytes(line, " ", 1, 1);
}

/* ---- Numbers ---- */

static const char *scaled(char text[static 16], double value, double step, const char *units) {
  while (value >= 999.5 && units[1] != '\0') {
    value /= step;
    units++;
  }
  int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  snprintf(text, 16, "%.*f%c", digits, value, *units);
  return text;
}

const char *number_text(char text[static 16], enum cell_format format, double value) {
  if (isnan(value)) return "-";
  if (format == CELL_PERCENT) {
    snprintf(text, 16, "%.1f", value);
  } else if (value < 0 || value >= 9999.5) {
    format == CELL_BYTES ? scaled(text, value / 1024, 1024, "KMGTPE") : scaled(text, value / 1000, 1000, "kMGTPE");
  } else {
    snprintf(text, 16, "%.*f", value < 10 && value != floor(value) ? 1 : 0, value);
  }
  return text;
}
