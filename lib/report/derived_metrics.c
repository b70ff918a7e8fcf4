/* derived_metrics.c: see derived_metrics.h. */
#include "lib/report/derived_metrics.h"

#include "lib/base/bits.h"
#include "lido/version.h"

/* ---- What is not published by itself ---- */

typedef struct replaced_field {
  const char *subject;
  const char *name;
} replaced_field;

static const replaced_field replaced[] = {
    /* lido_pool_bytes{state} */
    {"pool", "bytes_reserved"},
    {"pool", "bytes_live"},
    {"pool", "bytes_cached"},
    {"pool", "bytes_metadata"},
    /* lido_pool_allocs_total{path} */
    {"pool", "allocs"},
    {"pool", "fallbacks"},
    {"pool", "refills_depot"},
    {"pool", "refills_slab"},
    {"pool", "refills_backing"},
    {"pool", "allocs_direct"},
    /* lido_budget_limit_bytes{limit} */
    {"budget", "soft"},
    {"budget", "hard"},
    /* lido_reclaim_passes_total{reason} */
    {"manager", "passes_asked"},
    {"manager", "passes_soft"},
    {"manager", "passes_hard"},
    {"manager", "passes_idle"},
    /* sums over pools, arena classes, caches and queues: sum() of what these publish */
    {"manager", "bytes_live"},
    {"manager", "bytes_cached"},
    {"manager", "bytes_reserved"},
    {"manager", "bytes_idle"},
    {"manager", "allocs"},
    {"manager", "slabs_made"},
    {"manager", "frees"},
    {"manager", "misses"},
    {"manager", "acquires"},
    {"manager", "cache_hits"},
    {"manager", "cache_misses"},
    {"manager", "cleanups_pending"},
};

/* lido_handle_failed_acquires_total{outcome}: all that begin so. */
static const char failed[] = "failed_";

static bool is_failure(const char *name) { return strncmp(name, failed, sizeof failed - 1) == 0; }

bool lido_field_is_replaced(const char *subject, const char *name) {
  if (strcmp(subject, "handle") == 0 && is_failure(name)) return true;
  for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
    if (strcmp(replaced[i].subject, subject) == 0 && strcmp(replaced[i].name, name) == 0) return true;
  }
  return false;
}

/* ---- The process and its manager ---- */

static void put_info(lido_metrics_writer *writer, const char *name, const char *help, lido_label label) {
  lido_family family = lido_family_make(LIDO_METRIC_info, name, "", help);
  lido_family_put(writer, &family);
  lido_sample_put(writer, &family, label, LIDO_NO_LABEL, 1);
}

static void put_policy(lido_metrics_writer *writer, const char *name, const char *help, lido_policy policy) {
  lido_family family = lido_family_make(LIDO_METRIC_gauge, name, "", help);
  lido_family_put(writer, &family);
  for (unsigned i = 0; i < LIDO_POLICY_COUNT; i++) {
    lido_label label = {"policy", lido_policy_name((lido_policy)i)};
    lido_sample_put(writer, &family, label, LIDO_NO_LABEL, i == (unsigned)policy);
  }
}

/* Nanoseconds a second are billionths of one. */
static void put_costs(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  if (snapshot->scores[0].policy == LIDO_POLICY_NONE) return; /* ADAPTIVE has not looked yet, or is not asked */
  lido_family family = lido_family_make(LIDO_METRIC_gauge, "policy_cost_ratio", "ratio",
                                        "what ADAPTIVE takes a policy to cost, as a share of one processor's time");
  lido_family_put(writer, &family);
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    const lido_policy_score *score = &snapshot->scores[i];
    lido_label policy = {"policy", lido_policy_name(score->policy)};
#define COST(name, text) \
  lido_sample_put_seconds(writer, &family, policy, (lido_label){"cost", #name}, (uint64_t)score->name##_ns);
    LIDO_POLICY_COSTS(COST)
#undef COST
  }
}

static void put_pressure(lido_metrics_writer *writer) {
  const lido_pressure *pressure = &writer->snapshot->pressure;
  if (writer->snapshot->scores[0].policy == LIDO_POLICY_NONE || pressure->stalled_is_unknown) return;
  lido_family family = lido_family_make(LIDO_METRIC_gauge, "memory_stalled_ratio", "ratio",
                                        "share of the last ten seconds in which some thread waited for memory");
  lido_family_put(writer, &family);
  lido_sample_put_seconds(writer, &family, LIDO_NO_LABEL, LIDO_NO_LABEL, (uint64_t)(pressure->stalled * 1e9));
}

void lido_put_process_metrics(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  put_info(writer, "build", "the version of Lido", (lido_label){"version", lido_version()});
  put_info(writer, "manager", "the manager's name", (lido_label){"manager", snapshot->manager});
  lido_family taken = lido_family_make(LIDO_METRIC_gauge, "snapshot_timestamp_seconds", "seconds",
                                       "when these numbers were read, since 1970");
  lido_family_put(writer, &taken);
  lido_sample_put_seconds(writer, &taken, LIDO_NO_LABEL, LIDO_NO_LABEL, snapshot->wall_ns);
  put_policy(writer, "policy", "1 for the policy that is set", snapshot->policy);
  put_policy(writer, "policy_chosen", "1 for the policy in force: of ADAPTIVE, what that has chosen", snapshot->chosen);
  put_costs(writer);
  put_pressure(writer);
}

/* ---- Reclaim and limits ---- */

void lido_put_reclaim_metrics(lido_metrics_writer *writer) {
#define REASON_NAME(constant, name, text) #name,
  static const char *const names[] = {LIDO_RECLAIM_REASONS(REASON_NAME)};
#undef REASON_NAME
#define REASON_VALUE(constant, name, text) writer->snapshot->stats.passes_##name,
  const uint64_t passes[] = {LIDO_RECLAIM_REASONS(REASON_VALUE)};
#undef REASON_VALUE
  lido_family family =
      lido_family_make(LIDO_METRIC_counter, "reclaim_passes", "", "reclaim passes, by what they were for");
  lido_family_put(writer, &family);
  for (size_t i = 0; i < LIDO_RECLAIM_REASON_COUNT; i++) {
    lido_sample_put(writer, &family, (lido_label){"reason", names[i]}, LIDO_NO_LABEL, passes[i]);
  }
  lido_family durations = lido_family_make(LIDO_METRIC_histogram, "reclaim_duration_seconds", "seconds",
                                           "what reclaim passes took, for whatever reason");
  lido_durations_put(writer, &durations, &writer->snapshot->passes);
}

void lido_put_budget_metrics(lido_metrics_writer *writer) {
  const lido_budget_stats *budget = &writer->snapshot->budget;
  if (budget->soft == 0 && budget->hard == 0) return;
  lido_family family =
      lido_family_make(LIDO_METRIC_gauge, "budget_limit_bytes", "bytes", "the limits; one that is not set is not here");
  lido_family_put(writer, &family);
  const lido_label soft = {"limit", "soft"};
  const lido_label hard = {"limit", "hard"};
  if (budget->soft != 0) lido_sample_put(writer, &family, soft, LIDO_NO_LABEL, budget->soft);
  if (budget->hard != 0) lido_sample_put(writer, &family, hard, LIDO_NO_LABEL, budget->hard);
}

/* ---- Pools ---- */

/* The four of a pool add up to what it has reserved; a snapshot that was taken while threads were at work may be off by
 * some objects, and then free gives way. */
static void put_bytes_of(lido_metrics_writer *writer, const lido_family *family, const lido_pool_snapshot *pool) {
  const lido_pool_stats *stats = &pool->stats;
  uint64_t unfree = stats->bytes_live + stats->bytes_cached + stats->bytes_metadata;
  lido_label name = {"pool", pool->name};
  lido_sample_put(writer, family, name, (lido_label){"state", "live"}, stats->bytes_live);
  lido_sample_put(writer, family, name, (lido_label){"state", "cached"}, stats->bytes_cached);
  lido_sample_put(writer, family, name, (lido_label){"state", "free"}, lido_less(stats->bytes_reserved, unfree));
  lido_sample_put(writer, family, name, (lido_label){"state", "metadata"}, stats->bytes_metadata);
}

static void put_paths_of(lido_metrics_writer *writer, const lido_family *family, const lido_pool_snapshot *pool) {
  lido_pool_alloc_paths paths;
  lido_pool_alloc_paths_get(&pool->stats, &paths);
  lido_label name = {"pool", pool->name};
#define PATH(path, text) lido_sample_put(writer, family, name, (lido_label){"path", #path}, paths.path);
  LIDO_POOL_ALLOC_PATHS(PATH)
#undef PATH
}

static void put_hit_ratio_of(lido_metrics_writer *writer, const lido_family *family, const lido_pool_snapshot *pool) {
  uint64_t calls = pool->stats.allocs + pool->stats.frees;
  lido_sample_put_ratio(writer, family, (lido_label){"pool", pool->name}, LIDO_NO_LABEL,
                        lido_less(calls, pool->stats.misses), calls);
}

static void put_object_bytes_of(lido_metrics_writer *writer, const lido_family *family,
                                const lido_pool_snapshot *pool) {
  lido_sample_put(writer, family, (lido_label){"pool", pool->name}, LIDO_NO_LABEL, pool->object_size);
}

static void put_limit_of(lido_metrics_writer *writer, const lido_family *family, const lido_pool_snapshot *pool) {
  if (pool->max_objects == 0) return;
  lido_sample_put(writer, family, (lido_label){"pool", pool->name}, LIDO_NO_LABEL, pool->max_objects);
}

static void put_info_of(lido_metrics_writer *writer, const lido_family *family, const lido_pool_snapshot *pool) {
  lido_label made = {"made_by", pool->watched ? "program" : "manager"};
  lido_sample_put(writer, family, (lido_label){"pool", pool->name}, made, 1);
}

static void put_for_pools(lido_metrics_writer *writer, lido_family family,
                          void (*put_of)(lido_metrics_writer *, const lido_family *, const lido_pool_snapshot *)) {
  const lido_snapshot *snapshot = writer->snapshot;
  lido_family_put(writer, &family);
  for (size_t i = 0; i < snapshot->pool_count && lido_metrics_go_on(writer); i++) {
    put_of(writer, &family, &snapshot->pools[i]);
  }
}

void lido_put_pool_metrics(lido_metrics_writer *writer) {
  if (writer->snapshot->pool_count == 0) return;
  put_for_pools(writer, lido_family_make(LIDO_METRIC_info, "pool", "", "each pool, and who made it"), put_info_of);
  put_for_pools(writer,
                lido_family_make(LIDO_METRIC_gauge, "pool_object_size_bytes", "bytes", "one object, without padding"),
                put_object_bytes_of);
  put_for_pools(writer,
                lido_family_make(LIDO_METRIC_gauge, "pool_limit_objects", "",
                                 "most objects that may be out; a pool without such a limit is not here"),
                put_limit_of);
  put_for_pools(writer,
                lido_family_make(LIDO_METRIC_gauge, "pool_bytes", "bytes",
                                 "reserved memory by what it holds: the sum over the states is all of it"),
                put_bytes_of);
  put_for_pools(writer,
                lido_family_make(LIDO_METRIC_counter, "pool_allocs", "", "objects handed out, by where they came from"),
                put_paths_of);
  put_for_pools(writer,
                lido_family_make(LIDO_METRIC_gauge, "pool_hit_ratio", "ratio",
                                 "share of allocs and frees that the thread's cache served, since the pool began"),
                put_hit_ratio_of);
}

/* ---- Caches ---- */

static void put_evictions(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  const lido_metric_fields reasons = lido_cache_reason_fields();
  lido_family family =
      lido_family_make(LIDO_METRIC_counter, "cache_evicted", "", "values that are no longer kept, by why");
  lido_family_put(writer, &family);
  for (size_t i = 0; i < snapshot->cache_count && lido_metrics_go_on(writer); i++) {
    const lido_cache_snapshot *cache = &snapshot->caches[i];
    for (size_t j = 0; j < reasons.count; j++) {
      lido_sample_put(writer, &family, (lido_label){"cache", cache->name},
                      (lido_label){"reason", reasons.fields[j].name},
                      lido_field_value(&reasons.fields[j], &cache->stats));
    }
  }
}

void lido_put_cache_metrics(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  if (snapshot->cache_count == 0) return;
  put_evictions(writer);
  lido_family family = lido_family_make(LIDO_METRIC_gauge, "cache_hit_ratio", "ratio",
                                        "share of questions that found a live value, since the cache began");
  lido_family_put(writer, &family);
  for (size_t i = 0; i < snapshot->cache_count && lido_metrics_go_on(writer); i++) {
    const lido_cache_stats *stats = &snapshot->caches[i].stats;
    lido_sample_put_ratio(writer, &family, (lido_label){"cache", snapshot->caches[i].name}, LIDO_NO_LABEL, stats->hits,
                          stats->hits + stats->misses);
  }
}

/* ---- Handles and cleanups ---- */

void lido_put_handle_metrics(lido_metrics_writer *writer) {
  const lido_metric_fields fields = lido_weak_fields();
  lido_family family = lido_family_make(LIDO_METRIC_counter, "handle_failed_acquires", "",
                                        "acquires that gave nothing, by how the handle's object was");
  lido_family_put(writer, &family);
  for (size_t i = 0; i < fields.count; i++) {
    const lido_metric_field *field = &fields.fields[i];
    if (!is_failure(field->name)) continue;
    lido_label outcome = {"outcome", field->name + sizeof failed - 1};
    lido_sample_put(writer, &family, outcome, LIDO_NO_LABEL, lido_field_value(field, &writer->snapshot->weak));
  }
}

void lido_put_cleanup_metrics(lido_metrics_writer *writer) {
  const lido_snapshot *snapshot = writer->snapshot;
  if (snapshot->cleanup_queue_count == 0) return;
  lido_family family =
      lido_family_make(LIDO_METRIC_gauge, "cleanup_queue_pending", "", "cleanups that wait on the queue");
  lido_family_put(writer, &family);
  for (size_t i = 0; i < snapshot->cleanup_queue_count && lido_metrics_go_on(writer); i++) {
    const lido_cleanup_queue_snapshot *queue = &snapshot->cleanup_queues[i];
    lido_sample_put(writer, &family, (lido_label){"queue", queue->name}, LIDO_NO_LABEL, queue->pending);
  }
}
