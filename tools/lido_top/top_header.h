/* top_header.h: the lines about the manager as a whole. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_HEADER_H
#define LIDO_TOOLS_LIDO_TOP_TOP_HEADER_H

#include <jansson.h>

#include "tools/lido_top/cell_text.h"

enum { HEADER_LINES = 5 };

/* Each in a terminal of so many columns. `before` may be NULL. */
void top_header_line(struct text_line *line, int number, const json_t *before, const json_t *now, int columns);

#endif
