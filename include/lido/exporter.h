/* lido/exporter.h: a manager's metrics over HTTP, for Prometheus and whoever speaks its formats. A part of its own:
 * link lido_exporter, which needs libmicrohttpd.
 *
 *     lido_exporter *exporter = lido_exporter_start(manager, &(lido_exporter_options){ .port = 9464 });
 *     ...                                       // http://127.0.0.1:9464/metrics
 *     lido_exporter_stop(exporter);             // before lido_manager_destroy(manager)
 *
 * Each request takes a snapshot and writes it as lido/metrics.h does: as OpenMetrics if the request's Accept field asks
 * for that, else as Prometheus's text. HEAD is answered like GET; other methods get 405, other paths 404, and 503 says
 * that there was no memory for the answer; the next request may be luckier.
 *
 * Threads: start makes one thread, libmicrohttpd's, that serves one request after the other; it takes no signals of the
 * program's. The functions: any thread; stop once.
 * Costs: a request some hundred nanoseconds and some hundred bytes of text a pool, and malloc'ed memory for the text
 * until it is sent. The program's other threads are not held up.
 * Safety: who can reach the address can read the names and numbers of the manager; nothing else, and nothing can be
 * changed. Not for the open internet: there is no encryption, and no password.
 * A connection is not waited for while it says nothing (idle_s), and a body is not read: who sends one is answered at
 * once, and the connection ends. But one that sends a byte of its head now and then, or reads its answer byte by byte,
 * keeps its place; as many of them as there are places keep all others out. Where that is to be feared, set
 * connections_per_address, or let a proxy stand before it.
 * Fork: the child has no exporter, and does not stop it; it keeps neither the port nor the clients. Signals: not in
 * handlers.
 */
#ifndef LIDO_EXPORTER_H
#define LIDO_EXPORTER_H

#include "lido/manager.h"

LIDO_BEGIN

typedef struct lido_exporter lido_exporter;

/* Zero means default everywhere, so NULL and &(lido_exporter_options){0} are complete. */
typedef struct lido_exporter_options {
  const char *address;              /* a number, of IPv4 or IPv6: "0.0.0.0", "::" (all of both); NULL = "127.0.0.1" */
  uint16_t port;                    /* 0 = any that is free: lido_exporter_port() tells */
  const char *path;                 /* copied; begins with a slash; NULL = "/metrics" */
  unsigned connections;             /* most at once, 1 to 1,000; 0 = 16 */
  unsigned idle_s;                  /* a connection on which nothing comes for so many seconds is closed; 0 = 10 */
  unsigned connections_per_address; /* of them, most from one address of a client; 0 = all */
} lido_exporter_options;

/* It serves when this returns. NULL: EINVAL (an address that is no number, a path without a slash, too many
 * connections), ENOMEM, or what the system says of the address: EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT;
 * EAGAIN: no thread. */
LIDO_API lido_exporter *lido_exporter_start(lido_manager *manager, const lido_exporter_options *options);

LIDO_API uint16_t lido_exporter_port(const lido_exporter *exporter);

/* Waits for the request that is being answered; connections end. NULL is ignored. */
LIDO_API void lido_exporter_stop(lido_exporter *exporter);

LIDO_END

#endif
