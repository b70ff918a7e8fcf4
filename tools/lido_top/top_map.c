/* top_map.c: see top_map.h. A slab is '.', empty; 0 to 9, so many tenths of its objects are used; '#', full. Slabs go
 * from the oldest to the newest; many low digits say that a few objects keep much memory. */
#include "tools/lido_top/top_map.h"

#include <curses.h>

#include "tools/lido_top/top_sample.h"

struct counts {
  double objects;
  double used;
  size_t empty;
  size_t full;
};

static double number_in(const json_t *uses, size_t slab, size_t place) {
  return json_number_value(json_array_get(json_array_get(uses, slab), place));
}

static char sign_of(double used, double objects) {
  if (used <= 0 || objects <= 0) return '.';
  if (used >= objects) return '#';
  return (char)('0' + (int)(10 * used / objects));
}

static struct counts count_all(const json_t *uses) {
  struct counts c = {0};
  for (size_t i = 0; i < json_array_size(uses); i++) {
    double objects = number_in(uses, i, 0);
    double used = number_in(uses, i, 1);
    c.objects += objects;
    c.used += used;
    c.empty += used <= 0;
    c.full += objects > 0 && used >= objects;
  }
  return c;
}

static void put_summary(struct text_line *line, const char *name, const json_t *map) {
  const json_t *uses = json_object_get(map, "use");
  struct counts c = count_all(uses);
  char objects[16], used[16], slabs[16];
  line_put(line, "Pool ");
  line_name(line, name, 0);
  line_put(line, ": %s slabs", number_text(slabs, CELL_COUNT, json_number_at(map, "slabs")));
  line_put(line, ", %s of %s objects live or cached", number_text(used, CELL_COUNT, c.used),
           number_text(objects, CELL_COUNT, c.objects));
  if (c.objects > 0) line_put(line, " (%.1f %%)", 100 * c.used / c.objects);
  line_put(line, ", %zu slabs full, %zu empty", c.full, c.empty);
  if (json_number_at(map, "slabs") > (double)json_array_size(uses)) {
    line_put(line, "; the oldest %zu are shown", json_array_size(uses));
  }
}

static void draw_at(int y, int bottom, const struct text_line *line, attr_t attributes) {
  if (y >= bottom || y >= LINES) return;
  attrset((int)attributes);
  mvaddstr(y, 0, line->text);
  attrset(A_NORMAL);
}

static void draw_slabs(struct top_view *view, const json_t *uses, int top, int bottom) {
  size_t width = COLS > 0 ? (size_t)COLS : 1;
  size_t rows = bottom > top ? (size_t)(bottom - top) : 0;
  size_t count = json_array_size(uses);
  size_t lines = (count + width - 1) / width;
  if (view->first + rows > lines) view->first = lines > rows ? lines - rows : 0;
  for (size_t y = 0; y < rows; y++) {
    for (size_t x = 0; x < width; x++) {
      size_t slab = (view->first + y) * width + x;
      if (slab >= count) return;
      mvaddch(top + (int)y, (int)x, (chtype)sign_of(number_in(uses, slab, 1), number_in(uses, slab, 0)));
    }
  }
}

void map_draw(struct top_view *view, int top, int bottom) {
  struct text_line line;
  line_begin(&line, COLS);
  if (json_object_get(view->map, "use") == NULL) {
    line_put(&line, "Pool ");
    line_name(&line, view->selected, 0);
    line_put(&line, ": ");
    line_name(&line, view->map != NULL ? json_text_at(view->map, "error") : "...", 0);
    draw_at(top, bottom, &line, A_NORMAL);
    return;
  }
  put_summary(&line, view->selected, view->map);
  draw_at(top, bottom, &line, A_REVERSE);
  line_begin(&line, COLS);
  line_put(&line, "One character a slab, the oldest first:  . empty   0-9 tenths in use   # full");
  draw_at(top + 1, bottom, &line, A_NORMAL);
  draw_slabs(view, json_object_get(view->map, "use"), top + 2, bottom);
}
