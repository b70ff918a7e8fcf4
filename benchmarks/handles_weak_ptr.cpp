// handles_weak_ptr.cpp: std::weak_ptr in the loops of handles_lido.c. libstdc++ leaves its atomics out in a process
// that never started a thread, so the program starts one before.
#include "handles_weak_ptr.h"

#include <memory>

namespace {

struct object {
  unsigned long value = 0;
};

std::shared_ptr<object> kept;
std::weak_ptr<object> weak;

} // namespace

extern "C" void weak_ptr_begin(void) {
  kept = std::make_shared<object>();
  weak = kept;
}

extern "C" void weak_ptr_acquire(size_t count) {
  for (size_t i = 0; i < count; i++) {
    std::shared_ptr<object> held = weak.lock();
    __asm__ volatile("" : : "r"(held.get()) : "memory");
  }
}
