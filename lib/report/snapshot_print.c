/* snapshot_print.c: a snapshot as tables for people.
 *
 * Idea: a table is a list of columns over an array of members that begin with their names. The column of names is as
 * wide as the longest name, up to a bound; the others are aligned at the right. Beyond its columns a number or a name
 * shifts the rest of its line, and is never cut.
 * Not done: all numbers (metrics have them); colours; commas in numbers.
 */
#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "lib/report/name_text.h"

typedef enum cell { COUNT, BYTES, PER_CENT } cell;

typedef struct column {
  const char *title;
  cell kind;
  size_t offset; /* of a uint64_t, or of a size_t, in the member */
  size_t whole;  /* PER_CENT: of what */
} column;

enum { COLUMNS = 7, CELL_WIDTH = 11, NAME_WIDTH_MIN = 14, NAME_WIDTH_MAX = 40 };

typedef struct table {
  const char *title;
  const void *members;
  size_t count;
  size_t stride;
  column columns[COLUMNS]; /* those that have a title */
} table;

LIDO_STATIC_ASSERT(sizeof(size_t) == sizeof(uint64_t), "one way to read a cell");

/* ---- Cells ---- */

/* 1.5 MiB: one decimal, cut. */
static size_t write_bytes(char *room, uint64_t bytes) {
  static const char units[] = "KMGTPE";
  size_t used = 0;
  if (bytes < 1024) {
    used = lido_number_write(room, bytes);
    memcpy(room + used, " B", sizeof " B");
    return used + 2;
  }
  unsigned unit = (lido_log2(bytes)) / 10;
  uint64_t rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);
  used = lido_number_write(room, bytes >> (10 * unit));
  room[used++] = '.';
  room[used++] = (char)('0' + (rest >> (10 * unit - 10)) * 10 / 1024);
  room[used++] = ' ';
  room[used++] = units[unit - 1];
  memcpy(room + used, "iB", sizeof "iB");
  return used + 2;
}

/* "-": of nothing. */
static size_t write_per_cent(char *room, uint64_t part, uint64_t whole) {
  if (whole == 0) {
    memcpy(room, "-", sizeof "-");
    return 1;
  }
  uint64_t tenths = (uint64_t)((lido_uint128)lido_min(part, whole) * 1000 / whole);
  size_t used = lido_number_write(room, tenths / 10);
  room[used++] = '.';
  room[used++] = (char)('0' + tenths % 10);
  room[used] = '\0';
  return used;
}

static uint64_t value_at(const char *member, size_t offset) {
  uint64_t value;
  memcpy(&value, member + offset, sizeof value);
  return value;
}

static void put_right(lido_text_out *out, const char *text, size_t bytes) {
  lido_text(out, " ");
  lido_text_spaces(out, bytes < CELL_WIDTH ? CELL_WIDTH - bytes : 0);
  lido_text_put(out, text, bytes);
}

static void put_cell(lido_text_out *out, const column *of, const char *member) {
  char room[LIDO_NUMBER_ROOM];
  uint64_t value = value_at(member, of->offset);
  size_t bytes = 0;
  if (of->kind == COUNT) bytes = lido_number_write(room, value);
  if (of->kind == BYTES) bytes = write_bytes(room, value);
  if (of->kind == PER_CENT) {
    uint64_t others = value_at(member, of->whole);
    bytes = write_per_cent(room, value, value + others);
  }
  put_right(out, room, bytes);
}

/* ---- Tables ---- */

static const char *name_of(const char *member) {
  const char *name;
  memcpy(&name, member, sizeof name);
  return name;
}

static size_t name_width(const table *of) {
  size_t width = NAME_WIDTH_MIN;
  for (size_t i = 0; i < of->count; i++) {
    width = lido_max(width, lido_name_put_visible(NULL, name_of((const char *)of->members + i * of->stride)));
  }
  return lido_min(width, NAME_WIDTH_MAX);
}

static void put_name(lido_text_out *out, const char *name, size_t width) {
  size_t characters = lido_name_put_visible(out, name);
  lido_text_spaces(out, characters < width ? width - characters : 0);
}

static void put_table(lido_text_out *out, const table *of) {
  size_t width = name_width(of);
  if (of->count == 0) return;
  lido_text(out, "\n");
  put_name(out, of->title, width);
  for (size_t i = 0; i < COLUMNS && of->columns[i].title != NULL; i++) {
    put_right(out, of->columns[i].title, strlen(of->columns[i].title));
  }
  lido_text(out, "\n");
  for (size_t i = 0; i < of->count && out->error == 0; i++) {
    const char *member = (const char *)of->members + i * of->stride;
    put_name(out, name_of(member), width);
    for (size_t j = 0; j < COLUMNS && of->columns[j].title != NULL; j++) put_cell(out, &of->columns[j], member);
    lido_text(out, "\n");
  }
}

#define POOL(field) offsetof(lido_pool_snapshot, field)
static void put_pools(lido_text_out *out, const lido_snapshot *snapshot) {
  const table pools = {.title = "pool",
                       .members = snapshot->pools,
                       .count = snapshot->pool_count,
                       .stride = sizeof *snapshot->pools,
                       .columns = {{"object", BYTES, POOL(object_size), 0},
                                   {"live", COUNT, POOL(stats.live), 0},
                                   {"cached", COUNT, POOL(stats.cached), 0},
                                   {"objects", COUNT, POOL(stats.objects), 0},
                                   {"reserved", BYTES, POOL(stats.bytes_reserved), 0},
                                   {"allocs", COUNT, POOL(stats.allocs), 0},
                                   {"misses", COUNT, POOL(stats.misses), 0}}};
  put_table(out, &pools);
}
#undef POOL

#define ARENA_CLASS(field) offsetof(lido_arena_class_snapshot, field)
static void put_arena_classes(lido_text_out *out, const lido_snapshot *snapshot) {
  const table classes = {.title = "arena class",
                         .members = snapshot->arena_classes,
                         .count = snapshot->arena_class_count,
                         .stride = sizeof *snapshot->arena_classes,
                         .columns = {{"live", COUNT, ARENA_CLASS(stats.live), 0},
                                     {"idle", COUNT, ARENA_CLASS(stats.idle), 0},
                                     {"idle memory", BYTES, ARENA_CLASS(stats.idle_bytes), 0},
                                     {"acquires", COUNT, ARENA_CLASS(stats.acquires), 0},
                                     {"misses", COUNT, ARENA_CLASS(stats.misses), 0},
                                     {"first block", BYTES, ARENA_CLASS(stats.wanted), 0},
                                     {"peak", BYTES, ARENA_CLASS(stats.peak), 0}}};
  put_table(out, &classes);
}
#undef ARENA_CLASS

#define CACHE(field) offsetof(lido_cache_snapshot, field)
static void put_caches(lido_text_out *out, const lido_snapshot *snapshot) {
  const table caches = {.title = "cache",
                        .members = snapshot->caches,
                        .count = snapshot->cache_count,
                        .stride = sizeof *snapshot->caches,
                        .columns = {{"entries", COUNT, CACHE(stats.entries), 0},
                                    {"kept", COUNT, CACHE(stats.kept), 0},
                                    {"weight", BYTES, CACHE(stats.kept_weight), 0},
                                    {"reserved", BYTES, CACHE(stats.bytes_reserved), 0},
                                    {"hits", COUNT, CACHE(stats.hits), 0},
                                    {"misses", COUNT, CACHE(stats.misses), 0},
                                    {"hit %", PER_CENT, CACHE(stats.hits), CACHE(stats.misses)}}};
  put_table(out, &caches);
}
#undef CACHE

static void put_queues(lido_text_out *out, const lido_snapshot *snapshot) {
  const table queues = {.title = "cleanup queue",
                        .members = snapshot->cleanup_queues,
                        .count = snapshot->cleanup_queue_count,
                        .stride = sizeof *snapshot->cleanup_queues,
                        .columns = {{"pending", COUNT, offsetof(lido_cleanup_queue_snapshot, pending), 0}}};
  put_table(out, &queues);
}

/* ---- What there is once ---- */

static void put_amount(lido_text_out *out, const char *before, cell kind, uint64_t value) {
  char room[LIDO_NUMBER_ROOM];
  lido_text(out, before);
  if (kind == BYTES) {
    write_bytes(room, value);
  } else {
    lido_number_write(room, value);
  }
  lido_text(out, room);
}

static void put_limit(lido_text_out *out, const char *before, uint64_t bytes) {
  if (bytes == 0) {
    lido_text(out, before);
    lido_text(out, "none");
  } else {
    put_amount(out, before, BYTES, bytes);
  }
}

static void put_manager(lido_text_out *out, const lido_snapshot *snapshot) {
  const lido_budget_stats *budget = &snapshot->budget;
  lido_text(out, "manager  ");
  lido_name_put_visible(out, snapshot->manager);
  lido_text(out, ", policy ");
  lido_text(out, lido_policy_name(snapshot->policy));
  if (snapshot->chosen != snapshot->policy) {
    lido_text(out, ": ");
    lido_text(out, lido_policy_name(snapshot->chosen));
  }
  put_amount(out, "\nlimits   used ", BYTES, budget->used);
  put_amount(out, ", peak ", BYTES, budget->peak);
  put_limit(out, ", soft ", budget->soft);
  put_limit(out, ", hard ", budget->hard);
  put_amount(out, ", refused ", COUNT, budget->refusals);
  put_amount(out, "\nreclaim  passes ", COUNT, snapshot->passes.count);
  put_amount(out, ", gave back ", BYTES, snapshot->stats.freed_bytes);
  put_amount(out, ", purged ", BYTES, snapshot->stats.purged_bytes);
}

/* All in one unit, so that they can be compared. */
static void put_costs(lido_text_out *out, const lido_snapshot *snapshot) {
  if (snapshot->scores[0].policy == LIDO_POLICY_NONE) return; /* as in derived_metrics.c */
  lido_text(out, "\ncosts    ");
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    if (i != 0) lido_text(out, ", ");
    lido_text(out, lido_policy_name(snapshot->scores[i].policy));
    put_amount(out, " ", COUNT, (uint64_t)snapshot->scores[i].total_ns);
  }
  lido_text(out, " ns a second");
}

static void put_process(lido_text_out *out, const lido_snapshot *snapshot) {
  put_amount(out, "\nhandles  slots in use ", COUNT, snapshot->weak.slots_in_use);
  put_amount(out, ", retired ", COUNT, snapshot->weak.slots_retired);
  put_amount(out, ", cleanups ", COUNT, snapshot->weak.cleanups);
  put_amount(out, ", deferred deaths ", COUNT, snapshot->guard.deferred);
  lido_text(out, "\n");
}

int lido_snapshot_print(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  lido_text_out out;
  lido_text_begin(&out, sink, context);
  put_manager(&out, snapshot);
  put_costs(&out, snapshot);
  put_process(&out, snapshot);
  put_pools(&out, snapshot);
  put_arena_classes(&out, snapshot);
  put_caches(&out, snapshot);
  put_queues(&out, snapshot);
  return lido_text_end(&out);
}
