/* cancelled.h: calls of a thread that somebody has cancelled: no function of Lido's may be where it ends. */
#ifndef LIDO_TESTS_SUPPORT_CANCELLED_H
#define LIDO_TESTS_SUPPORT_CANCELLED_H

#include <pthread.h>

#include "tests/support/testing.h"

typedef struct cancelled_call {
  void (*body)(void *argument);
  void *argument;
  bool returned;
} cancelled_call;

/* It is cancelled before the body begins, and so ends at the first cancellation point. */
static inline void *cancelled_thread(void *argument) {
  cancelled_call *call = argument;
  pthread_cancel(pthread_self());
  call->body(call->argument);
  call->returned = true;
  pthread_testcancel();
  return NULL;
}

/* Does body(argument) come to its end in a thread that is cancelled, which ends then? */
static inline bool returns_when_cancelled(void (*body)(void *argument), void *argument) {
  cancelled_call call = {.body = body, .argument = argument};
  pthread_t thread;
  void *result = NULL;
  CHECK_EQ(pthread_create(&thread, NULL, cancelled_thread, &call), 0);
  CHECK_EQ(pthread_join(thread, &result), 0);
  return call.returned && result == PTHREAD_CANCELED;
}

#endif
