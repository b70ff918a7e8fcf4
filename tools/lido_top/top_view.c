/* top_view.c: see top_view.h. */
#include "tools/lido_top/top_view.h"

#include <curses.h>
#include <stdio.h>
#include <string.h>

enum { ESCAPE = 27, DELETE = 127, CONTROL_H = 8 };

#define PLACE_MOST (SIZE_MAX / 2) /* more may be added to it */

/* ---- Life ---- */

void view_begin(struct top_view *view, const char *sort, const char *filter, double interval) {
  *view = (struct top_view){.interval = interval, .wants_sample = true};
  snprintf(view->filter, sizeof view->filter, "%s", filter);
  for (enum top_table_number table = 0; table < TOP_TABLES; table++) {
    int column = sort != NULL ? top_column_by_key(&top_tables[table], sort) : COLUMN_NAME;
    view->orders[table].column = column >= 0 ? column : COLUMN_NAME;
  }
}

void view_end(struct top_view *view) {
  json_decref(view->before);
  json_decref(view->now);
  json_decref(view->map);
  top_rows_end(&view->rows);
}

/* ---- The selection ---- */

static void select_place(struct top_view *view, size_t place) {
  if (place >= view->rows.count) place = view->rows.count != 0 ? view->rows.count - 1 : 0;
  view->place = place;
  const char *name = view->rows.count != 0 ? view->rows.rows[place].name : "";
  snprintf(view->selected, sizeof view->selected, "%s", name);
}

static void find_selected(struct top_view *view) {
  for (size_t i = 0; i < view->rows.count; i++) {
    if (strcmp(view->rows.rows[i].name, view->selected) != 0) continue;
    view->place = i;
    return;
  }
  select_place(view, view->place);
}

void view_refresh(struct top_view *view) {
  bool whole = top_rows_fill(&view->rows, &top_tables[view->table], view->before, view->now, view->filter,
                             view->orders[view->table]);
  if (!whole) snprintf(view->message, sizeof view->message, "no memory for the table");
  if (view->page != PAGE_MAP) find_selected(view);
}

void view_take(struct top_view *view, json_t *sample, json_t *map) {
  json_decref(view->before);
  view->before = view->now;
  view->now = sample;
  json_decref(view->map);
  view->map = map;
  view->message[0] = '\0';
  view_refresh(view);
}

/* ---- Keys ---- */

static void change_order(struct top_view *view, int step) {
  struct top_order *order = &view->orders[view->table];
  int count = top_tables[view->table].column_count;
  order->column = (order->column + count + step) % count;
}

static void change_table(struct top_view *view, int step) {
  view->table = (enum top_table_number)(((int)view->table + TOP_TABLES + step) % TOP_TABLES);
  view->first = 0;
  view_refresh(view);
  select_place(view, 0);
}

static void change_interval(struct top_view *view, double factor) {
  double interval = view->interval * factor;
  if (interval >= INTERVAL_LEAST && interval <= INTERVAL_MOST) view->interval = interval;
}

static void open_map(struct top_view *view) {
  if (view->table != TOP_POOLS || view->rows.count == 0) return;
  view->page = PAGE_MAP;
  view->first = 0;
  view->wants_sample = true;
  json_decref(view->map);
  view->map = NULL;
}

static void close_page(struct top_view *view) {
  view->page = PAGE_TABLE;
  view->first = 0;
  view_refresh(view);
}

/* -> whether it was one. */
static bool move_by_key(struct top_view *view, int key, int page_rows) {
  size_t page = page_rows > 1 ? (size_t)page_rows : 1;
  bool scrolls = view->page == PAGE_MAP;
  size_t at = scrolls ? view->first : view->place;
  if (key == KEY_UP || key == 'k') at -= at != 0;
  else if (key == KEY_DOWN || key == 'j') at++;
  else if (key == KEY_PPAGE) at -= at < page ? at : page;
  else if (key == KEY_NPAGE) at += page;
  else if (key == KEY_HOME) at = 0;
  else if (key == KEY_END) at = PLACE_MOST;
  else return false;
  if (scrolls) view->first = at < PLACE_MOST ? at : PLACE_MOST; /* the screen knows how far the map goes */
  if (!scrolls) select_place(view, at);
  return true;
}

static void type_filter(struct top_view *view, int key) {
  size_t bytes = strlen(view->filter);
  if (key == '\n' || key == '\r' || key == KEY_ENTER) view->types_filter = false;
  if (key == ESCAPE) {
    view->types_filter = false;
    view->filter[0] = '\0';
  }
  if (key == KEY_BACKSPACE || key == DELETE || key == CONTROL_H) {
    while (bytes != 0 && ((unsigned char)view->filter[--bytes] & 0xc0) == 0x80) continue; /* a whole character */
    view->filter[bytes] = '\0';
  }
  if (key >= ' ' && key <= 0xff && key != DELETE && bytes + 1 < sizeof view->filter) {
    view->filter[bytes] = (char)key;
    view->filter[bytes + 1] = '\0';
  }
  view_refresh(view);
}

static void order_by_key(struct top_view *view, int key) {
  struct top_order *order = &view->orders[view->table];
  if (key == '<' || key == KEY_LEFT) change_order(view, -1);
  if (key == '>' || key == 's' || key == KEY_RIGHT) change_order(view, 1);
  if (key == 'r') order->reversed = !order->reversed;
  view_refresh(view);
}

static void table_key(struct top_view *view, int key) {
  if (key == '\t') change_table(view, 1);
  if (key == KEY_BTAB) change_table(view, -1);
  if (key == '\n' || key == '\r' || key == KEY_ENTER) open_map(view);
  if (key == '/') view->types_filter = true;
  if (key == ESCAPE && view->filter[0] != '\0') {
    view->filter[0] = '\0';
    view_refresh(view);
  }
  if (key < 0x1000 && (key == KEY_LEFT || key == KEY_RIGHT || strchr("<>sr", key) != NULL)) order_by_key(view, key);
}

/* -> whether it was one that all pages know. */
static bool common_key(struct top_view *view, int key) {
  if (key == 'q') {
    view->is_over = true;
  } else if (key == 'p' || key == ' ') {
    view->is_paused = !view->is_paused;
    view->wants_sample = !view->is_paused;
  } else if (key == '+') {
    change_interval(view, 2);
  } else if (key == '-') {
    change_interval(view, 0.5);
  } else if (key == 'h' || key == '?') {
    if (view->page == PAGE_HELP) close_page(view);
    else view->page = PAGE_HELP;
  } else {
    return false;
  }
  return true;
}

void view_key(struct top_view *view, int key, int page_rows) {
  if (key == KEY_RESIZE || key == 0) return;
  if (view->types_filter) {
    type_filter(view, key);
    return;
  }
  if (common_key(view, key)) return;
  if (view->page == PAGE_HELP) {
    close_page(view);
  } else if (!move_by_key(view, key, page_rows)) {
    if (view->page == PAGE_TABLE) table_key(view, key);
    else if (key == ESCAPE || key == '\n' || key == '\r' || key == KEY_ENTER) close_page(view);
  }
}
