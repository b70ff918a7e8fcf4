/* child.h: checks in the child of a fork. */
#ifndef LIDO_TESTS_SUPPORT_CHILD_H
#define LIDO_TESTS_SUPPORT_CHILD_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/testing.h"

enum { CHILD_SECONDS = 20 };

/* In the child. */
#define IN_CHILD(condition)                      \
  do {                                           \
    if (!(condition)) _exit(1 + __LINE__ % 200); \
  } while (0)

/* Run `body` in a child and wait for it. */
static inline void check_child(void (*body)(void *scene), void *scene) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    body(scene);
    _exit(0);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) TESTING_FAIL("the child ended by signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0)
    TESTING_FAIL("in the child, the check at line %d (modulo 200)", WEXITSTATUS(status) - 1);
}

#endif
