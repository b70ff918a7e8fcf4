/* uninitialised_program.h: a program that reads memory whose contents mean nothing. */
#ifndef LIDO_TESTS_UNINITIALISED_UNINITIALISED_PROGRAM_H
#define LIDO_TESTS_UNINITIALISED_UNINITIALISED_PROGRAM_H

#include <stdio.h>
#include <stdlib.h>

#include "lido/lido.h"

/* Write to a number and see it again, without a report. */
static inline void use(int *number) {
  if (number == NULL) exit(1);
  *number = 42;
  if (*number == 42) fputs("what was written is there\n", stderr);
}

/* A read that must be reported: the program ends there. */
static inline int read_wrongly(const int *number) {
  if (*number == 42) fputs("42, ", stderr); /* a branch: a value that is only passed on is none of MSan's business */
  fputs("the read was not reported\n", stderr);
  return 1;
}

#endif
