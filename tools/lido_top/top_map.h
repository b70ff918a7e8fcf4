/* top_map.h: the slabs of a pool, one character each. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_MAP_H
#define LIDO_TOOLS_LIDO_TOP_TOP_MAP_H

#include "tools/lido_top/top_view.h"

/* In the lines from `top` to before `bottom`. */
void map_draw(struct top_view *view, int top, int bottom);

#endif
