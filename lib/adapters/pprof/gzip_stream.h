/* gzip_stream.h: bytes through zlib, as a gzip file, into a sink.
 *
 * Idea: the first error stays; what is written after it is dropped. So who writes looks once, at the end.
 * Invariants
 *   G1  after an error the sink is not called any more.
 *   G2  gzip_stream_end gives back all that begin took, also after errors.
 * Threads: one at a time. Failure: ENOMEM, or what the sink returned.
 */
#ifndef LIDO_ADAPTERS_PPROF_GZIP_STREAM_H
#define LIDO_ADAPTERS_PPROF_GZIP_STREAM_H

#include <zlib.h>

#include "lido/pprof.h"

enum { GZIP_STREAM_BUFFER = 8192 };

typedef struct gzip_stream {
  z_stream deflate;
  lido_pprof_sink sink;
  void *context;
  int error; /* the first one */
  size_t waiting;
  unsigned char in[GZIP_STREAM_BUFFER]; /* `waiting` bytes: pieces of a few bytes are cheap then */
  unsigned char out[GZIP_STREAM_BUFFER];
} gzip_stream;

/* 0 or ENOMEM; then there is nothing to end. */
int lido_gzip_stream_begin(gzip_stream *stream, lido_pprof_sink sink, void *context);

void lido_gzip_stream_write(gzip_stream *stream, const void *bytes, size_t count);

/* Write what is left. 0, or the first error. */
int lido_gzip_stream_end(gzip_stream *stream);

#endif
