/* memory_reports_lido.h: start and end of reports, for memory_manager_lido.c. */
#ifndef LIDO_EXAMPLES_MEMORY_REPORTS_LIDO_H
#define LIDO_EXAMPLES_MEMORY_REPORTS_LIDO_H

#include "examples/http_server/memory_options.h"

/* Alerts, the profile and the top socket, as far as they are asked for. -> 0, or what the program ends with, as
 * memory_manager_start. */
int memory_reports_start(const struct memory_options *options);
void memory_reports_end(void); /* also after a start that failed */

#endif
