/* gzip_stream.c: see gzip_stream.h. */
#include "lib/adapters/pprof/gzip_stream.h"

#include <errno.h>
#include <string.h>

enum { WINDOW_BITS = 15, AS_GZIP = 16, MEMORY_LEVEL = 8 };

int lido_gzip_stream_begin(gzip_stream *stream, lido_pprof_sink sink, void *context) {
  memset(&stream->deflate, 0, sizeof stream->deflate);
  stream->sink = sink;
  stream->context = context;
  stream->error = 0;
  stream->waiting = 0;
  int status = deflateInit2(&stream->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + AS_GZIP, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY);
  return status == Z_OK ? 0 : ENOMEM;
}

/* Compress what waits; `flush` is zlib's. */
static void compress_waiting(gzip_stream *stream, int flush) {
  stream->deflate.next_in = stream->in;
  stream->deflate.avail_in = (uInt)stream->waiting;
  stream->waiting = 0;
  do {
    stream->deflate.next_out = stream->out;
    stream->deflate.avail_out = sizeof stream->out;
    deflate(&stream->deflate, flush); /* can't fail: the stream is sound, and there is room */
    size_t made = sizeof stream->out - stream->deflate.avail_out;
    if (made != 0) stream->error = stream->sink(stream->out, made, stream->context);
  } while (stream->error == 0 && stream->deflate.avail_out == 0);
}

void lido_gzip_stream_write(gzip_stream *stream, const void *bytes, size_t count) {
  const unsigned char *from = bytes;
  while (count != 0 && stream->error == 0) {
    size_t room = sizeof stream->in - stream->waiting;
    size_t part = count < room ? count : room;
    memcpy(stream->in + stream->waiting, from, part);
    stream->waiting += part;
    from += part;
    count -= part;
    if (stream->waiting == sizeof stream->in) compress_waiting(stream, Z_NO_FLUSH);
  }
}

int lido_gzip_stream_end(gzip_stream *stream) {
  if (stream->error == 0) compress_waiting(stream, Z_FINISH);
  deflateEnd(&stream->deflate);
  return stream->error;
}
