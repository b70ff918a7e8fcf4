/* top_client.h: asking a snapshot socket, without waiting.
 *
 * A question is a connection of its own: what was there a second ago may be another process by now. Threads: one. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_CLIENT_H
#define LIDO_TOOLS_LIDO_TOP_TOP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct top_client {
  int descriptor; /* -1: asks nothing at present */
  uint64_t deadline_ns;
  unsigned lines; /* that are still to come */
  char *text;     /* what has come, with a zero */
  size_t bytes;
  size_t room;
};

enum client_state { CLIENT_IDLE, CLIENT_WAITS, CLIENT_DONE, CLIENT_FAILED };

uint64_t top_now_ns(void);

/* Ask: the request has so many lines, each of which gets one. false: errno. */
bool client_begin(struct top_client *client, const char *path, const char *request, unsigned lines);

/* Take what is there. DONE: all of it is in `text`. FAILED: errno. Both end the connection. */
enum client_state client_step(struct top_client *client);

/* Both, and wait. false: errno. */
bool client_ask(struct top_client *client, const char *path, const char *request, unsigned lines);

/* Give up, or give the text back. */
void client_end(struct top_client *client);

#endif
