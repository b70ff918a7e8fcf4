/* cell_text.h: numbers and names in so many columns of a terminal. */
#ifndef LIDO_TOOLS_LIDO_TOP_CELL_TEXT_H
#define LIDO_TOOLS_LIDO_TOP_CELL_TEXT_H

#include <stddef.h>

enum cell_format { CELL_NAME, CELL_COUNT, CELL_BYTES, CELL_PERCENT };

/* A line that is built from its left to its right end, and takes no more than `most` columns. What does not fit is left
 * out. */
struct text_line {
  char text[4096];
  size_t bytes;
  int columns;
  int most;
};

/* Of a terminal that wide; as wide as may be: INT_MAX. */
void line_begin(struct text_line *line, int most);

/* ASCII, of at most 255 bytes at once. */
__attribute__((format(printf, 2, 3))) void line_put(struct text_line *line, const char *format, ...);

/* UTF-8, in exactly `columns` columns, or, if that is 0, in as many as it needs; in at most a quarter of the bytes that
 * the line has left, some 900, so that numbers still find room behind a name of any length. What a terminal would obey,
 * and what it can't show, becomes '?'; what does not fit ends in '~'. */
void line_name(struct text_line *line, const char *name, int columns);

/* How many columns it needs. */
int name_columns(const char *name);

/* At most seven columns: 9999, 12.3k, 4.56M; NAN is "-". */
const char *number_text(char text[static 16], enum cell_format format, double value);

#endif
