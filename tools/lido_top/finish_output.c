/* finish_output.c: see finish_output.h. */
#include "tools/lido_top/finish_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/lido_top/top.h"

int finish_output(const char *who) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return TOP_FINE;
  fprintf(stderr, "%s: standard output: %s\n", who, strerror(errno));
  return TOP_FAILED;
}
