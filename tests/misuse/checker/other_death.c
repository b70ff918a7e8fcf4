/* The line is right, but the program ends by itself: the checker must complain. */
#include "misuse_program.h"

int main(void) {
  expect("lido: double free");
  fprintf(stderr, "lido: double free\n");
  return 1;
}
