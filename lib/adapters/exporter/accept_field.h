/* accept_field.h: which format a request's Accept field prefers.
 *
 * Idea: OpenMetrics only if the field names it, in a version that we write, and values it no less than plain text; else
 * Prometheus's text, which everybody reads. So wildcards give text, as does a field that makes no sense.
 * Method: RFC 9110, 12.5.1: elements apart by commas, parameters by semicolons; q from 0 to 1 with three digits. Quoted
 * commas do not occur in what we look for.
 */
#ifndef LIDO_LIB_ADAPTERS_EXPORTER_ACCEPT_FIELD_H
#define LIDO_LIB_ADAPTERS_EXPORTER_ACCEPT_FIELD_H

#include "lido/metrics.h"

/* `accept` NULL: there was none. */
lido_metrics_format lido_format_accepted(const char *accept);

#endif
