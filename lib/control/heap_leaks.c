/* heap_leaks.c: what is live, for people.
 *
 * First the pools, whose numbers are exact and need no profile; then the stacks, as far as there are samples, most
 * bytes first. Text is gathered line by line in a small buffer of its own, so that a report needs memory for the copies
 * only, and no stdio.
 * Threads: any. Of two reports at once to one descriptor the lines may mix.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/atomic.h"
#include "lib/control/heap_sites.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

enum { TEXT_BYTES = 4096, LINE_BYTES = 512 };

typedef struct report {
  int fd;
  int error; /* of the first write that failed; then no more is written */
  size_t used;
  char text[TEXT_BYTES];
} report;

/* ---- Writing ---- */

static void write_out(report *r) {
  size_t done = 0;
  while (r->error == 0 && done < r->used) {
    ssize_t written = write(r->fd, r->text + done, r->used - done);
    if (written < 0 && errno != EINTR) r->error = errno;
    if (written > 0) done += (size_t)written;
  }
  r->used = 0;
}

__attribute__((format(printf, 2, 3))) static void say(report *r, const char *format, ...) {
  if (TEXT_BYTES - r->used < LINE_BYTES) write_out(r);
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(r->text + r->used, LINE_BYTES, format, arguments);
  va_end(arguments);
  if (length > 0) r->used += (size_t)length < LINE_BYTES ? (size_t)length : LINE_BYTES - 1;
}

/* A name can't look like another line. */
static const char *printable(const char *name, char text[64]) {
  size_t length = 0;
  for (; length < 63 && name[length] != 0; length++) {
    unsigned char c = (unsigned char)name[length];
    text[length] = (char)(c < ' ' || c == 0x7f ? '?' : name[length]);
  }
  text[length] = 0;
  return text;
}

/* ---- Pools ---- */

static int more_bytes_first(const void *a, const void *b) {
  uint64_t left = ((const lido_pool_use *)a)->bytes_live;
  uint64_t right = ((const lido_pool_use *)b)->bytes_live;
  return (left < right) - (left > right);
}

static void say_pools(report *r, lido_pool_uses *pools) {
  size_t live = 0;
  for (size_t i = 0; i < pools->count; i++) live += pools->items[i].live != 0;
  say(r, "lido: live objects in %zu of %zu pools\n", live, pools->count);
  if (pools->count != 0) qsort(pools->items, pools->count, sizeof *pools->items, more_bytes_first);
  for (size_t i = 0; i < live; i++) {
    char name[64];
    const lido_pool_use *use = &pools->items[i];
    say(r, "  pool '%s': %llu objects, %llu bytes\n", printable(use->name, name), (unsigned long long)use->live,
        (unsigned long long)use->bytes_live);
  }
}

/* ---- Stacks ---- */

static int larger_first(const void *a, const void *b) {
  double left = (*(lido_heap_record *const *)a)->live_bytes;
  double right = (*(lido_heap_record *const *)b)->live_bytes;
  return (left < right) - (left > right);
}

static void say_stack(report *r, const lido_heap_record *record) {
  char name[64];
  lido_heap_site site = lido_heap_site_of(record);
  say(r, "%s '%s': about %llu objects, %llu bytes, by %llu samples, from\n", site.kind, printable(site.name, name),
      (unsigned long long)site.live_objects, (unsigned long long)site.live_bytes, (unsigned long long)record->live);
  for (size_t i = 0; i < site.frame_count; i++) {
    char symbol[384];
    /* A return address may be the start of the next function. */
    lido_os_symbol((const char *)site.frames[i] - 1, symbol, sizeof symbol);
    say(r, "    %p %s\n", site.frames[i], symbol);
  }
  if (site.frame_count == 0) say(r, "    unknown stacks\n");
}

static void say_stacks(report *r, lido_heap_record **order, const lido_heap_records *records) {
  size_t count = 0;
  for (size_t i = 0; i < records->count; i++) {
    if (records->items[i].live != 0) order[count++] = &records->items[i];
  }
  if (count == 0) return;
  qsort(order, count, sizeof(lido_heap_record *), larger_first);
  say(r, "lido: live memory by %zu stacks\n", count);
  for (size_t i = 0; i < count; i++) say_stack(r, order[i]);
}

static int say_all(lido_heap_sites *sites, int fd) {
  report r;
  r.fd = fd;
  r.error = 0;
  r.used = 0;
  size_t bytes = (sites->records.count + 1) * sizeof(lido_heap_record *);
  lido_heap_record **order = lido_metadata_take(lido_metadata_system(), bytes);
  if (order == NULL) return ENOMEM;
  say_pools(&r, &sites->pools);
  say_stacks(&r, order, &sites->records);
  lido_metadata_free(lido_metadata_system(), order, bytes);
  write_out(&r);
  return r.error;
}

int lido_heap_leaks_write(int fd) {
  int saved_errno = errno;
  lido_heap_sites sites;
  int error = lido_heap_sites_copy(&sites);
  if (error == 0) {
    error = say_all(&sites, fd);
    lido_heap_sites_free(&sites);
  }
  errno = saved_errno;
  return error;
}

/* ---- At exit ---- */

static int exit_fd = -1;      /* atomic */
static bool exit_is_arranged; /* atomic */

static void at_exit(void) {
  int fd = lido_load_relaxed(&exit_fd); /* RELAXED: a number of its own */
  if (fd >= 0) lido_heap_leaks_write(fd);
}

int lido_heap_leaks_at_exit(int fd) {
  bool no = false;
  lido_store_relaxed(&exit_fd, fd); /* RELAXED: a number of its own, as is what follows */
  if (fd < 0 || !lido_cas_relaxed(&exit_is_arranged, &no, true)) return 0;
  int saved_errno = errno;
  int error = atexit(at_exit) == 0 ? 0 : ENOMEM;
  if (error != 0) lido_store_relaxed(&exit_is_arranged, false); /* RELAXED: see above */
  errno = saved_errno;
  return error;
}
