/* top_once.c: see top_once.h. */
#include "tools/lido_top/top_once.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tools/lido_top/finish_output.h"
#include "tools/lido_top/top.h"
#include "tools/lido_top/top_client.h"
#include "tools/lido_top/top_header.h"
#include "tools/lido_top/top_sample.h"
#include "tools/lido_top/top_view.h"

static int fail(const struct top_target *target, const char *why) {
  fprintf(stderr, "lido top: %s: %s\n", target->path, why);
  return TOP_FAILED;
}

int top_json(const struct top_target *target) {
  struct top_client client = {.descriptor = -1};
  int status = TOP_FINE;
  if (!client_ask(&client, target->path, "snapshot\n", 1)) status = fail(target, strerror(errno));
  if (status == TOP_FINE) {
    fwrite(client.text, 1, client.bytes, stdout);
    status = finish_output("lido top");
  }
  client_end(&client);
  return status;
}

/* NULL: a line on standard error says why. */
static json_t *take_sample(const struct top_target *target) {
  struct top_client client = {.descriptor = -1};
  char why[128];
  json_t *sample = NULL;
  if (!client_ask(&client, target->path, "snapshot\n", 1)) {
    fail(target, strerror(errno));
  } else if (!sample_read(&sample, client.text, client.bytes, why, sizeof why)) {
    fail(target, why);
  }
  client_end(&client);
  return sample;
}

static int width_of_names(const struct top_table *table, const struct top_rows *rows) {
  int width = table->columns[COLUMN_NAME].width;
  for (size_t i = 0; i < rows->count; i++) {
    int columns = name_columns(rows->rows[i].name);
    if (columns > width) width = columns;
  }
  return width;
}

static void print_table(struct top_view *view) {
  const struct top_table *table = &top_tables[view->table];
  struct text_line line;
  view_refresh(view);
  if (view->rows.count == 0) return;
  int width = width_of_names(table, &view->rows);
  line_begin(&line, INT_MAX);
  top_title_line(&line, table, view->orders[view->table], width, table->column_count);
  printf("\n%s\n", line.text);
  for (size_t i = 0; i < view->rows.count; i++) {
    line_begin(&line, INT_MAX);
    top_row_line(&line, table, &view->rows.rows[i], width, table->column_count);
    puts(line.text);
  }
}

static void print_all(struct top_view *view) {
  struct text_line line;
  for (int i = 0; i < HEADER_LINES; i++) {
    top_header_line(&line, i, view->before, view->now, INT_MAX);
    puts(line.text);
  }
  for (view->table = 0; view->table < TOP_TABLES; view->table++) print_table(view);
}

int top_once(const struct top_options *options, const struct top_target *target) {
  struct top_view view;
  view_begin(&view, options->sort, options->filter, options->interval);
  view.now = take_sample(target);
  if (view.now != NULL && options->has_interval) {
    poll(NULL, 0, (int)(options->interval * 1000));
    view.before = view.now;
    view.now = take_sample(target);
  }
  int status = TOP_FAILED;
  if (view.now != NULL) {
    print_all(&view);
    status = finish_output("lido top");
  }
  view_end(&view);
  return status;
}
