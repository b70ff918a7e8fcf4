/* exporter.c: see lido/exporter.h.
 *
 * Idea: libmicrohttpd has one thread of its own, which calls answer() for one request at a time; so the snapshot, which
 * only answer() uses, needs no lock. The text goes into memory of the answer's own, for answers are sent while later
 * requests are looked at; libmicrohttpd frees it.
 * Invariant
 *   P1  the snapshot is used by libmicrohttpd's thread only, from start to stop.
 * Failure: no memory for a snapshot or a text is 503; for an answer at all, the connection ends. At start everything
 * that was made is undone.
 * Not done: compression (1,000 pools are 1.3 MB, on the same machine or network); TLS and passwords (a proxy has them).
 */
#include "lido/exporter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/adapters/exporter/accept_field.h"
#include "lido/metrics.h"
#include "lido/snapshot.h"

enum {
  CONNECTIONS_DEFAULT = 16,
  CONNECTIONS_MOST = 1000,
  IDLE_S_DEFAULT = 10,
  TEXT_ROOM_FIRST = 16 << 10, /* bytes; a manager of some pools */
};

struct lido_exporter {
  lido_manager *manager;
  lido_snapshot *snapshot; /* P1 */
  struct MHD_Daemon *daemon;
  uint16_t port;
  size_t last_bytes; /* of the text before; P1 */
  char path[];
};

/* ---- Answers ---- */

typedef struct growing_text {
  char *text;
  size_t bytes;
  size_t room;
} growing_text;

static int grow(growing_text *to, size_t wanted) {
  size_t room = to->room != 0 ? to->room : TEXT_ROOM_FIRST;
  while (room < wanted) room *= 2;
  char *text = realloc(to->text, room);
  if (text == NULL) return ENOMEM;
  to->text = text;
  to->room = room;
  return 0;
}

static int add_text(const char *text, size_t bytes, void *context) {
  growing_text *to = context;
  if (to->bytes + bytes > to->room && grow(to, to->bytes + bytes) != 0) return ENOMEM;
  memcpy(to->text + to->bytes, text, bytes);
  to->bytes += bytes;
  return 0;
}

/* The response is given up after this; what it cannot be sent is the connection's end. */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response) {
  if (response == NULL) return MHD_NO;
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

/* `text` is static. */
static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
  if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  if (response != NULL) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
  return send_response(connection, status, response);
}

static int write_metrics(lido_exporter *exporter, lido_metrics_format format, growing_text *to) {
  int error = lido_snapshot_take(exporter->snapshot, exporter->manager);
  if (error == 0) error = grow(to, exporter->last_bytes + 1);
  if (error == 0) error = lido_metrics_write(exporter->snapshot, format, add_text, to);
  if (error == 0) exporter->last_bytes = to->bytes;
  return error;
}

static enum MHD_Result send_metrics(lido_exporter *exporter, struct MHD_Connection *connection) {
  growing_text to = {0};
  const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
  lido_metrics_format format = lido_format_accepted(accept);
  if (write_metrics(exporter, format, &to) != 0) {
    free(to.text);
    return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no memory for the metrics\n");
  }
  struct MHD_Response *response = MHD_create_response_from_buffer(to.bytes, to.text, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(to.text);
    return MHD_NO;
  }
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, lido_metrics_content_type(format));
  MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
  return send_response(connection, MHD_HTTP_OK, response);
}

static bool is_get(const char *method) {
  return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* libmicrohttpd asks once when the head is there, again for each piece of a body, and again when that is over: then it
 * is answered. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *body, size_t *body_bytes, void **seen) {
  lido_exporter *exporter = context;
  (void)version;
  (void)body;
  if (*seen == NULL) {
    *seen = exporter; /* anything but NULL */
    return MHD_YES;
  }
  if (*body_bytes != 0) {
    *body_bytes = 0; /* nobody wants it */
    return MHD_YES;
  }
  if (strcmp(path, exporter->path) != 0) return refuse(connection, MHD_HTTP_NOT_FOUND, "there is nothing here\n");
  if (!is_get(method)) return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
  return send_metrics(exporter, connection);
}

/* ---- Addresses ---- */

typedef union any_address {
  struct sockaddr any;
  struct sockaddr_in ip4;
  struct sockaddr_in6 ip6;
} any_address;

/* false: it is no number. */
static bool read_address(const char *text, uint16_t port, any_address *out) {
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, text, &out->ip4.sin_addr) == 1) {
    out->ip4.sin_family = AF_INET;
    out->ip4.sin_port = htons(port);
    return true;
  }
  if (inet_pton(AF_INET6, text, &out->ip6.sin6_addr) == 1) {
    out->ip6.sin6_family = AF_INET6;
    out->ip6.sin6_port = htons(port);
    return true;
  }
  return false;
}

/* ---- Start and stop ---- */

/* 0, or an errno value: what the system says of the address or the thread. */
static int start_daemon(lido_exporter *exporter, const lido_exporter_options *options, const any_address *address) {
  unsigned connections = options->connections != 0 ? options->connections : CONNECTIONS_DEFAULT;
  unsigned idle_s = options->idle_s != 0 ? options->idle_s : IDLE_S_DEFAULT;
  unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  if (address->any.sa_family == AF_INET6) flags |= MHD_USE_DUAL_STACK;
  /* The new thread inherits the mask. The calling thread's mask is meant, and on Linux is what this changes. */
  sigprocmask(SIG_SETMASK, &all, &before);
  errno = 0;
  exporter->daemon =
      MHD_start_daemon(flags, 0, NULL, NULL, answer, exporter, MHD_OPTION_SOCK_ADDR, &address->any,
                       MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_END);
  int error = errno != 0 ? errno : ENOMEM; /* it does not always say */
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (exporter->daemon == NULL) return error;
  exporter->port = MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
  return 0;
}

static void free_exporter(lido_exporter *exporter) {
  lido_snapshot_destroy(exporter->snapshot);
  free(exporter);
}

static lido_exporter *make_exporter(lido_manager *manager, const char *path) {
  size_t path_bytes = strlen(path) + 1;
  lido_exporter *exporter = calloc(1, sizeof *exporter + path_bytes);
  if (exporter == NULL) return NULL;
  exporter->manager = manager;
  exporter->snapshot = lido_snapshot_create();
  memcpy(exporter->path, path, path_bytes);
  if (exporter->snapshot != NULL) return exporter;
  free(exporter);
  errno = ENOMEM;
  return NULL;
}

lido_exporter *lido_exporter_start(lido_manager *manager, const lido_exporter_options *options) {
  static const lido_exporter_options defaults = {.address = NULL};
  if (options == NULL) options = &defaults;
  const char *path = options->path != NULL ? options->path : "/metrics";
  any_address address;
  bool is_number = read_address(options->address != NULL ? options->address : "127.0.0.1", options->port, &address);
  if (!is_number || path[0] != '/' || options->connections > CONNECTIONS_MOST) {
    errno = EINVAL;
    return NULL;
  }
  int saved_errno = errno;
  lido_exporter *exporter = make_exporter(manager, path);
  if (exporter == NULL) return NULL;
  int error = start_daemon(exporter, options, &address);
  if (error != 0) {
    free_exporter(exporter);
    exporter = NULL;
  }
  errno = error != 0 ? error : saved_errno;
  return exporter;
}

uint16_t lido_exporter_port(const lido_exporter *exporter) { return exporter->port; }

void lido_exporter_stop(lido_exporter *exporter) {
  if (exporter == NULL) return;
  MHD_stop_daemon(exporter->daemon);
  free_exporter(exporter);
}
