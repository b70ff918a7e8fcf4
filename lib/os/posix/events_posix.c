/* events_posix.c: events by eventfd (Linux). */
#include "lib/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/fault.h"

static int make(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int lido_os_event_open(void) {
  if (!lido_fault_here()) return make();
  errno = ENOMEM;
  return -1;
}

void lido_os_event_close(int event) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  close(event);
  lido_os_cancel_restore(state);
  errno = saved_errno;
}

void lido_os_event_raise(int event) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  ssize_t written = eventfd_write(event, 1); /* refused when the counter is full: then it is raised */
  (void)written;
  lido_os_cancel_restore(state);
  errno = saved_errno;
}

void lido_os_event_lower(int event) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  eventfd_t count = 0;
  ssize_t got = eventfd_read(event, &count); /* refused when it is lowered */
  (void)got;
  lido_os_cancel_restore(state);
  errno = saved_errno;
}

bool lido_os_event_renew(int event) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  int fresh = make();
  bool renewed = fresh >= 0 && dup2(fresh, event) == event && fcntl(event, F_SETFD, FD_CLOEXEC) == 0;
  if (fresh >= 0) close(fresh);
  lido_os_cancel_restore(state);
  errno = saved_errno;
  return renewed;
}
