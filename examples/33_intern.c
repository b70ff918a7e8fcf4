/* 33_intern.c: the names of header fields as handles, so that comparing them is comparing two numbers; and points,
 * interned as what they are. Nobody keeps a table in order: a name is forgotten with its last user. */
#include <lido/lido.h>
#include <stdio.h>

struct point {
  int32_t x, y;
};

LIDO_INTERN_DEFINE(point, struct point)

enum { FIELDS = 4 };

static const char *const lines[FIELDS] = {"Accept: text/html", "Cookie: a=1", "Accept: text/plain",
                                          "Host: example.org"};

static lido_interned name_of(lido_intern *names, const char *line) {
  return lido_intern_bytes(names, line, strcspn(line, ":"));
}

static bool count_fields(lido_intern *names) {
  lido_interned fields[FIELDS];
  lido_interned accept = lido_intern_text(names, "Accept"); /* once, at the start of a program */
  unsigned found = 0;
  for (int i = 0; i < FIELDS; i++) {
    fields[i] = name_of(names, lines[i]);
    if (fields[i].bits == 0) return false; /* ENOMEM */
    found += lido_interned_equal(fields[i], accept);
  }
  lido_intern_stats stats;
  lido_intern_stats_get(names, &stats);
  printf("%s: %u times; %llu names for %d fields\n", lido_interned_text(accept), found,
         (unsigned long long)stats.values, FIELDS);
  for (int i = 0; i < FIELDS; i++) lido_interned_release(fields[i]);
  bool stays = lido_interned_text(fields[0]) != NULL; /* `accept` is the same handle, and still referenced */
  lido_interned_release(accept);
  bool is_gone = lido_interned_text(fields[0]) == NULL && lido_intern_find(names, "Accept", 6).bits == 0;
  return found == 2 && stats.values == 3 && stays && is_gone;
}

static bool compare_points(lido_intern *points) {
  point_interned a = point_intern(points, &(struct point){3, 4});
  point_interned b = point_intern(points, &(struct point){.y = 4, .x = 3});
  point_interned c = point_intern(points, &(struct point){4, 3});
  bool right = point_interned_equal(a, b) && !point_interned_equal(a, c);
  right &= point_interned_get(a) == point_interned_get(b) && point_interned_get(c)->x == 4; /* one copy of each */
  point_interned_release(a);
  point_interned_release(b); /* as many releases as interns */
  point_interned_release(c);
  return right;
}

int main(void) {
  lido_intern *names = lido_intern_create(&(lido_intern_options){.name = "names"});
  lido_intern *points = lido_intern_create(&(lido_intern_options){.name = "points"});
  if (names == NULL || points == NULL) return 1;
  bool right = count_fields(names) && compare_points(points);
  right &= lido_intern_destroy(points) == 0; /* nobody referenced any */
  return lido_intern_destroy(names) == 0 && right ? 0 : 1;
}
