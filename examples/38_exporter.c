/* 38_exporter.c: metrics over HTTP, asked for by a client of a few lines. In a program they stay there, and Prometheus
 * asks:
 *     scrape_configs: [{ job_name: server, static_configs: [{ targets: ["127.0.0.1:9464"] }] }]
 */
#include <arpa/inet.h>
#include <lido/exporter.h>
#include <lido/lido.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static int ask(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (descriptor < 0) return -1;
  if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0 &&
      write(descriptor, request, sizeof request - 1) == (ssize_t)(sizeof request - 1)) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

int main(void) {
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "server"}, NULL);
  if (manager == NULL) return 1;
  const lido_pool *conns = lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 96});
  lido_exporter *exporter = lido_exporter_start(manager, NULL); /* 127.0.0.1, and any port that is free */
  int descriptor = conns != NULL && exporter != NULL ? ask(lido_exporter_port(exporter)) : -1;
  FILE *answer = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
  char line[256];
  int shown = 0;
  while (answer != NULL && fgets(line, sizeof line, answer) != NULL) {
    if (strncmp(line, "HTTP", 4) != 0 && strstr(line, "{pool=\"conns\"} ") == NULL) continue;
    fputs(line, stdout);
    shown++;
  }
  if (answer != NULL) fclose(answer);
  lido_exporter_stop(exporter);
  lido_manager_destroy(manager);
  return shown > 10 ? 0 : 1;
}
