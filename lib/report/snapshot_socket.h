/* snapshot_socket.h: what the public face of a snapshot socket (lido/socket.h) does not show; the design is in
 * snapshot_socket.c. */
#ifndef LIDO_LIB_REPORT_SNAPSHOT_SOCKET_H
#define LIDO_LIB_REPORT_SNAPSHOT_SOCKET_H

#include "lido/socket.h"

/* NULL, or W4. */
const char *lido_snapshot_socket_check(const lido_snapshot_socket *socket);

#endif
