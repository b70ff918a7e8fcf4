/* observers_in_cxx.cpp: the typed twins of lido/observers.h in C++. */
#include "tests/unit/observers_in_cxx.h"

#include <cerrno>
#include <new>

namespace {

struct price {
  int cents;
};

struct display {
  int cents = 0;
  int error = 0;
};

LIDO_SUBJECT_DEFINE(prices, price)

void display_next(display *d, const price *p, void *) { d->cents = p->cents; }
void display_error(display *d, int error, void *) { d->error = error; }
void display_complete(display *, void *) {}

LIDO_OBSERVER_DEFINE(prices, display, display)

} // namespace

int cxx_observe(lido_pool *listeners) {
  prices subject = prices_create(nullptr);
  display *d = new (lido_pool_alloc(listeners)) display;
  const price bread = {250};
  if (!prices_exists(subject)) return __LINE__;
  if (display_subscribe(subject, d, nullptr).bits == 0) return __LINE__;
  if (prices_next(subject, &bread) != 1 || d->cents != 250) return __LINE__;
  if (prices_error(subject, EIO) != 1 || d->error != EIO) return __LINE__;
  if (prices_complete(subject) != 0) return __LINE__;
  prices_destroy(prices_typed(prices_untyped(subject)));
  lido_release(d);
  return 0;
}
