/* gate.h: a place where threads wait until the test lets them go on, and where the test waits until they are there. */
#ifndef LIDO_TESTS_SUPPORT_GATE_H
#define LIDO_TESTS_SUPPORT_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  size_t arrived; /* threads that came, also those that went on */
  bool is_open;
} gate;

#define GATE_SHUT \
  (gate) { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Say that this thread is here, and do not wait. */
static inline void gate_arrive(gate *g) {
  pthread_mutex_lock(&g->mutex);
  g->arrived++;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->mutex);
}

/* The same, and wait until the gate is open. */
static inline void gate_pass(gate *g) {
  pthread_mutex_lock(&g->mutex);
  g->arrived++;
  pthread_cond_broadcast(&g->changed);
  while (!g->is_open) pthread_cond_wait(&g->changed, &g->mutex);
  pthread_mutex_unlock(&g->mutex);
}

/* Wait until so many have come. */
static inline void gate_await(gate *g, size_t count) {
  pthread_mutex_lock(&g->mutex);
  while (g->arrived < count) pthread_cond_wait(&g->changed, &g->mutex);
  pthread_mutex_unlock(&g->mutex);
}

static inline void gate_open(gate *g) {
  pthread_mutex_lock(&g->mutex);
  g->is_open = true;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->mutex);
}

#endif
