/* top_view.h: what is looked at: the samples, the table, the selection, what is being typed. Keys change it, the screen
 * shows it. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_VIEW_H
#define LIDO_TOOLS_LIDO_TOP_TOP_VIEW_H

#include <stdbool.h>

#include "tools/lido_top/top_table.h"

enum { FILTER_ROOM = 128, MESSAGE_ROOM = 512, NAME_ROOM = 512 };
static const double INTERVAL_LEAST = 0.1, INTERVAL_MOST = 3600;

enum top_page { PAGE_TABLE, PAGE_MAP, PAGE_HELP };

struct top_view {
  json_t *before; /* NULL: there is none yet */
  json_t *now;
  json_t *map; /* the slabs of the pool `selected`, or NULL */
  enum top_page page;
  enum top_table_number table;
  struct top_order orders[TOP_TABLES];
  struct top_rows rows;
  size_t first;             /* row, or line of the map, at the top */
  size_t place;             /* of the selected row */
  char selected[NAME_ROOM]; /* its name, which it keeps when the order changes */
  char filter[FILTER_ROOM];
  bool types_filter;
  bool is_paused;
  bool is_over;
  bool wants_sample; /* at once */
  double interval;
  char message[MESSAGE_ROOM]; /* "": all is well */
};

void view_begin(struct top_view *view, const char *sort, const char *filter, double interval);
void view_end(struct top_view *view);

/* A new sample, and with it the map, or NULL; they are given away. */
void view_take(struct top_view *view, json_t *sample, json_t *map);

/* The rows anew: after a change of the table, the order or the filter. */
void view_refresh(struct top_view *view);

/* A key of curses'. `page_rows`: rows that fit. */
void view_key(struct top_view *view, int key, int page_rows);

#endif
