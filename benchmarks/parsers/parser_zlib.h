/* parsers/parser_zlib.h: pages of a file compressed and expanded again, each with streams of its own, as a server does
 * for its answers and requests. zlib never resizes: pieces need no header. */
#define MEMORY_CHUNK (512 << 10) /* both streams of a page need some 310 KiB */

#include <zlib.h>

#include "parser_memory.h"

#define JOB_ROW "zlib"

enum { ZLIB_PAGE = 8 << 10 };

static void *hook_alloc(void *opaque, unsigned count, unsigned bytes) {
  (void)opaque;
  return memory_alloc_plain((size_t)count * bytes);
}

static void hook_free(void *opaque, void *piece) {
  (void)opaque;
  memory_free_plain(piece);
}

/* -> bytes of `to` that were written. */
static size_t deflate_page(const char *from, size_t length, unsigned char *to, size_t room) {
  z_stream stream = {.zalloc = hook_alloc, .zfree = hook_free};
  if (deflateInit(&stream, Z_DEFAULT_COMPRESSION) != Z_OK) bench_die("deflateInit failed");
  stream.next_in = (z_const Bytef *)from;
  stream.avail_in = (unsigned)length;
  stream.next_out = to;
  stream.avail_out = (unsigned)room;
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) bench_die("deflate failed");
  if (!MEMORY_FORGETS) deflateEnd(&stream);
  return stream.total_out;
}

static void inflate_page(const unsigned char *from, size_t length, char *to, size_t room) {
  z_stream stream = {.zalloc = hook_alloc, .zfree = hook_free};
  if (inflateInit(&stream) != Z_OK) bench_die("inflateInit failed");
  stream.next_in = (z_const Bytef *)from;
  stream.avail_in = (unsigned)length;
  stream.next_out = (unsigned char *)to;
  stream.avail_out = (unsigned)room;
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END) bench_die("inflate failed");
  if (!MEMORY_FORGETS) inflateEnd(&stream);
}

/* One page after another, from call to call. */
static uint64_t job_document(const char *data, size_t length, bool checked) {
  static unsigned char small[2 * ZLIB_PAGE];
  static char back[ZLIB_PAGE];
  static size_t page;
  size_t pages = (length + ZLIB_PAGE - 1) / ZLIB_PAGE, at = page++ % pages * ZLIB_PAGE;
  size_t bytes = length - at < ZLIB_PAGE ? length - at : ZLIB_PAGE;
  size_t packed = deflate_page(data + at, bytes, small, sizeof small);
  inflate_page(small, packed, back, bytes);
  if (checked && memcmp(data + at, back, bytes) != 0) bench_die("what came back is not what went in");
  return checked ? crc32(0, small, (unsigned)packed) : 0;
}
