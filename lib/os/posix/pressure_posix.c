/* pressure_posix.c: how the system's memory is, as Linux tells it: by cgroup v2, where the process's or one above it
 * has a limit, else by /proc.
 *
 * memory.pressure and /proc/pressure/memory have a line "some avg10=1.23 avg60=... total=...": the share of the last
 * ten seconds, in percent, in which at least one thread waited for memory.
 */
#include "lib/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 2048, PATH_BYTES = 512 };

#define CGROUP_ROOT "/sys/fs/cgroup"

/* The beginning of a file, with a zero at its end. */
static bool read_text(const char *path, char *text) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t bytes = read(file, text, TEXT_BYTES - 1);
  close(file);
  if (bytes < 0) return false;
  text[bytes] = '\0';
  return true;
}

/* What stands behind `label`, or NULL. */
static const char *behind(const char *text, const char *label) {
  const char *found = strstr(text, label);
  return found != NULL ? found + strlen(label) : NULL;
}

/* A number of bytes, or what `most` of memory.max stands for: none. */
static bool read_bytes(const char *folder, const char *name, uint64_t *bytes) {
  char path[PATH_BYTES];
  char text[TEXT_BYTES];
  if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path || !read_text(path, text)) return false;
  char *end = NULL;
  *bytes = strtoull(text, &end, 10);
  return end != text;
}

/* A percentage with a point and two digits, whatever the locale says of points. */
static bool read_stalled(const char *path, double *stalled) {
  char text[TEXT_BYTES];
  const char *percent = read_text(path, text) ? behind(text, "some avg10=") : NULL;
  unsigned whole = 0;
  unsigned hundredths = 0;
  if (percent == NULL || sscanf(percent, "%3u.%2u", &whole, &hundredths) != 2) return false;
  if (*percent == '+' || *percent == ' ' || whole > 100) return false;
  *stalled = (100.0 * whole + hundredths) / 10000;
  return *stalled <= 1;
}

/* The process's own cgroup below the root of cgroup v2. */
static bool own_cgroup(const char *root, char *folder) {
  char path[PATH_BYTES];
  char text[TEXT_BYTES];
  if ((size_t)snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= sizeof path || !read_text(path, text))
    return false;
  const char *own = strncmp(text, "0::", 3) == 0 ? text + 3 : behind(text, "\n0::");
  if (own == NULL) return false;
  int length = (int)strcspn(own, "\n");
  return (size_t)snprintf(folder, PATH_BYTES, "%s%s%.*s", root, CGROUP_ROOT, length, own) < PATH_BYTES;
}

/* The lower of memory.high and memory.max, if there is one. */
static bool read_limit(const char *folder, uint64_t *limit) {
  uint64_t high = 0;
  bool has_most = read_bytes(folder, "memory.max", limit);
  if (!read_bytes(folder, "memory.high", &high)) return has_most;
  if (!has_most || high < *limit) *limit = high;
  return true;
}

/* Without the pages of files that nobody has used lately: the system takes these back when it likes, and MemAvailable
 * leaves them out as well. */
static bool read_used(const char *folder, uint64_t *used) {
  char path[PATH_BYTES];
  char text[TEXT_BYTES];
  if (!read_bytes(folder, "memory.current", used)) return false;
  if ((size_t)snprintf(path, sizeof path, "%s/memory.stat", folder) >= sizeof path || !read_text(path, text))
    return true;
  const char *number = behind(text, "\ninactive_file ");
  uint64_t idle = number != NULL ? strtoull(number, NULL, 10) : 0;
  *used -= idle < *used ? idle : *used;
  return true;
}

static double fill_of(const lido_os_memory *memory) { return (double)memory->bytes / (double)memory->bytes_most; }

/* Take a cgroup's numbers if it has a limit and is fuller than what was found so far. */
static void consider(const char *folder, lido_os_memory *fullest) {
  lido_os_memory memory = {0};
  if (!read_limit(folder, &memory.bytes_most) || !read_used(folder, &memory.bytes)) return;
  if (memory.bytes_most == 0) memory.bytes_most = 1; /* nothing may be used: it is as full as can be */
  if (fullest->bytes_most != 0 && fill_of(&memory) <= fill_of(fullest)) return;
  fullest->bytes = memory.bytes;
  fullest->bytes_most = memory.bytes_most;
}

/* Of the process's cgroup and those above it the fullest with a limit; the wait is that of its own. */
static bool read_cgroup(const char *root, lido_os_memory *out) {
  char folder[PATH_BYTES];
  char pressure[PATH_BYTES];
  if (!own_cgroup(root, folder)) return false;
  if ((size_t)snprintf(pressure, sizeof pressure, "%s/memory.pressure", folder) >= sizeof pressure) return false;
  size_t top = strlen(root) + strlen(CGROUP_ROOT);
  while (strlen(folder) > top) {
    consider(folder, out);
    *strrchr(folder, '/') = '\0';
  }
  if (out->bytes_most != 0) out->knows_stalled = read_stalled(pressure, &out->stalled);
  return out->bytes_most != 0;
}

static bool kibibytes(const char *text, const char *label, uint64_t *bytes) {
  const char *number = behind(text, label);
  if (number == NULL) return false;
  *bytes = 1024 * strtoull(number, NULL, 10);
  return true;
}

static bool read_machine(const char *root, lido_os_memory *out) {
  char path[PATH_BYTES];
  char text[TEXT_BYTES];
  uint64_t free_bytes = 0;
  *out = (lido_os_memory){0};
  if ((size_t)snprintf(path, sizeof path, "%s/proc/meminfo", root) >= sizeof path || !read_text(path, text))
    return false;
  if (!kibibytes(text, "MemTotal:", &out->bytes_most) || !kibibytes(text, "MemAvailable:", &free_bytes)) return false;
  out->bytes = out->bytes_most > free_bytes ? out->bytes_most - free_bytes : 0;
  return true;
}

static int read_memory(const char *root, lido_os_memory *out) {
  char path[PATH_BYTES];
  *out = (lido_os_memory){0};
  bool known = read_cgroup(root, out) || read_machine(root, out);
  if (!out->knows_stalled && (size_t)snprintf(path, sizeof path, "%s/proc/pressure/memory", root) < sizeof path) {
    out->knows_stalled = read_stalled(path, &out->stalled);
  }
  return known || out->knows_stalled ? 0 : ENOTSUP;
}

int lido_os_memory_read(const char *root, lido_os_memory *out) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  int error = read_memory(root, out);
  lido_os_cancel_restore(state);
  errno = saved_errno;
  return error;
}
