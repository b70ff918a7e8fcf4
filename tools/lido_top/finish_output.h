/* finish_output.h: has all that was printed arrived? */
#ifndef LIDO_TOOLS_LIDO_TOP_FINISH_OUTPUT_H
#define LIDO_TOOLS_LIDO_TOP_FINISH_OUTPUT_H

/* -> exit status: TOP_FINE, or TOP_FAILED, and a line on standard error, which begins with `who`, says why. */
int finish_output(const char *who);

#endif
