/* checked_copy.c: see checked_copy.h. */
#include "examples/mapped_files/checked_copy.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct copy {
  uintptr_t begin; /* whole pages: some faults name only their page */
  uintptr_t end;
  struct copy *outer;
  sigjmp_buf back;
};

/* Initial-exec: in a handler nothing may be allocated for it. */
static _Thread_local struct copy *volatile present __attribute__((tls_model("initial-exec")));
static struct sigaction before;
static uintptr_t page_bytes;

/* ---- The handler ---- */

/* From the kernel, for what this thread is just doing: neither sent by anybody, nor news of memory that has gone bad
 * elsewhere. */
static bool is_fault(const siginfo_t *info) { return info->si_code > 0 && info->si_code != BUS_MCEERR_AO; }

static void call_before(int number, siginfo_t *info, void *context) {
  sigset_t blocked = before.sa_mask;
  sigset_t saved;
  if ((before.sa_flags & SA_NODEFER) == 0) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, &saved);
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(number, info, context);
  } else {
    before.sa_handler(number);
  }
  pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

static void act_by_default(int number, const siginfo_t *info) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigaction(number, &action, NULL);
  if (!is_fault(info)) raise(number); /* a fault comes again by itself, at its own place */
}

static void pass_on(int number, siginfo_t *info, void *context) {
  bool has_handler =
      (before.sa_flags & SA_SIGINFO) != 0 || (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN);
  if (has_handler) {
    call_before(number, info, context);
  } else if (before.sa_handler == SIG_DFL || is_fault(info)) { /* a fault can't be ignored */
    act_by_default(number, info);
  }
}

/* What was blocked when the copy was interrupted is blocked again: whoever runs handlers for us, as sanitizers do, may
 * have blocked more. */
static void leave(struct copy *copy, const ucontext_t *context) {
  pthread_sigmask(SIG_SETMASK, &context->uc_sigmask, NULL);
  siglongjmp(copy->back, 1);
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  struct copy *copy = present;
  uintptr_t address = (uintptr_t)info->si_addr;
  if (copy != NULL && is_fault(info) && address >= copy->begin && address < copy->end) leave(copy, context);
  int saved_errno = errno;
  pass_on(number, info, context);
  errno = saved_errno;
}

/* ---- Setup ---- */

static int setup_error;

static void set_up(void) {
  page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  /* Known before the handler can run. */
  if (sigaction(SIGBUS, NULL, &before) != 0 || sigaction(SIGBUS, &action, NULL) != 0) setup_error = errno;
}

int checked_copy_setup(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, set_up);
  return setup_error;
}

/* ---- Copies ---- */

int checked_copy(void *to, const void *from, size_t bytes) {
  uintptr_t address = (uintptr_t)from;
  uintptr_t past_the_end = address + bytes + page_bytes - 1;
  struct copy copy = {
      .begin = address - address % page_bytes, .end = past_the_end - past_the_end % page_bytes, .outer = present};
  if (sigsetjmp(copy.back, 0) != 0) {
    present = copy.outer;
    return EIO;
  }
  present = &copy;
  atomic_signal_fence(memory_order_seq_cst); /* nothing is read before the handler knows of it ... */
  if (bytes != 0) memcpy(to, from, bytes);
  atomic_signal_fence(memory_order_seq_cst); /* ... or after it has forgotten */
  present = copy.outer;
  return 0;
}
