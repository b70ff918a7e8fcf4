/* clock_posix.c: clocks, and chance. */
#include "lib/os/os.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static uint64_t nanoseconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t lido_os_now_ns(void) { return nanoseconds_of(CLOCK_MONOTONIC); }

#ifdef CLOCK_MONOTONIC_COARSE
uint64_t lido_os_tick_ns(void) { return nanoseconds_of(CLOCK_MONOTONIC_COARSE); }
#else
uint64_t lido_os_tick_ns(void) { return lido_os_now_ns(); }
#endif

uint64_t lido_os_wall_ns(void) { return nanoseconds_of(CLOCK_REALTIME); }

uint64_t lido_os_random(void) {
  uint64_t bits = 0;
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
    bits = lido_os_now_ns() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(uintptr_t)&bits;
  }
  lido_os_cancel_restore(state);
  errno = saved_errno;
  return bits;
}
