/* server_counters.h: what the server counts about itself, in one list: the struct and the metrics page come from it. */
#ifndef LIDO_EXAMPLES_SERVER_COUNTERS_H
#define LIDO_EXAMPLES_SERVER_COUNTERS_H

#include <stdint.h>

/* X(name, kind, text) */
#define SERVER_COUNTERS(X)                                                                       \
  X(connections_open, gauge, "connections")                                                      \
  X(answers_waiting, gauge, "answers that are being written")                                    \
  X(connections_accepted_total, counter, "connections that were let in")                         \
  X(connections_refused_total, counter, "connections for which there was no place or no memory") \
  X(timeouts_total, counter, "connections that took too long")                                   \
  X(answers_aborted_total, counter, "answers whose connection went too soon")                    \
  X(bytes_in_total, counter, "bytes read")                                                       \
  X(bytes_out_total, counter, "bytes of answers that were written completely")

enum { STATUS_CLASSES = 6 };

#define SERVER_COUNTER_FIELD(name, kind, text) uint64_t name;
struct server_counters {
  SERVER_COUNTERS(SERVER_COUNTER_FIELD)
  uint64_t requests[STATUS_CLASSES]; /* by the first digit of their status */
};
#undef SERVER_COUNTER_FIELD

#endif
