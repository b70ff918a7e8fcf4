/* top_header.c: see top_header.h. */
#include "tools/lido_top/top_header.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "tools/lido_top/top_sample.h"

enum { BAR = 30 };

struct pair {
  const json_t *before; /* may be NULL */
  const json_t *now;
  double seconds;
};

static void put_number(struct text_line *line, const char *label, enum cell_format format, double value) {
  char text[16];
  line_put(line, "%s%s", label, number_text(text, format, value));
}

static void put_stat(struct text_line *line, const struct pair *p, const char *label, enum cell_format format,
                     const char *name) {
  put_number(line, label, format, json_number_at(json_object_get(p->now, "stats"), name));
}

static void put_rate(struct text_line *line, const struct pair *p, const char *label, const char *name) {
  double rate = NAN;
  if (p->seconds > 0) {
    double grown = json_number_at(json_object_get(p->now, "stats"), name) -
                   json_number_at(json_object_get(p->before, "stats"), name);
    if (grown >= 0) rate = grown / p->seconds;
  }
  put_number(line, label, CELL_COUNT, rate);
}

/* ---- Each line ---- */

static void put_manager(struct text_line *line, const struct pair *p) {
  const char *policy = json_text_at(p->now, "policy");
  const char *chosen = json_text_at(p->now, "chosen");
  time_t wall = (time_t)(json_number_at(p->now, "wall_ns") / 1e9);
  struct tm parts;
  char clock[16] = "";
  if (localtime_r(&wall, &parts) != NULL) strftime(clock, sizeof clock, "%H:%M:%S", &parts);
  line_put(line, "lido top  ");
  line_name(line, json_text_at(p->now, "manager"), 0);
  line_put(line, "  process %.0f  policy ", json_number_at(p->now, "process"));
  line_name(line, policy, 0);
  if (strcmp(policy, chosen) != 0) {
    line_put(line, " (");
    line_name(line, chosen, 0);
    line_put(line, ")");
  }
  line_put(line, "  %s", clock);
}

/* As long as the hard limit, or, where there is none, as the soft one; that has a mark. */
static void put_bar(struct text_line *line, double used, double soft, double hard) {
  double most = hard > 0 ? hard : soft;
  int full = (int)lround(fmin(used / most, 1) * BAR);
  int mark = soft > 0 && soft < most ? (int)lround(soft / most * (BAR - 1)) : -1;
  line_put(line, "[");
  for (int i = 0; i < BAR; i++) line_put(line, "%c", i == mark ? '|' : i < full ? '#' : ' ');
  line_put(line, "]");
}

static void put_budget(struct text_line *line, const struct pair *p) {
  const json_t *budget = json_object_get(p->now, "budget");
  double used = json_number_at(budget, "used");
  double soft = json_number_at(budget, "soft");
  double hard = json_number_at(budget, "hard");
  line_put(line, "Budget  ");
  if (soft > 0 || hard > 0) put_bar(line, used, soft, hard);
  put_number(line, soft > 0 || hard > 0 ? "  used " : "used ", CELL_BYTES, used);
  put_number(line, "  peak ", CELL_BYTES, json_number_at(budget, "peak"));
  if (soft > 0) put_number(line, "  soft ", CELL_BYTES, soft);
  if (hard > 0) put_number(line, "  hard ", CELL_BYTES, hard);
  if (!(soft > 0 || hard > 0)) line_put(line, "  no limits");
  if (hard > 0) put_number(line, "  refused ", CELL_COUNT, json_number_at(budget, "refusals"));
}

static void put_pools(struct text_line *line, const struct pair *p) {
  put_stat(line, p, "Pools   live ", CELL_BYTES, "bytes_live");
  put_stat(line, p, "  cached ", CELL_BYTES, "bytes_cached");
  put_stat(line, p, "  reserved ", CELL_BYTES, "bytes_reserved");
  put_rate(line, p, "  alloc/s ", "allocs");
  put_rate(line, p, "  free/s ", "frees");
  put_rate(line, p, "  slow/s ", "misses");
}

static void put_others(struct text_line *line, const struct pair *p) {
  put_stat(line, p, "Arenas  idle ", CELL_BYTES, "bytes_idle");
  put_rate(line, p, "  acquire/s ", "acquires");
  put_rate(line, p, "  Caches  hit/s ", "cache_hits");
  put_rate(line, p, "  miss/s ", "cache_misses");
  put_stat(line, p, "  Cleanups  pending ", CELL_COUNT, "cleanups_pending");
}

static void put_passes(struct text_line *line, const struct pair *p) {
  const json_t *passes = json_object_get(p->now, "passes");
  double count = json_number_at(passes, "count");
  put_stat(line, p, "Passes  asked ", CELL_COUNT, "passes_asked");
  put_stat(line, p, "  soft ", CELL_COUNT, "passes_soft");
  put_stat(line, p, "  hard ", CELL_COUNT, "passes_hard");
  put_stat(line, p, "  idle ", CELL_COUNT, "passes_idle");
  put_stat(line, p, "  freed ", CELL_BYTES, "freed_bytes");
  put_stat(line, p, "  purged ", CELL_BYTES, "purged_bytes");
  if (count > 0) put_number(line, "  mean us ", CELL_COUNT, json_number_at(passes, "sum_ns") / count / 1e3);
}

void top_header_line(struct text_line *line, int number, const json_t *before, const json_t *now, int columns) {
  static void (*const lines[HEADER_LINES])(struct text_line * line, const struct pair *p) = {
      put_manager, put_budget, put_pools, put_others, put_passes};
  const struct pair p = {before, now, sample_seconds(before, now)};
  line_begin(line, columns);
  lines[number](line, &p);
}
