/* consumer_exporter.c: uses the part exporter as a stranger would. */
#include <lido/exporter.h>
#include <lido/lido.h>

int main(void) {
  lido_manager *manager = lido_manager_create(NULL, NULL);
  if (manager == NULL) return 1;
  lido_exporter *exporter = lido_exporter_start(manager, NULL);
  int status = exporter != NULL && lido_exporter_port(exporter) != 0 ? 0 : 1;
  lido_exporter_stop(exporter);
  lido_manager_destroy(manager);
  return status;
}
