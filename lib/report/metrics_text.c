/* metrics_text.c: a snapshot as text for Prometheus and OpenMetrics.
 *
 * Idea: for each subject (pools, arena classes, ...) a family for each number of its statistics struct, of all its
 * members one after the other, and then the derived families (derived_metrics.h). So each family stands in one place,
 * as both formats want it.
 * Threads: one for a snapshot. Failure: the sink's. Memory: 5 KiB of stack.
 */
#include <errno.h>

#include "lib/base/assertion.h"
#include "lib/report/derived_metrics.h"

/* Members lie in an array and begin with their names; or there is one without a name. */
typedef struct subject {
  const char *name;
  const char *label; /* NULL: one member */
  const void *members;
  size_t count;
  size_t stride;
  size_t stats_offset;
  lido_metric_fields fields;
} subject;

LIDO_STATIC_ASSERT(offsetof(lido_pool_snapshot, name) == 0, "members begin with their names");
LIDO_STATIC_ASSERT(offsetof(lido_arena_class_snapshot, name) == 0, "members begin with their names");
LIDO_STATIC_ASSERT(offsetof(lido_cache_snapshot, name) == 0, "members begin with their names");

static const char *member_of(const subject *of, size_t i) { return (const char *)of->members + i * of->stride; }

static lido_label label_of(const subject *of, const char *member) {
  lido_label label = {of->label, NULL};
  if (label.key != NULL) memcpy(&label.value, member, sizeof label.value);
  return label;
}

static void put_field(lido_metrics_writer *writer, const subject *of, const lido_metric_field *field) {
  lido_family family = lido_family_of_field(of->name, field);
  bool is_time = strcmp(family.unit, "seconds") == 0;
  lido_family_put(writer, &family);
  for (size_t i = 0; i < of->count && lido_metrics_go_on(writer); i++) {
    const char *member = member_of(of, i);
    uint64_t value = lido_field_value(field, member + of->stats_offset);
    if (is_time) {
      lido_sample_put_seconds(writer, &family, label_of(of, member), LIDO_NO_LABEL, value);
    } else {
      lido_sample_put(writer, &family, label_of(of, member), LIDO_NO_LABEL, value);
    }
  }
}

static void put_fields(lido_metrics_writer *writer, subject of) {
  for (size_t i = 0; of.count != 0 && i < of.fields.count && lido_metrics_go_on(writer); i++) {
    if (!lido_field_is_replaced(of.name, of.fields.fields[i].name)) put_field(writer, &of, &of.fields.fields[i]);
  }
}

static void put_one(lido_metrics_writer *writer, const char *name, const void *stats, lido_metric_fields fields) {
  put_fields(writer, (subject){.name = name, .members = stats, .count = 1, .fields = fields});
}

static void put_members(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  put_fields(writer, (subject){.name = "pool",
                               .label = "pool",
                               .members = snapshot->pools,
                               .count = snapshot->pool_count,
                               .stride = sizeof *snapshot->pools,
                               .stats_offset = offsetof(lido_pool_snapshot, stats),
                               .fields = lido_pool_fields()});
  lido_put_pool_metrics(writer);
  put_fields(writer, (subject){.name = "arena_class",
                               .label = "arena_class",
                               .members = snapshot->arena_classes,
                               .count = snapshot->arena_class_count,
                               .stride = sizeof *snapshot->arena_classes,
                               .stats_offset = offsetof(lido_arena_class_snapshot, stats),
                               .fields = lido_arena_class_fields()});
  put_fields(writer, (subject){.name = "cache",
                               .label = "cache",
                               .members = snapshot->caches,
                               .count = snapshot->cache_count,
                               .stride = sizeof *snapshot->caches,
                               .stats_offset = offsetof(lido_cache_snapshot, stats),
                               .fields = lido_cache_fields()});
  lido_put_cache_metrics(writer);
}

static void put_all(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  lido_put_process_metrics(writer);
  put_one(writer, "budget", &snapshot->budget, lido_budget_fields());
  lido_put_budget_metrics(writer);
  put_one(writer, "manager", &snapshot->stats, lido_manager_fields());
  lido_put_reclaim_metrics(writer);
  put_members(writer);
  lido_put_cleanup_metrics(writer);
  put_one(writer, "handle", &snapshot->weak, lido_weak_fields());
  lido_put_handle_metrics(writer);
  put_one(writer, "guard", &snapshot->guard, lido_guard_fields());
  if (writer->format == LIDO_METRICS_OPENMETRICS) lido_text(&writer->out, "# EOF\n");
}

int lido_metrics_write(const lido_snapshot *snapshot, lido_metrics_format format, lido_text_sink sink, void *context) {
  if (format != LIDO_METRICS_PROMETHEUS && format != LIDO_METRICS_OPENMETRICS) return EINVAL;
  lido_metrics_writer writer;
  writer.snapshot = snapshot;
  writer.format = format;
  lido_text_begin(&writer.out, sink, context);
  put_all(&writer);
  return lido_text_end(&writer.out);
}

const char *lido_metrics_content_type(lido_metrics_format format) {
  return format == LIDO_METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}
