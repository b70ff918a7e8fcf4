/* top_options.h: what the command line of `lido top` says. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_OPTIONS_H
#define LIDO_TOOLS_LIDO_TOP_TOP_OPTIONS_H

#include <stdbool.h>

struct top_options {
  bool once;
  bool json;
  bool has_interval;
  double interval; /* seconds */
  const char *sort;
  const char *filter;
  const char *target; /* a PID or a path; NULL: the only socket of this user */
};

/* -> false: the program ends with *status; help or an error has been written. */
bool top_options_parse(struct top_options *options, int argc, char **argv, int *status);

#endif
