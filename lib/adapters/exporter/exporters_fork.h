/* exporters_fork.h: what the child of a fork must not keep of its parent's exporters: their descriptors.
 *
 * Idea: a list of them, which the child closes. A child that kept them and outlived its parent would hold the port, on
 * which nobody answers any more, and clients would wait for a server that has ended.
 * Invariant
 *   D1  a descriptor in the list is the exporter's own and open: it is entered by whoever opened it, before the lock is
 *       given, and taken out before it is closed. (Clients are entered a moment after libmicrohttpd has accepted them.)
 * Threads: any. Lock: one for all exporters, of C11, for parts have no other; a fork holds it. Whoever holds it is not
 * cancelled. libmicrohttpd takes its own locks within it, and calls nothing of ours with them that takes it.
 * Failure: ENOMEM, when the hooks can't be installed.
 * Not done: libmicrohttpd's memory stays with the child, and so does the event by which its thread is woken. A client
 * that is accepted at the very moment of the fork stays open in the child until that ends.
 */
#ifndef LIDO_LIB_ADAPTERS_EXPORTER_EXPORTERS_FORK_H
#define LIDO_LIB_ADAPTERS_EXPORTER_EXPORTERS_FORK_H

#include <stdbool.h>
#include <stddef.h>

enum { EXPORTER_CONNECTIONS_MOST = 1000 };

/* -1: there is none. All but `next` by whoever holds the lock. */
typedef struct exporter_descriptors {
  struct exporter_descriptors *next;
  int listening;
  int epoll;
  size_t client_count;
  int clients[EXPORTER_CONNECTIONS_MOST];
} exporter_descriptors;

/* Until the unlock no fork begins. 0, or ENOMEM: not locked. */
int lido_exporters_lock(void);
void lido_exporters_unlock(void);

/* With the lock. */
void lido_exporters_add(exporter_descriptors *one);
void lido_exporters_remove(const exporter_descriptors *one);

/* These take the lock, which must have been had once. */
void lido_exporter_client_opened(exporter_descriptors *of, int client);
void lido_exporter_client_closes(exporter_descriptors *of, int client);

/* Of the calling thread; pairs may be inside each other. */
int lido_exporters_cancel_off(void);
void lido_exporters_cancel_restore(int before);

#endif
