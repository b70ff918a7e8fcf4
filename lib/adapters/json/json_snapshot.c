/* json_snapshot.c: a snapshot and samples as JSON. Statistics come from the lists that make their structs, so none can
 * be forgotten. */
#include "lib/adapters/json/json_snapshot.h"

#include <unistd.h>

#include "lib/adapters/json/json_outlet.h"
#include "lib/adapters/json/json_tree.h"
#include "lido/version.h"

/* ---- Statistics ---- */

#define NUMBER(name, kind, unit, text) lido_json_tree_number(&tree, #name, stats->name);

#define STATISTICS_OF(function, type, LIST)    \
  static json_t *function(const type *stats) { \
    json_tree tree = lido_json_tree_begin();   \
    LIST(NUMBER)                               \
    return lido_json_tree_end(&tree);          \
  }

STATISTICS_OF(manager_stats, lido_manager_stats, LIDO_MANAGER_STATISTICS)
STATISTICS_OF(budget_stats, lido_budget_stats, LIDO_BUDGET_STATISTICS)
STATISTICS_OF(weak_stats, lido_weak_stats, LIDO_WEAK_STATISTICS)
STATISTICS_OF(guard_stats, lido_guard_stats, LIDO_GUARD_STATISTICS)
STATISTICS_OF(pool_stats, lido_pool_stats, LIDO_POOL_STATISTICS)
STATISTICS_OF(arena_class_stats, lido_arena_class_stats, LIDO_ARENA_CLASS_STATISTICS)

/* The reasons of evictions have a list of their own. */
#define REASON(constant, name, text) lido_json_tree_number(&tree, #name, stats->name);

static json_t *cache_stats(const lido_cache_stats *stats) {
  json_tree tree = lido_json_tree_begin();
  LIDO_CACHE_STATISTICS(NUMBER)
  LIDO_CACHE_REASONS(REASON)
  return lido_json_tree_end(&tree);
}

#undef REASON
#undef STATISTICS_OF
#undef NUMBER

/* ---- Durations ---- */

static json_t *bucket(const void *items, size_t i) {
  const lido_durations *durations = items;
  uint64_t end = lido_duration_bucket_end(i);
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_value(&tree, "end_ns", end == UINT64_MAX ? json_null() : lido_json_number(end));
  lido_json_tree_number(&tree, "count", durations->buckets[i]);
  return lido_json_tree_end(&tree);
}

static json_t *durations(const lido_durations *d) {
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_number(&tree, "count", d->count);
  lido_json_tree_number(&tree, "sum_ns", d->sum_ns);
  lido_json_tree_value(&tree, "buckets", lido_json_array_of(d, LIDO_DURATION_BUCKETS, bucket));
  return lido_json_tree_end(&tree);
}

/* ---- Members ---- */

static json_t *pool(const void *items, size_t i) {
  const lido_pool_snapshot *p = (const lido_pool_snapshot *)items + i;
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_text(&tree, "name", p->name);
  lido_json_tree_number(&tree, "object_size", p->object_size);
  lido_json_tree_number(&tree, "align", p->align);
  lido_json_tree_number(&tree, "max_objects", p->max_objects);
  lido_json_tree_bool(&tree, "watched", p->watched);
  lido_json_tree_value(&tree, "stats", pool_stats(&p->stats));
  return lido_json_tree_end(&tree);
}

static json_t *arena_class(const void *items, size_t i) {
  const lido_arena_class_snapshot *c = (const lido_arena_class_snapshot *)items + i;
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_text(&tree, "name", c->name);
  lido_json_tree_value(&tree, "stats", arena_class_stats(&c->stats));
  return lido_json_tree_end(&tree);
}

static json_t *cache(const void *items, size_t i) {
  const lido_cache_snapshot *c = (const lido_cache_snapshot *)items + i;
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_text(&tree, "name", c->name);
  lido_json_tree_value(&tree, "stats", cache_stats(&c->stats));
  return lido_json_tree_end(&tree);
}

static json_t *cleanup_queue(const void *items, size_t i) {
  const lido_cleanup_queue_snapshot *q = (const lido_cleanup_queue_snapshot *)items + i;
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_text(&tree, "name", q->name);
  lido_json_tree_number(&tree, "pending", q->pending);
  return lido_json_tree_end(&tree);
}

/* ---- All of it ---- */

static void enter_manager(json_tree *tree, const lido_snapshot *s) {
  lido_json_tree_number(tree, "version", LIDO_JSON_VERSION);
  lido_json_tree_text(tree, "lido", lido_version());
  lido_json_tree_number(tree, "process", (uint64_t)getpid());
  lido_json_tree_text(tree, "manager", s->manager);
  lido_json_tree_number(tree, "now_ns", s->now_ns);
  lido_json_tree_number(tree, "wall_ns", s->wall_ns);
  lido_json_tree_text(tree, "policy", lido_policy_name(s->policy));
  lido_json_tree_text(tree, "chosen", lido_policy_name(s->chosen));
  lido_json_tree_value(tree, "stats", manager_stats(&s->stats));
  lido_json_tree_value(tree, "passes", durations(&s->passes));
  lido_json_tree_value(tree, "budget", budget_stats(&s->budget));
  lido_json_tree_value(tree, "weak", weak_stats(&s->weak));
  lido_json_tree_value(tree, "guard", guard_stats(&s->guard));
}

int lido_json_snapshot_write(const lido_snapshot *s, lido_text_sink sink, void *context, bool *began) {
  json_tree tree = lido_json_tree_begin();
  enter_manager(&tree, s);
  lido_json_tree_value(&tree, "pools", lido_json_array_of(s->pools, s->pool_count, pool));
  lido_json_tree_value(&tree, "arena_classes", lido_json_array_of(s->arena_classes, s->arena_class_count, arena_class));
  lido_json_tree_value(&tree, "caches", lido_json_array_of(s->caches, s->cache_count, cache));
  lido_json_tree_value(&tree, "cleanup_queues",
                       lido_json_array_of(s->cleanup_queues, s->cleanup_queue_count, cleanup_queue));
  return lido_json_tree_write(lido_json_tree_end(&tree), sink, context, began);
}

int lido_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  return lido_json_snapshot_write(snapshot, sink, context, NULL);
}

/* ---- Samples ---- */

static json_t *sample(const lido_sample *s) {
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_number(&tree, "number", s->number);
  lido_json_tree_number(&tree, "now_ns", s->now_ns);
  lido_json_tree_number(&tree, "wall_ns", s->wall_ns);
  for (int field = 0; field < LIDO_SAMPLE_FIELDS; field++) {
    lido_json_tree_number(&tree, lido_sample_field_name((lido_sample_field)field), s->values[field]);
  }
  return lido_json_tree_end(&tree);
}

/* One after the other: a tree of all of them would be some kilobytes each. */
int lido_json_samples_write(const lido_sample *samples, size_t count, lido_text_sink sink, void *context, bool *began) {
  json_outlet out;
  lido_json_outlet_begin(&out, sink, context);
  lido_json_outlet_text(&out, "{\"version\":");
  lido_json_outlet_value(&out, lido_json_number(LIDO_JSON_VERSION));
  lido_json_outlet_text(&out, ",\"samples\":[");
  for (size_t i = 0; i < count && out.error == 0; i++) {
    if (i != 0) lido_json_outlet_text(&out, ",");
    lido_json_outlet_value(&out, sample(&samples[i]));
  }
  lido_json_outlet_text(&out, "]}");
  return lido_json_outlet_end(&out, began);
}

int lido_json_write_samples(const lido_sample *samples, size_t count, lido_text_sink sink, void *context) {
  return lido_json_samples_write(samples, count, sink, context, NULL);
}
