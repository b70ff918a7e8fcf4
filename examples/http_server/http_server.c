/* http_server.c: a server for the Unicode Character Database; README.md says what it shows. */
#include <signal.h>
#include <stdio.h>

#include "examples/http_server/character_database.h"
#include "examples/http_server/connection_memory.h"
#include "examples/http_server/memory_manager.h"
#include "examples/http_server/server.h"

/* A server that ends with requests or connections still in memory has a bug, and says so. */
static int tear_down(int status) {
  bool requests_gone = request_memory_teardown();
  bool connections_gone = connection_memory_teardown();
  bool all_gone = memory_manager_end();
  if (requests_gone && connections_gone && all_gone) return status;
  fprintf(stderr, "http_server: memory was left at the end\n");
  return 1;
}

static int serve(const struct server_options *options) {
  static struct server server;
  int wrong = memory_manager_start(&options->memory);
  if (wrong != 0) return tear_down(wrong);
  if (!request_memory_setup(options->max_request_bytes) ||
      !connection_memory_setup(sizeof(struct connection), options->max_connections)) {
    fprintf(stderr, "http_server: no memory\n");
    return tear_down(1);
  }
  struct character_database *database = character_database_open(options->database, options->unicode_data);
  if (database == NULL) return tear_down(1);
  int status = server_run(&server, options, database);
  character_database_close(database);
  return tear_down(status);
}

int main(int argc, char **argv) {
  struct server_options options;
  int status;
  if (!server_options_parse(&options, argc, argv, &status)) return status;
  signal(SIGPIPE, SIG_IGN); /* a client that is gone shows as an error of the write */
  return serve(&options);
}
