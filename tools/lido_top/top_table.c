/* top_table.c: see top_table.h. */
#include "tools/lido_top/top_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lido_top/top_sample.h"

/* ---- Columns ---- */

static double stat(const json_t *row, const char *name) { return json_number_at(json_object_get(row, "stats"), name); }

static double share(double part, double whole) { return whole > 0 ? 100 * part / whole : NAN; }

static double object_size(const json_t *row) { return json_number_at(row, "object_size"); }

static double use_of_pool(const json_t *row) { return share(stat(row, "bytes_live"), stat(row, "bytes_reserved")); }

static double hits_of_pool(const json_t *row) {
  double calls = stat(row, "allocs") + stat(row, "frees");
  return share(fmax(calls - stat(row, "misses"), 0), calls);
}

static double hits_of_class(const json_t *row) {
  double acquires = stat(row, "acquires");
  return share(fmax(acquires - stat(row, "misses"), 0), acquires);
}

static double hits_of_cache(const json_t *row) {
  return share(stat(row, "hits"), stat(row, "hits") + stat(row, "misses"));
}

static const struct top_column pool_columns[] = {
    {"name", "POOL", CELL_NAME, 8, NULL, NULL, NULL},
    {"size", "SIZE", CELL_COUNT, 6, NULL, NULL, object_size},
    {"live", "LIVE", CELL_COUNT, 7, "live", NULL, NULL},
    {"cached", "CACHED", CELL_COUNT, 7, "cached", NULL, NULL},
    {"slabs", "SLABS", CELL_COUNT, 6, "slabs", NULL, NULL},
    {"bytes", "BYTES", CELL_BYTES, 7, "bytes_reserved", NULL, NULL},
    {"use", "USE%", CELL_PERCENT, 6, NULL, NULL, use_of_pool},
    {"hits", "HIT%", CELL_PERCENT, 6, NULL, NULL, hits_of_pool},
    {"allocs", "ALLOC/s", CELL_COUNT, 8, NULL, "allocs", NULL},
    {"frees", "FREE/s", CELL_COUNT, 8, NULL, "frees", NULL},
    {"contended", "CONTEND", CELL_COUNT, 8, "contended", NULL, NULL},
    {"peak", "PEAK", CELL_COUNT, 7, "peak", NULL, NULL},
    {"exhausted", "EXHAUST", CELL_COUNT, 8, "exhausted", NULL, NULL},
};

static const struct top_column arena_columns[] = {
    {"name", "ARENA CLASS", CELL_NAME, 12, NULL, NULL, NULL},
    {"live", "LIVE", CELL_COUNT, 7, "live", NULL, NULL},
    {"idle", "IDLE", CELL_COUNT, 7, "idle", NULL, NULL},
    {"bytes", "IDLE BYTES", CELL_BYTES, 11, "idle_bytes", NULL, NULL},
    {"wanted", "FIRST", CELL_BYTES, 7, "wanted", NULL, NULL},
    {"peak", "PEAK", CELL_BYTES, 7, "peak", NULL, NULL},
    {"hits", "HIT%", CELL_PERCENT, 6, NULL, NULL, hits_of_class},
    {"acquires", "ACQUIRE/s", CELL_COUNT, 10, NULL, "acquires", NULL},
    {"resets", "RESET/s", CELL_COUNT, 8, NULL, "resets", NULL},
    {"slow", "SLOW/s", CELL_COUNT, 8, NULL, "slow", NULL},
    {"failures", "FAILED", CELL_COUNT, 7, "failures", NULL, NULL},
};

static const struct top_column cache_columns[] = {
    {"name", "CACHE", CELL_NAME, 8, NULL, NULL, NULL},
    {"entries", "ENTRIES", CELL_COUNT, 8, "entries", NULL, NULL},
    {"kept", "KEPT", CELL_COUNT, 7, "kept", NULL, NULL},
    {"weight", "WEIGHT", CELL_BYTES, 7, "kept_weight", NULL, NULL},
    {"bytes", "BYTES", CELL_BYTES, 7, "bytes_reserved", NULL, NULL},
    {"hits", "HIT%", CELL_PERCENT, 6, NULL, NULL, hits_of_cache},
    {"asked", "HIT/s", CELL_COUNT, 8, NULL, "hits", NULL},
    {"missed", "MISS/s", CELL_COUNT, 8, NULL, "misses", NULL},
    {"flights", "MAKE/s", CELL_COUNT, 8, NULL, "flights", NULL},
    {"waits", "WAIT/s", CELL_COUNT, 8, NULL, "waits", NULL},
    {"deaths", "DEATH/s", CELL_COUNT, 8, NULL, "deaths", NULL},
};

#define COLUMNS(list) .columns = list, .column_count = sizeof list / sizeof list[0]

const struct top_table top_tables[TOP_TABLES] = {
    [TOP_POOLS] = {.title = "Pools", .array = "pools", COLUMNS(pool_columns)},
    [TOP_ARENAS] = {.title = "Arenas", .array = "arena_classes", COLUMNS(arena_columns)},
    [TOP_CACHES] = {.title = "Caches", .array = "caches", COLUMNS(cache_columns)},
};

int top_column_by_key(const struct top_table *table, const char *key) {
  for (int i = 0; i < table->column_count; i++) {
    if (strcmp(table->columns[i].key, key) == 0) return i;
  }
  return -1;
}

/* ---- Rows ---- */

static double rate_of(const json_t *before, const json_t *now, const char *name, double seconds) {
  if (before == NULL || seconds <= 0) return NAN;
  double grown = stat(now, name) - stat(before, name);
  return grown >= 0 ? grown / seconds : NAN; /* another one of the same name */
}

static double value_of(const struct top_column *column, const json_t *before, const json_t *now, double seconds) {
  if (column->field != NULL) return stat(now, column->field);
  if (column->rate != NULL) return rate_of(before, now, column->rate, seconds);
  return column->value != NULL ? column->value(now) : 0;
}

static void fill_row(struct top_row *row, const struct top_table *table, const json_t *before, const json_t *now,
                     double seconds) {
  row->name = json_text_at(now, "name");
  for (int i = 0; i < table->column_count; i++) row->values[i] = value_of(&table->columns[i], before, now, seconds);
}

/* The rows of an array by their names. One of several of the same name is null: which it is nobody knows. NULL: no
 * memory. */
static json_t *by_names(const json_t *array) {
  json_t *rows = json_object();
  for (size_t i = 0; i < json_array_size(array) && rows != NULL; i++) {
    json_t *row = json_array_get(array, i);
    const char *name = json_text_at(row, "name");
    int error = json_object_get(rows, name) == NULL ? json_object_set(rows, name, row)
                                                    : json_object_set_new(rows, name, json_null());
    if (error == 0) continue;
    json_decref(rows);
    rows = NULL;
  }
  return rows;
}

static const json_t *same_before(const json_t *rows, const char *name) {
  const json_t *row = json_object_get(rows, name);
  return json_is_null(row) ? NULL : row;
}

static bool make_room(struct top_rows *rows, size_t count) {
  if (count <= rows->room) return true;
  struct top_row *larger = realloc(rows->rows, count * sizeof *larger);
  if (larger == NULL) return false;
  rows->rows = larger;
  rows->room = count;
  return true;
}

static struct top_order order_of_sort; /* qsort hands nothing on */

/* The largest first, or, reversed, the smallest; what is not known last. */
static int compare_values(double a, double b) {
  if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
  int order = (a < b) - (a > b);
  return order_of_sort.reversed ? -order : order;
}

static int compare(const void *a, const void *b) {
  const struct top_row *left = a;
  const struct top_row *right = b;
  int column = order_of_sort.column;
  int by_name = strcmp(left->name, right->name);
  if (column == COLUMN_NAME) return order_of_sort.reversed ? -by_name : by_name;
  int order = compare_values(left->values[column], right->values[column]);
  return order != 0 ? order : by_name;
}

static void fill_rows(struct top_rows *rows, const struct top_table *table, const json_t *earlier, const json_t *array,
                      const char *filter, double seconds) {
  for (size_t i = 0; i < rows->all; i++) {
    const json_t *row = json_array_get(array, i);
    const char *name = json_text_at(row, "name");
    if (strcasestr(name, filter) == NULL) continue;
    fill_row(&rows->rows[rows->count++], table, same_before(earlier, name), row, seconds);
  }
}

bool top_rows_fill(struct top_rows *rows, const struct top_table *table, const json_t *before, const json_t *now,
                   const char *filter, struct top_order order) {
  const json_t *array = json_object_get(now, table->array);
  double seconds = sample_seconds(before, now);
  rows->count = 0;
  rows->all = json_array_size(array);
  json_t *earlier = by_names(seconds > 0 ? json_object_get(before, table->array) : NULL);
  if (earlier == NULL || !make_room(rows, rows->all)) {
    json_decref(earlier);
    return false;
  }
  fill_rows(rows, table, earlier, array, filter, seconds);
  json_decref(earlier);
  order_of_sort = order;
  if (rows->count > 1) qsort(rows->rows, rows->count, sizeof *rows->rows, compare);
  return true;
}

void top_rows_end(struct top_rows *rows) {
  free(rows->rows);
  *rows = (struct top_rows){0};
}

/* ---- Lines ---- */

int top_columns_that_fit(const struct top_table *table, int width, int *name_width) {
  int used = table->columns[COLUMN_NAME].width;
  int count = 1;
  while (count < table->column_count && used + 1 + table->columns[count].width <= width) {
    used += 1 + table->columns[count++].width;
  }
  *name_width = table->columns[COLUMN_NAME].width + (width > used ? width - used : 0);
  if (*name_width > width) *name_width = width > 1 ? width : 1;
  return count;
}

void top_row_line(struct text_line *line, const struct top_table *table, const struct top_row *row, int name_width,
                  int columns) {
  char text[16];
  line_name(line, row->name, name_width);
  for (int i = 1; i < columns; i++) {
    const struct top_column *column = &table->columns[i];
    line_put(line, " %*s", column->width, number_text(text, column->format, row->values[i]));
  }
}

/* The column that the table is sorted by has a mark: v, the largest first; ^, the smallest. */
void top_title_line(struct text_line *line, const struct top_table *table, struct top_order order, int name_width,
                    int columns) {
  for (int i = 0; i < columns; i++) {
    const struct top_column *column = &table->columns[i];
    char title[32];
    bool falls = (i == COLUMN_NAME) == order.reversed;
    snprintf(title, sizeof title, "%s%s", i != order.column ? "" : falls ? "v" : "^", column->title);
    if (i == COLUMN_NAME) line_name(line, title, name_width);
    if (i != COLUMN_NAME) line_put(line, " %*s", column->width, title);
  }
}
