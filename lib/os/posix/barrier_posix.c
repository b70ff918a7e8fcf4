/* barrier_posix.c: a barrier in all threads, by Linux's membarrier(2), and small things about threads. */
#define _GNU_SOURCE /* syscall */
#include <sched.h>
#include <unistd.h>

#include "lib/base/assertion.h"
#include "lib/os/os.h"

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>

uint64_t lido_os_thread_number(void) { return (uint64_t)syscall(SYS_gettid); }

bool lido_os_barrier_prepare(void) {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void lido_os_barrier(void) {
  long error = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  LIDO_ASSERT(error == 0); /* it was registered */
  (void)error;
}

#else

uint64_t lido_os_thread_number(void) { return (uint64_t)getpid(); }
bool lido_os_barrier_prepare(void) { return false; }
void lido_os_barrier(void) {}

#endif

void lido_os_yield(void) { sched_yield(); }
