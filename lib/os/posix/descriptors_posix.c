/* descriptors_posix.c: writing to descriptors of the program's. */
#include "lib/os/os.h"

#include <errno.h>
#include <unistd.h>

static int write_all(int descriptor, const char *bytes, size_t count) {
  while (count != 0) {
    ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO; /* who takes nothing would be asked for ever */
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

int lido_os_write_all(int descriptor, const void *bytes, size_t count) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  int error = write_all(descriptor, bytes, count);
  lido_os_cancel_restore(state);
  errno = saved_errno;
  return error;
}
