/* top_table.h: pools, arena classes and caches as rows of numbers. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_TABLE_H
#define LIDO_TOOLS_LIDO_TOP_TOP_TABLE_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/lido_top/cell_text.h"

enum top_table_number { TOP_POOLS, TOP_ARENAS, TOP_CACHES, TOP_TABLES };
enum { TOP_COLUMNS_MOST = 16, COLUMN_NAME = 0 };

struct top_column {
  const char *key; /* --sort */
  const char *title;
  enum cell_format format;
  int width;         /* of a name: the least */
  const char *field; /* of the row's statistics; or */
  const char *rate;  /* what that has grown a second; or */
  double (*value)(const json_t *row);
};

struct top_table {
  const char *title;
  const char *array; /* in the sample */
  const struct top_column *columns;
  int column_count;
};

extern const struct top_table top_tables[TOP_TABLES];

/* -> -1: the table has none. */
int top_column_by_key(const struct top_table *table, const char *key);

struct top_row {
  const char *name;
  double values[TOP_COLUMNS_MOST]; /* NAN: not known; that of the name is 0 */
};

struct top_rows {
  struct top_row *rows; /* sorted; they point into the sample */
  size_t count;
  size_t all; /* before the filter */
  size_t room;
};

struct top_order {
  int column;
  bool reversed;
};

/* Fill `rows` with what contains `filter`. false: no memory, and no rows. `before` may be NULL. */
bool top_rows_fill(struct top_rows *rows, const struct top_table *table, const json_t *before, const json_t *now,
                   const char *filter, struct top_order order);
void top_rows_end(struct top_rows *rows);

/* One row, and the titles, in a line; the name in so many columns. */
void top_row_line(struct text_line *line, const struct top_table *table, const struct top_row *row, int name_width,
                  int columns);
void top_title_line(struct text_line *line, const struct top_table *table, struct top_order order, int name_width,
                    int columns);

/* How many of the columns fit into such a width, and how wide the name then is. */
int top_columns_that_fit(const struct top_table *table, int width, int *name_width);

#endif
