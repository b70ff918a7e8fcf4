/* derived_metrics.h: families that are not one number of a statistics struct each, but what operators ask for; and
 * which numbers they take the place of.
 *
 * Idea: no number is published under two names. A field that a derived family shows, or that can be had by sum() over
 * others, is in the list of those that are not published by themselves; everything else is, by its own name.
 * Threads and failure: those of the writer.
 */
#ifndef LIDO_LIB_REPORT_DERIVED_METRICS_H
#define LIDO_LIB_REPORT_DERIVED_METRICS_H

#include "lib/report/metric_samples.h"

/* Is this field of that subject's struct shown by a family below, or the sum of others? */
bool lido_field_is_replaced(const char *subject, const char *name);

void lido_put_process_metrics(lido_metrics_writer *writer); /* version, manager, time, policy */
void lido_put_reclaim_metrics(lido_metrics_writer *writer);
void lido_put_budget_metrics(lido_metrics_writer *writer);
void lido_put_pool_metrics(lido_metrics_writer *writer);
void lido_put_cache_metrics(lido_metrics_writer *writer);
void lido_put_handle_metrics(lido_metrics_writer *writer);
void lido_put_cleanup_metrics(lido_metrics_writer *writer);

#endif
