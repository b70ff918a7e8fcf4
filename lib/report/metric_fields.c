/* metric_fields.c: see metric_fields.h. */
#include "lib/report/metric_fields.h"

#include <string.h>

#include "lib/base/assertion.h"

/* ---- Tables ---- */

#define FIELD(type, name, kind, unit, text) {#name, #unit, text, offsetof(type, name), LIDO_METRIC_##kind},
#define POOL_FIELD(name, kind, unit, text) FIELD(lido_pool_stats, name, kind, unit, text)
#define ARENA_CLASS_FIELD(name, kind, unit, text) FIELD(lido_arena_class_stats, name, kind, unit, text)
#define CACHE_FIELD(name, kind, unit, text) FIELD(lido_cache_stats, name, kind, unit, text)
#define MANAGER_FIELD(name, kind, unit, text) FIELD(lido_manager_stats, name, kind, unit, text)
#define BUDGET_FIELD(name, kind, unit, text) FIELD(lido_budget_stats, name, kind, unit, text)
#define WEAK_FIELD(name, kind, unit, text) FIELD(lido_weak_stats, name, kind, unit, text)
#define GUARD_FIELD(name, kind, unit, text) FIELD(lido_guard_stats, name, kind, unit, text)
#define CACHE_REASON_FIELD(constant, name, text) \
  {&#name[sizeof "evicted_" - 1], "objects", text, offsetof(lido_cache_stats, name), LIDO_METRIC_counter},

#define TABLE(function, LIST, X)                                                            \
  lido_metric_fields function(void) {                                                       \
    static const lido_metric_field fields[] = {LIST(X)};                                    \
    return (lido_metric_fields){.fields = fields, .count = sizeof fields / sizeof *fields}; \
  }

TABLE(lido_pool_fields, LIDO_POOL_STATISTICS, POOL_FIELD)
TABLE(lido_arena_class_fields, LIDO_ARENA_CLASS_STATISTICS, ARENA_CLASS_FIELD)
TABLE(lido_cache_fields, LIDO_CACHE_STATISTICS, CACHE_FIELD)
TABLE(lido_cache_reason_fields, LIDO_CACHE_REASONS, CACHE_REASON_FIELD)
TABLE(lido_manager_fields, LIDO_MANAGER_STATISTICS, MANAGER_FIELD)
TABLE(lido_budget_fields, LIDO_BUDGET_STATISTICS, BUDGET_FIELD)
TABLE(lido_weak_fields, LIDO_WEAK_STATISTICS, WEAK_FIELD)
TABLE(lido_guard_fields, LIDO_GUARD_STATISTICS, GUARD_FIELD)

/* ---- Names ---- */

static void add(lido_family *family, const char *text, size_t bytes) {
  LIDO_ASSERT(family->sample_bytes + bytes < sizeof family->name);
  memcpy(family->name + family->sample_bytes, text, bytes);
  family->sample_bytes += bytes;
  family->name[family->sample_bytes] = '\0';
}

static void add_text(lido_family *family, const char *text) { add(family, text, strlen(text)); }

static void finish(lido_family *family) {
  family->bytes = family->sample_bytes;
  if (family->kind == LIDO_METRIC_counter) add_text(family, "_total");
  if (family->kind == LIDO_METRIC_info) add_text(family, "_info");
}

lido_family lido_family_make(lido_metric_kind kind, const char *name, const char *unit, const char *help) {
  lido_family family = {.kind = kind, .unit = unit, .help = help};
  add_text(&family, "lido_");
  add_text(&family, name);
  finish(&family);
  return family;
}

static bool ends_with(const char *text, size_t bytes, const char *end) {
  size_t end_bytes = strlen(end);
  return bytes >= end_bytes && memcmp(text + bytes - end_bytes, end, end_bytes) == 0;
}

/* Is `word` among what underscores part? */
static bool has_word(const char *text, const char *word) {
  size_t bytes = strlen(word);
  for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
    bool begins = at == text || at[-1] == '_';
    if (begins && (at[bytes] == '\0' || at[bytes] == '_')) return true;
  }
  return false;
}

/* What the rule puts at the end; "": nothing. */
static const char *ending_of(const lido_metric_field *field) {
  if (strcmp(field->unit, "bytes") == 0) return "bytes";
  if (strcmp(field->unit, "nanoseconds") == 0) return "seconds";
  bool counts_things = strcmp(field->unit, "objects") == 0 || strcmp(field->unit, "arenas") == 0;
  return field->kind == LIDO_METRIC_gauge && counts_things && !has_word(field->name, field->unit) ? field->unit : "";
}

static const char *base_unit_of(const char *ending) {
  return strcmp(ending, "bytes") == 0 || strcmp(ending, "seconds") == 0 ? ending : "";
}

lido_family lido_family_of_field(const char *subject, const lido_metric_field *field) {
  const char *ending = ending_of(field);
  const char *name = field->name;
  if (strcmp(ending, "bytes") == 0 && strncmp(name, "bytes_", 6) == 0) name += 6;
  size_t bytes = strlen(name);
  if (strcmp(ending, "seconds") == 0 && ends_with(name, bytes, "_ns")) bytes -= 3;

  lido_family family = {.kind = field->kind, .unit = base_unit_of(ending), .help = field->text};
  add_text(&family, "lido_");
  add_text(&family, subject);
  add_text(&family, "_");
  add(&family, name, bytes);
  if (*ending != '\0' && !ends_with(name, bytes, ending)) {
    add_text(&family, "_");
    add_text(&family, ending);
  }
  finish(&family);
  return family;
}
