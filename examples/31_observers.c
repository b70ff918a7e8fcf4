/* 31_observers.c: displays that are told of prices, and may go away at any time without a word; and one that wants to
 * be told no more, whose memory for that goes as soon as nobody uses it.
 */
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>

struct price {
  const char *what;
  int cents;
};

struct display {
  char name[16];
};

LIDO_SUBJECT_DEFINE(prices, struct price)

static void display_next(struct display *d, const struct price *p, void *count) {
  ++*(int *)count;
  printf("%s: %s costs %d\n", d->name, p->what, p->cents);
}

static void display_error(struct display *d, int error, void *count) {
  (void)count;
  printf("%s: error %d\n", d->name, error);
}

static void display_complete(struct display *d, void *count) {
  printf("%s: heard %d prices\n", d->name, *(int *)count);
}

LIDO_OBSERVER_DEFINE(prices, display, struct display)

static struct display *make_display(lido_pool *displays, const char *name) {
  struct display *d = lido_pool_alloc(displays);
  if (d == NULL) exit(1);
  snprintf(d->name, sizeof d->name, "%s", name);
  return d;
}

int main(void) {
  prices market = prices_create(NULL);
  lido_pool *displays = lido_pool_create(
      &(lido_pool_options){.name = "display", .object_size = sizeof(struct display), .flags = LIDO_POOL_HANDLES});
  int counts[2] = {0};
  int *own_count = calloc(1, sizeof *own_count);
  if (!prices_exists(market) || displays == NULL || own_count == NULL) return 1;

  struct display *hall = make_display(displays, "hall");
  struct display *office = make_display(displays, "office");
  struct display *window = make_display(displays, "window");
  lido_subscription in_office = display_subscribe(market, office, own_count);
  if (in_office.bits == 0 || display_subscribe(market, hall, &counts[0]).bits == 0 ||
      display_subscribe(market, window, &counts[1]).bits == 0) {
    return 1;
  }

  if (prices_next(market, &(struct price){"bread", 250}) != 3) return 1;
  lido_release(window); /* nobody else has one: it is gone, and not called any more */
  if (prices_next(market, &(struct price){"milk", 120}) != 2) return 1;

  if (lido_unsubscribe_sync(in_office, UINT64_MAX) != 0) return 1;
  free(own_count); /* no call of that subscription is running, on whatever thread, nor will one */
  if (prices_next(market, &(struct price){"tea", 300}) != 1) return 1;

  if (prices_complete(market) != 1) return 1; /* the last word */
  prices_destroy(market);
  lido_release(hall);
  lido_release(office);
  lido_pool_destroy(displays);
  return counts[0] == 3 && counts[1] == 1 ? 0 : 1;
}
