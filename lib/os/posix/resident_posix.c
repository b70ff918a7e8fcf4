/* resident_posix.c: how much memory of the process is resident, from Linux's /proc.
 *
 * The file is opened for each question: kept open, it would tell a forked child of its parent, and a program that
 * closes all descriptors would have us read something else. That costs some five microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/os/os.h"

/* Two numbers of pages: the size and what is resident. */
static uint64_t second_number(char *text) {
  char *rest = NULL;
  strtoull(text, &rest, 10);
  return strtoull(rest, NULL, 10);
}

static uint64_t read_resident_bytes(void) {
  char text[128];
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t bytes = read(file, text, sizeof text - 1);
  close(file);
  if (bytes <= 0) return 0;
  text[bytes] = '\0';
  return second_number(text) * lido_os_page_bytes();
}

uint64_t lido_os_resident_bytes(void) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  uint64_t bytes = read_resident_bytes();
  lido_os_cancel_restore(state);
  errno = saved_errno;
  return bytes;
}
