/* json_snapshot.c: a snapshot and samples as JSON. Statistics come from the lists that make their structs, so none can be forgotten. */
#include "lib/adapters/json/json_snapshot.h"

#include <unistd.h>

#include "lib/adapters/json/json_tree.h"
#include "lido/version.h"

/* ---- Statistics ---- */

#define NUMBER(name, kind, unit, text) json_tree_number(&tree, #name, stats->name);

#define STATISTICS_OF(function, type, LIST)    \
  static json_t *function(const type *stats) { \
    json_tree tree = json_tree_begin();        \
    LIST(NUMBER)                               \
    return json_tree_end(&tree);               \
  }

STATISTICS_OF(manager_stats, lido_manager_stats, LIDO_MANAGER_STATISTICS)
STATISTICS_OF(budget_stats, lido_budget_stats, LIDO_BUDGET_STATISTICS)
STATISTICS_OF(weak_stats, lido_weak_stats, LIDO_WEAK_STATISTICS)
STATISTICS_OF(guard_stats, lido_guard_stats, LIDO_GUARD_STATISTICS)
STATISTICS_OF(pool_stats, lido_pool_stats, LIDO_POOL_STATISTICS)
STATISTICS_OF(arena_class_stats, lido_arena_class_stats, LIDO_ARENA_CLASS_STATISTICS)

/* The reasons of evictions have a list of their own. */
#define REASON(constant, name, text) json_tree_number(&tree, #name, stats->name);

static json_t *cache_stats(const lido_cache_stats *stats) {
  json_tree tree = json_tree_begin();
  LIDO_CACHE_STATISTICS(NUMBER)
  LIDO_CACHE_REASONS(REASON)
  return json_tree_end(&tree);
}

#undef REASON
#undef STATISTICS_OF
#undef NUMBER

/* ---- Durations ---- */

static json_t *bucket(const void *items, size_t i) {
  const lido_durations *durations = items;
  uint64_t end = lido_duration_bucket_end(i);
  json_tree tree = json_tree_begin();
  json_tree_value(&tree, "end_ns", end == UINT64_MAX ? json_null() : lido_json_number(end));
  json_tree_number(&tree, "count", durations->buckets[i]);
  return json_tree_end(&tree);
}

static json_t *durations(const lido_durations *d) {
  json_tree tree = json_tree_begin();
  json_tree_number(&tree, "count", d->count);
  json_tree_number(&tree, "sum_ns", d->sum_ns);
  json_tree_value(&tree, "buckets", json_array_of(d, LIDO_DURATION_BUCKETS, bucket));
  return json_tree_end(&tree);
}

/* ---- Members ---- */

static json_t *pool(const void *items, size_t i) {
  const lido_pool_snapshot *p = (const lido_pool_snapshot *)items + i;
  json_tree tree = json_tree_begin();
  json_tree_text(&tree, "name", p->name);
  json_tree_number(&tree, "object_size", p->object_size);
  json_tree_number(&tree, "align", p->align);
  json_tree_number(&tree, "max_objects", p->max_objects);
  json_tree_bool(&tree, "watched", p->watched);
  json_tree_value(&tree, "stats", pool_stats(&p->stats));
  return json_tree_end(&tree);
}

static json_t *arena_class(const void *items, size_t i) {
  const lido_arena_class_snapshot *c = (const lido_arena_class_snapshot *)items + i;
  json_tree tree = json_tree_begin();
  json_tree_text(&tree, "name", c->name);
  json_tree_value(&tree, "stats", arena_class_stats(&c->stats));
  return json_tree_end(&tree);
}

static json_t *cache(const void *items, size_t i) {
  const lido_cache_snapshot *c = (const lido_cache_snapshot *)items + i;
  json_tree tree = json_tree_begin();
  json_tree_text(&tree, "name", c->name);
  json_tree_value(&tree, "stats", cache_stats(&c->stats));
  return json_tree_end(&tree);
}

static json_t *cleanup_queue(const void *items, size_t i) {
  const lido_cleanup_queue_snapshot *q = (const lido_cleanup_queue_snapshot *)items + i;
  json_tree tree = json_tree_begin();
  json_tree_text(&tree, "name", q->name);
  json_tree_number(&tree, "pending", q->pending);
  return json_tree_end(&tree);
}

/* ---- All of it ---- */

static void enter_manager(json_tree *tree, const lido_snapshot *s) {
  json_tree_number(tree, "version", LIDO_JSON_VERSION);
  json_tree_text(tree, "lido", lido_version());
  json_tree_number(tree, "process", (uint64_t)getpid());
  json_tree_text(tree, "manager", s->manager);
  json_tree_number(tree, "now_ns", s->now_ns);
  json_tree_number(tree, "wall_ns", s->wall_ns);
  json_tree_text(tree, "policy", lido_policy_name(s->policy));
  json_tree_text(tree, "chosen", lido_policy_name(s->chosen));
  json_tree_value(tree, "stats", manager_stats(&s->stats));
  json_tree_value(tree, "passes", durations(&s->passes));
  json_tree_value(tree, "budget", budget_stats(&s->budget));
  json_tree_value(tree, "weak", weak_stats(&s->weak));
  json_tree_value(tree, "guard", guard_stats(&s->guard));
}

int json_snapshot_write(const lido_snapshot *s, lido_text_sink sink, void *context, bool *began) {
  json_tree tree = json_tree_begin();
  enter_manager(&tree, s);
  json_tree_value(&tree, "pools", json_array_of(s->pools, s->pool_count, pool));
  json_tree_value(&tree, "arena_classes", json_array_of(s->arena_classes, s->arena_class_count, arena_class));
  json_tree_value(&tree, "caches", json_array_of(s->caches, s->cache_count, cache));
  json_tree_value(&tree, "cleanup_queues", json_array_of(s->cleanup_queues, s->cleanup_queue_count, cleanup_queue));
  return json_tree_write(json_tree_end(&tree), sink, context, began);
}

int lido_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  return json_snapshot_write(snapshot, sink, context, NULL);
}

/* ---- Samples ---- */

static json_t *sample(const void *items, size_t i) {
  const lido_sample *s = (const lido_sample *)items + i;
  json_tree tree = json_tree_begin();
  json_tree_number(&tree, "number", s->number);
  json_tree_number(&tree, "now_ns", s->now_ns);
  json_tree_number(&tree, "wall_ns", s->wall_ns);
  for (int field = 0; field < LIDO_SAMPLE_FIELDS; field++) {
    json_tree_number(&tree, lido_sample_field_name((lido_sample_field)field), s->values[field]);
  }
  return json_tree_end(&tree);
}

int json_samples_write(const lido_sample *samples, size_t count, lido_text_sink sink, void *context, bool *began) {
  json_tree tree = json_tree_begin();
  json_tree_number(&tree, "version", LIDO_JSON_VERSION);
  json_tree_value(&tree, "samples", json_array_of(samples, count, sample));
  return json_tree_write(json_tree_end(&tree), sink, context, began);
}

int lido_json_write_samples(const lido_sample *samples, size_t count, lido_text_sink sink, void *context) {
  return json_samples_write(samples, count, sink, context, NULL);
}
