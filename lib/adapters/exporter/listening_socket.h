/* listening_socket.h: the socket on which an exporter listens.
 *
 * Idea: it is made here rather than by libmicrohttpd, so that the system's own error is told, and so that the socket is
 * closed for certain when libmicrohttpd does not start: of some failures it closes the socket, of others (0.9.75) not.
 * A socket is known again by its file number, for its descriptor may be another thread's file by then.
 * Threads: any. Failure: errno values.
 */
#ifndef LIDO_LIB_ADAPTERS_EXPORTER_LISTENING_SOCKET_H
#define LIDO_LIB_ADAPTERS_EXPORTER_LISTENING_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

typedef union any_address {
  struct sockaddr any;
  struct sockaddr_in ip4;
  struct sockaddr_in6 ip6;
} any_address;

typedef struct listening_socket {
  int descriptor;
  uint16_t port;
  uint64_t file;
} listening_socket;

/* false: `text` is no number of IPv4 or IPv6. */
bool lido_address_read(const char *text, uint16_t port, any_address *out);

/* Of "::" and the like IPv4 is taken, too. 0, or what the system says. */
int lido_listening_socket_open(listening_socket *out, const any_address *address);

/* Nothing, if it was closed already. */
void lido_listening_socket_close_if_open(const listening_socket *of);

#endif
