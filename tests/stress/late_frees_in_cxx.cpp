// late_frees_in_cxx.cpp: see late_frees.h.
#include "tests/stress/late_frees.h"

#include <vector>

namespace {

struct site {
  lido_pool *pool;
  int *destroyed;
  int *broken;
};

class holder {
 public:
  void hold(const site &where) {
    where_ = where;
    kept_ = take();
  }
  ~holder() {
    if (where_.pool == nullptr) return;
    void *another = take();
    lido_pool_free(where_.pool, kept_);
    lido_pool_free(where_.pool, another);
    ++*where_.destroyed;
  }

 protected:
  void *take() {
    void *object = lido_pool_alloc(where_.pool);
    if (object == nullptr) ++*where_.broken;
    return object;
  }
  site where_{nullptr, nullptr, nullptr};
  void *kept_ = nullptr;
};

// Is made while thread_locals are being destroyed, so that its own destructor comes later still.
thread_local holder made_late;

class maker : public holder {
 public:
  ~maker() {
    if (where_.pool != nullptr) made_late.hold(where_);
  }
};

thread_local holder plain;
thread_local maker making;
thread_local std::vector<holder> chain;

} // namespace

void late_frees_make_thread_locals(lido_pool *pool, int *destroyed, int *broken) {
  site where{pool, destroyed, broken};
  *destroyed = 0;
  plain.hold(where);
  making.hold(where);
  chain = std::vector<holder>(1000);
  for (holder &one : chain) one.hold(where);
}
