/* listening_socket.c: see listening_socket.h. */
#include "lib/adapters/exporter/listening_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

bool lido_address_read(const char *text, uint16_t port, any_address *out) {
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

static int set_option(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value);
}

/* A server that starts again must not wait until the kernel has forgotten the connections of the one before. */
static int bind_and_listen(int descriptor, const any_address *address) {
  bool is_ip6 = address->any.sa_family == AF_INET6;
  socklen_t bytes = is_ip6 ? sizeof address->ip6 : sizeof address->ip4;
  if (set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) != 0) return errno;
  if (is_ip6 && set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) return errno;
  if (bind(descriptor, &address->any, bytes) != 0 || listen(descriptor, SOMAXCONN) != 0) return errno;
  return 0;
}

static int describe(listening_socket *out) {
  any_address bound;
  struct stat status;
  socklen_t bytes = sizeof bound;
  if (getsockname(out->descriptor, &bound.any, &bytes) != 0 || fstat(out->descriptor, &status) != 0) return errno;
  out->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.ip6.sin6_port : bound.ip4.sin_port);
  out->file = status.st_ino;
  return 0;
}

int lido_listening_socket_open(listening_socket *out, const any_address *address) {
  out->descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out->descriptor < 0) return errno;
  int error = bind_and_listen(out->descriptor, address);
  if (error == 0) error = describe(out);
  if (error != 0) close(out->descriptor);
  return error;
}

void lido_listening_socket_close_if_open(const listening_socket *of) {
  struct stat status;
  if (fstat(of->descriptor, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == of->file) {
    close(of->descriptor);
  }
}
