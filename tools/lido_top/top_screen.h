/* top_screen.h: a view on the terminal. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_SCREEN_H
#define LIDO_TOOLS_LIDO_TOP_TOP_SCREEN_H

#include "tools/lido_top/top_view.h"

/* Draws all of it. Scrolls the view so far that the selected row is seen, or that the map is. */
void screen_draw(struct top_view *view);

/* Rows of the table that fit. */
int screen_page_rows(void);

#endif
