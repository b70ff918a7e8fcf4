/* top_screen.c: see top_screen.h. Whatever does not fit is left out, from a terminal of one character on. */
#include "tools/lido_top/top_screen.h"

#include <curses.h>
#include <string.h>

#include "tools/lido_top/top_header.h"
#include "tools/lido_top/top_map.h"

enum { TABS = HEADER_LINES, TITLES, BODY };

static const char *const help[] = {
    "up down page home end   move                     tab   pools, arenas, caches",
    "s > < right left        sort by another column   r     the other way round",
    "/                       only names that contain  esc   all names again",
    "enter                   map of the pool's slabs  p     pause",
    "+ -                     double, halve the interval",
    "h ?                     this help                q     quit",
    "",
    "USE%: live bytes of those reserved   HIT%: served by a thread's cache, an idle arena, a live value",
    "CONTEND: times that the depot's lock was busy   SLOW: not served by a thread's cache, or block",
    "FIRST: first block of a new arena   WEIGHT: of values that a cache keeps",
};

/* ---- Lines ---- */

static void draw_line(int y, const struct text_line *line, attr_t attributes) {
  if (y < 0 || y >= LINES) return;
  attrset((int)attributes);
  mvaddstr(y, 0, line->text);
  if (attributes & A_REVERSE) {
    for (int x = line->columns; x < COLS; x++) mvaddch(y, x, ' ');
  }
  attrset(A_NORMAL);
}

static void draw_text(int y, const char *text, attr_t attributes) {
  struct text_line line;
  line_begin(&line, COLS);
  line_name(&line, text, name_columns(text) > COLS ? COLS : 0);
  draw_line(y, &line, attributes);
}

int screen_page_rows(void) { return LINES > BODY + 1 ? LINES - BODY - 1 : 0; }

/* ---- The parts ---- */

static void draw_header(const struct top_view *view) {
  struct text_line line;
  for (int i = 0; i < HEADER_LINES; i++) {
    top_header_line(&line, i, view->before, view->now, COLS);
    if (i == 0) line_put(&line, "  every %.3g s%s", view->interval, view->is_paused ? "  paused" : "");
    draw_line(i, &line, i == 0 ? A_BOLD : A_NORMAL);
  }
}

static void draw_tabs(const struct top_view *view) {
  struct text_line line;
  line_begin(&line, COLS);
  for (enum top_table_number i = 0; i < TOP_TABLES; i++) {
    size_t count = json_array_size(json_object_get(view->now, top_tables[i].array));
    bool is_this = i == view->table;
    line_put(&line, "%s%s %zu%s ", is_this ? "[" : " ", top_tables[i].title, count, is_this ? "]" : " ");
  }
  if (view->types_filter || view->filter[0] != '\0') {
    line_put(&line, "  filter: ");
    line_name(&line, view->filter, 0);
    line_put(&line, "%s  (%zu of %zu)", view->types_filter ? "_" : "", view->rows.count, view->rows.all);
  }
  draw_line(TABS, &line, A_NORMAL);
}

static void scroll_to_selected(struct top_view *view, size_t page) {
  if (view->place < view->first) view->first = view->place;
  if (page != 0 && view->place >= view->first + page) view->first = view->place - page + 1;
  if (view->first + page > view->rows.count) view->first = view->rows.count > page ? view->rows.count - page : 0;
}

static void draw_rows(struct top_view *view) {
  const struct top_table *table = &top_tables[view->table];
  size_t page = (size_t)screen_page_rows();
  struct text_line line;
  int name_width;
  int columns = top_columns_that_fit(table, COLS, &name_width);
  line_begin(&line, COLS);
  top_title_line(&line, table, view->orders[view->table], name_width, columns);
  draw_line(TITLES, &line, A_REVERSE);
  scroll_to_selected(view, page);
  for (size_t i = 0; i < page && view->first + i < view->rows.count; i++) {
    line_begin(&line, COLS);
    top_row_line(&line, table, &view->rows.rows[view->first + i], name_width, columns);
    draw_line(BODY + (int)i, &line, view->first + i == view->place ? A_REVERSE : A_NORMAL);
  }
  if (view->rows.count == 0) draw_text(BODY, view->rows.all == 0 ? "(none)" : "(no name contains that)", A_NORMAL);
}

static void draw_help(void) {
  for (int i = 0; i < (int)(sizeof help / sizeof help[0]); i++) draw_text(i, help[i], A_NORMAL);
}

static const char *hint(const struct top_view *view) {
  if (view->message[0] != '\0') return view->message;
  if (view->types_filter) return "type a part of a name, then enter; esc: all names";
  if (view->page == PAGE_HELP) return "any key: back";
  if (view->page == PAGE_MAP) return "esc: back   arrows: move   h: help   q: quit";
  return "q quit  h help  tab table  s sort  r reverse  / filter  enter map  p pause";
}

static void draw_page(struct top_view *view) {
  if (view->page == PAGE_HELP) {
    draw_help();
  } else if (view->now != NULL) {
    draw_header(view);
    draw_tabs(view);
    if (view->page == PAGE_TABLE) draw_rows(view);
    if (view->page == PAGE_MAP) map_draw(view, TITLES, LINES - 1);
  }
}

void screen_draw(struct top_view *view) {
  erase();
  draw_page(view);
  if (LINES > 1) {
    move(LINES - 1, 0);
    clrtoeol();
    draw_text(LINES - 1, hint(view), view->message[0] != '\0' ? A_REVERSE : A_DIM);
  }
  refresh();
}
