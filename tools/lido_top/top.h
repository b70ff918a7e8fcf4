/* top.h: `lido top`.
 *
 * Idea: a sample is what the socket answered, as JSON (top_sample). Tables are lists of columns, each of which knows
 * how to come from a row's JSON and that of the sample before (top_table); so a screen, a printed table and a sort
 * order are the same numbers. The screen (top_screen) is drawn anew from the view's state whenever something has
 * changed, and the loop (top.c) waits for keys and for the socket at once: neither holds up the other.
 */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_H
#define LIDO_TOOLS_LIDO_TOP_TOP_H

#include <stdbool.h>

enum top_status { TOP_FINE, TOP_FAILED, TOP_USAGE };

/* argv[0] is "top". -> exit status. */
int top_main(int argc, char **argv);

#endif
