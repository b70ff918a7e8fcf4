/* An arena of a class comes back from its shelf with the memory of the last request. */
#include "uninitialised_program.h"

int main(void) {
  lido_arena_class *requests = lido_arena_class_create(NULL);
  if (requests == NULL) return 1;
  lido_arena *first = lido_arena_acquire(requests);
  if (first == NULL) return 1;
  use(lido_arena_alloc(first, sizeof(int)));
  lido_arena_release(first);
  lido_arena *second = lido_arena_acquire(requests);
  if (second != first) return 1;
  int *number = lido_arena_alloc(second, sizeof *number);
  return number == NULL ? 1 : read_wrongly(number);
}
