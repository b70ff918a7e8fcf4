/* peers/gslice.h: GLib's slice allocator, as it was until GLib 2.76 made it a name for malloc. */
#include <glib.h>
#include <stdio.h>

#define PEER_NAME "gslice"
#define PEER_ALLOC() g_slice_alloc(MICRO_OBJECT)
#define PEER_FREE(object) g_slice_free1(MICRO_OBJECT, object)

static void peer_begin(void) {
  if (glib_major_version == 2 && glib_minor_version >= 76) bench_die("this GLib has no slice allocator any more");
  if (g_getenv("G_SLICE") != NULL) bench_die("G_SLICE is set: not the allocator that people get");
  char version[32];
  snprintf(version, sizeof version, "%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
  bench_fact("serving", "g_slice_alloc");
  bench_fact("version", version);
}
