/* http_exchange.c: see http_exchange.h. */
#include "examples/http_server/http_exchange.h"

static struct exchange *make(request_memory *memory) {
  struct exchange *exchange = request_alloc(memory, sizeof *exchange);
  if (exchange == NULL) return NULL;
  *exchange = (struct exchange){.memory = memory};
  exchange->request.target = request_bytes_begin(memory);
  return exchange;
}

static struct exchange *make_with_memory(void) {
  request_memory *memory = request_memory_begin();
  if (memory == NULL) return NULL;
  struct exchange *exchange = make(memory);
  if (exchange == NULL) request_memory_end(memory);
  return exchange;
}

static struct exchange *make_without_memory(struct exchange *spare) {
  *spare = (struct exchange){.request.target.failed = true, .response.body.failed = true};
  return spare;
}

struct exchange *exchange_begin(struct connection *connection, uint64_t now, struct exchange *spare) {
  struct exchange *exchange = make_with_memory();
  if (exchange == NULL) exchange = make_without_memory(spare);
  exchange->connection = connection;
  exchange->began = now;
  return exchange;
}

void exchange_end(struct exchange *exchange) {
  if (exchange == NULL) return;
  if (exchange->memory != NULL) {
    request_memory_end(exchange->memory);
  } else {
    exchange->connection = NULL;
  }
}
