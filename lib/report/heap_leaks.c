/* heap_leaks.c: what is live, for people.
 *
 * First the pools, whose numbers are exact and need no profile; then the stacks, as far as there are samples, most
 * bytes first. A report needs memory for the copies only, and no stdio.
 * Threads: any. Of two reports at once to one descriptor the lines may mix.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/atomic.h"
#include "lib/control/heap_sites.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"
#include "lib/report/name_text.h"

/* ---- Words ---- */

static void put_number(lido_text_out *out, uint64_t number, const char *what) {
  char room[LIDO_NUMBER_ROOM];
  lido_text_put(out, room, lido_number_write(room, number));
  lido_text(out, what);
}

static void put_name(lido_text_out *out, const char *kind, const char *name) {
  lido_text(out, kind);
  lido_text(out, " '");
  lido_name_put_visible(out, name);
  lido_text(out, "': ");
}

/* ---- Pools ---- */

static int more_bytes_first(const void *a, const void *b) {
  uint64_t left = ((const lido_pool_use *)a)->bytes_live;
  uint64_t right = ((const lido_pool_use *)b)->bytes_live;
  return (left < right) - (left > right);
}

static void put_pools(lido_text_out *out, lido_pool_uses *pools) {
  size_t live = 0;
  for (size_t i = 0; i < pools->count; i++) live += pools->items[i].live != 0;
  lido_text(out, "lido: live objects in ");
  put_number(out, live, " of ");
  put_number(out, pools->count, " pools\n");
  if (pools->count != 0) qsort(pools->items, pools->count, sizeof *pools->items, more_bytes_first);
  for (size_t i = 0; i < live; i++) {
    const lido_pool_use *use = &pools->items[i];
    put_name(out, "  pool", use->name);
    put_number(out, use->live, " objects, ");
    put_number(out, use->bytes_live, " bytes\n");
  }
}

/* ---- Stacks ---- */

static int larger_first(const void *a, const void *b) {
  double left = (*(lido_heap_record *const *)a)->live_bytes;
  double right = (*(lido_heap_record *const *)b)->live_bytes;
  return (left < right) - (left > right);
}

static void put_frame(lido_text_out *out, const void *frame) {
  char text[512];
  int bytes = snprintf(text, sizeof text, "    %p ", frame);
  lido_text_put(out, text, (size_t)bytes);
  /* A return address may be the start of the next function. */
  lido_os_symbol((const char *)frame - 1, text, sizeof text);
  lido_text(out, text);
  lido_text(out, "\n");
}

static void put_stack(lido_text_out *out, const lido_heap_record *record) {
  lido_heap_site site = lido_heap_site_of(record);
  put_name(out, site.kind, site.name);
  lido_text(out, "about ");
  put_number(out, site.live_objects, " objects, ");
  put_number(out, site.live_bytes, " bytes, by ");
  put_number(out, record->live, " samples, from\n");
  for (size_t i = 0; i < site.frame_count; i++) put_frame(out, site.frames[i]);
  if (site.frame_count == 0) lido_text(out, "    unknown stacks\n");
}

static void put_stacks(lido_text_out *out, lido_heap_record **order, const lido_heap_records *records) {
  size_t count = 0;
  for (size_t i = 0; i < records->count; i++) {
    if (records->items[i].live != 0) order[count++] = &records->items[i];
  }
  if (count == 0) return;
  qsort(order, count, sizeof(lido_heap_record *), larger_first);
  lido_text(out, "lido: live memory by ");
  put_number(out, count, " stacks\n");
  for (size_t i = 0; i < count; i++) put_stack(out, order[i]);
}

static int put_all(lido_heap_sites *sites, int fd) {
  lido_text_out out;
  size_t bytes = (sites->records.count + 1) * sizeof(lido_heap_record *);
  lido_heap_record **order = lido_metadata_take(lido_metadata_system(), bytes);
  if (order == NULL) return ENOMEM;
  lido_text_begin(&out, lido_text_to_descriptor, &fd);
  put_pools(&out, &sites->pools);
  put_stacks(&out, order, &sites->records);
  lido_metadata_free(lido_metadata_system(), order, bytes);
  return lido_text_end(&out);
}

int lido_heap_leaks_write(int fd) {
  int saved_errno = errno;
  lido_heap_sites sites;
  lido_heap_profile_nudge();
  int error = lido_heap_sites_copy(&sites);
  if (error == 0) {
    error = put_all(&sites, fd);
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
