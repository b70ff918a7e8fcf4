/* exporters_fork.c: see exporters_fork.h. The part has hooks of its own: those of lido are not public. */
#include "lib/adapters/exporter/exporters_fork.h"

#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <unistd.h>

static once_flag once = ONCE_FLAG_INIT;
static int install_error; /* written once */
static mtx_t lock;
static int cancel_state;          /* of the thread that has the lock; guarded by it */
static exporter_descriptors *all; /* guarded by `lock` */

int lido_exporters_cancel_off(void) {
  int before;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  return before;
}

void lido_exporters_cancel_restore(int before) { pthread_setcancelstate(before, &(int){0}); }

static void take(void) {
  int before = lido_exporters_cancel_off();
  mtx_lock(&lock);
  cancel_state = before;
}

static void give(void) {
  int before = cancel_state;
  mtx_unlock(&lock);
  lido_exporters_cancel_restore(before);
}

/* ---- Fork ---- */

static void drop(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

static void in_child(void) {
  for (exporter_descriptors *one = all; one != NULL; one = one->next) {
    drop(&one->listening);
    drop(&one->epoll);
    for (size_t i = 0; i < one->client_count; i++) close(one->clients[i]);
    one->client_count = 0;
  }
  give();
}

static void install(void) {
  install_error = mtx_init(&lock, mtx_plain) == thrd_success ? pthread_atfork(take, give, in_child) : ENOMEM;
}

/* ---- The list ---- */

int lido_exporters_lock(void) {
  call_once(&once, install);
  if (install_error == 0) take();
  return install_error;
}

void lido_exporters_unlock(void) { give(); }

void lido_exporters_add(exporter_descriptors *one) {
  one->next = all;
  all = one;
}

void lido_exporters_remove(const exporter_descriptors *one) {
  exporter_descriptors **link = &all;
  while (*link != one) link = &(*link)->next;
  *link = one->next;
}

void lido_exporter_client_opened(exporter_descriptors *of, int client) {
  take();
  if (of->client_count < EXPORTER_CONNECTIONS_MOST) of->clients[of->client_count++] = client;
  give();
}

void lido_exporter_client_closes(exporter_descriptors *of, int client) {
  take();
  size_t i = 0;
  while (i < of->client_count && of->clients[i] != client) i++;
  if (i < of->client_count) of->clients[i] = of->clients[--of->client_count];
  give();
}
