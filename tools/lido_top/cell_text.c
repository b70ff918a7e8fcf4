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

enum { NUMBERS_BYTES = 512, CHARACTER_BYTES = 4 };

/* ---- Lines ---- */

void line_begin(struct text_line *line, int most) {
  *line = (struct text_line){.most = most};
  line->text[0] = '\0';
}

/* false: the line is full. */
static bool put_bytes(struct text_line *line, const char *text, size_t bytes, int columns) {
  if (columns > line->most - line->columns || bytes >= sizeof line->text - line->bytes) return false;
  memcpy(line->text + line->bytes, text, bytes);
  line->bytes += bytes;
  line->columns += columns;
  line->text[line->bytes] = '\0';
  return true;
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

struct extent {
  int columns;
  size_t bytes;
};

static struct extent extent_of(const char *name) {
  struct extent e = {0, 0};
  while (*name != '\0') {
    struct character next = character_at(name);
    e.columns += next.columns;
    e.bytes += next.bytes;
    name += next.taken;
  }
  return e;
}

int name_columns(const char *name) { return extent_of(name).columns; }

/* Bytes that a name may take: the rest is for the numbers that follow it. */
static int room_for_name(const struct text_line *line) {
  int room = (int)(sizeof line->text) - NUMBERS_BYTES - (int)line->bytes;
  return room > 0 ? room : 0;
}

/* Up to that column, and so that a byte is left for each column that is left. -> whether all of it. */
static bool put_characters(struct text_line *line, const char *name, int end, int bytes) {
  while (*name != '\0') {
    struct character next = character_at(name);
    int columns_left = end - line->columns - next.columns;
    if (columns_left < 0 || (int)next.bytes + columns_left > bytes) return false;
    if (!put_bytes(line, next.text, next.bytes, next.columns)) return false;
    bytes -= (int)next.bytes;
    name += next.taken;
  }
  return true;
}

/* Characters that take a column each always have their bytes, since the columns are bounded; those that take none may
 * have not. */
void line_name(struct text_line *line, const char *name, int columns) {
  int room = room_for_name(line);
  struct extent whole = extent_of(name);
  int wanted = columns != 0 ? columns : whole.columns;
  if (wanted > room / CHARACTER_BYTES) wanted = room / CHARACTER_BYTES;
  bool fits = whole.columns <= wanted && whole.bytes + (size_t)(wanted - whole.columns) <= (size_t)room;
  if (!fits && wanted == 0) wanted = 1;
  int end = line->columns + wanted;
  put_characters(line, name, fits ? end : end - 1, fits ? room : room - 1);
  bool has_room = fits || put_bytes(line, "~", 1, 1);
  while (has_room && line->columns < end) has_room = put_bytes(line, " ", 1, 1);
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
