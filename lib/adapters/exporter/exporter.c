/* exporter.c: see lido/exporter.h.
 *
 * Idea: libmicrohttpd has one thread of its own, which calls answer() for one request at a time; so the snapshot, which
 * only answer() uses, needs no lock. The text goes into memory of the answer's own, for answers are sent while later
 * requests are looked at; libmicrohttpd frees it.
 * Invariant
 *   P1  the snapshot is used by libmicrohttpd's thread only, from start to stop.
 * The socket on which it listens is ours, lent to libmicrohttpd while its thread runs (listening_socket.h); the child
 * of a fork closes what it inherits (exporters_fork.h).
 * Failure: no memory for a snapshot or a text is 503; for an answer at all, the connection ends. At start everything
 * that was made is undone.
 * Not done: compression (1,000 pools are 1.3 MB, on the same machine or network); TLS and passwords (a proxy has them).
 */
#include "lido/exporter.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapters/exporter/accept_field.h"
#include "lib/adapters/exporter/exporters_fork.h"
#include "lib/adapters/exporter/listening_socket.h"
#include "lido/metrics.h"
#include "lido/snapshot.h"

enum {
  CONNECTIONS_DEFAULT = 16,
  IDLE_S_DEFAULT = 10,
  TEXT_ROOM_FIRST = 16 << 10, /* bytes; a manager of some pools */
};

struct lido_exporter {
  lido_manager *manager;
  lido_snapshot *snapshot; /* P1 */
  struct MHD_Daemon *daemon;
  uint16_t port;
  exporter_descriptors descriptors;
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

/* MHD_UnescapeCallback. A path with a zero in it would end there, and be another one: it stays as it was sent. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text) {
  (void)context;
  (void)connection;
  return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

static bool has_body(struct MHD_Connection *connection) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH) != NULL ||
         MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* libmicrohttpd asks once when the head is there, and again when the body is over. Whoever sends a body is answered
 * before, and the connection ends: nobody wants to wait for it, nor read it. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *body, size_t *body_bytes, void **seen) {
  lido_exporter *exporter = context;
  (void)version;
  (void)body;
  (void)body_bytes;
  if (*seen == NULL && !has_body(connection)) {
    *seen = exporter; /* anything but NULL */
    return MHD_YES;
  }
  if (strcmp(path, exporter->path) != 0) return refuse(connection, MHD_HTTP_NOT_FOUND, "there is nothing here\n");
  if (!is_get(method)) return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
  return send_metrics(exporter, connection);
}

/* ---- Start and stop ---- */

static void on_client(void *context, struct MHD_Connection *connection, void **seen,
                      enum MHD_ConnectionNotificationCode code) {
  lido_exporter *exporter = context;
  int client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  (void)seen;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    lido_exporter_client_opened(&exporter->descriptors, client);
  } else {
    lido_exporter_client_closes(&exporter->descriptors, client);
  }
}

/* NULL: errno, if that says why. */
static struct MHD_Daemon *start_daemon(lido_exporter *exporter, const lido_exporter_options *options, int listening) {
  unsigned connections = options->connections != 0 ? options->connections : CONNECTIONS_DEFAULT;
  unsigned idle_s = options->idle_s != 0 ? options->idle_s : IDLE_S_DEFAULT;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  /* The new thread inherits the mask. The calling thread's mask is meant, and on Linux is what this changes. */
  sigprocmask(SIG_SETMASK, &all, &before);
  errno = 0;
  struct MHD_Daemon *daemon = MHD_start_daemon(
      MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, answer, exporter, MHD_OPTION_LISTEN_SOCKET, listening,
      MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address,
      MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_NOTIFY_CONNECTION, on_client, exporter,
      MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
  int error = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return daemon;
}

/* With the lock of all exporters. 0, or an errno value: what the system says of the address or the thread. */
static int start_locked(lido_exporter *exporter, const lido_exporter_options *options, const any_address *address) {
  listening_socket socket;
  int error = lido_listening_socket_open(&socket, address);
  if (error != 0) return error;
  exporter->daemon = start_daemon(exporter, options, socket.descriptor);
  if (exporter->daemon == NULL) {
    error = errno != 0 ? errno : ENOMEM; /* it does not always say */
    lido_listening_socket_close_if_open(&socket);
    return error;
  }
  exporter->port = socket.port;
  exporter->descriptors.listening = socket.descriptor;
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  exporter->descriptors.epoll = info != NULL ? info->epoll_fd : -1; /* it may be built without */
  lido_exporters_add(&exporter->descriptors);
  return 0;
}

static int start(lido_exporter *exporter, const lido_exporter_options *options, const any_address *address) {
  int error = lido_exporters_lock();
  if (error != 0) return error;
  error = start_locked(exporter, options, address);
  lido_exporters_unlock();
  return error;
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
  bool is_number =
      lido_address_read(options->address != NULL ? options->address : "127.0.0.1", options->port, &address);
  if (!is_number || path[0] != '/' || options->connections > EXPORTER_CONNECTIONS_MOST) {
    errno = EINVAL;
    return NULL;
  }
  int saved_errno = errno;
  lido_exporter *exporter = make_exporter(manager, path);
  if (exporter == NULL) return NULL;
  int error = start(exporter, options, &address);
  if (error != 0) {
    free_exporter(exporter);
    exporter = NULL;
  }
  errno = error != 0 ? error : saved_errno;
  return exporter;
}

uint16_t lido_exporter_port(const lido_exporter *exporter) { return exporter->port; }

static void stop(lido_exporter *exporter) {
  /* The socket becomes ours again. It stays open until the thread has ended, which may be about to accept. */
  MHD_socket listening = MHD_quiesce_daemon(exporter->daemon);
  lido_exporters_lock();
  exporter->descriptors.epoll = -1;
  lido_exporters_unlock();
  MHD_stop_daemon(exporter->daemon);
  lido_exporters_lock();
  lido_exporters_remove(&exporter->descriptors);
  if (listening != MHD_INVALID_SOCKET) close(listening);
  lido_exporters_unlock();
  free_exporter(exporter);
}

/* Who is cancelled shall not leave it half stopped. */
void lido_exporter_stop(lido_exporter *exporter) {
  if (exporter == NULL) return;
  int before = lido_exporters_cancel_off();
  stop(exporter);
  lido_exporters_cancel_restore(before);
}
