/* pprof_text.h: bytes as UTF-8, which texts of protocol buffers must be; names of pools and paths may be anything.
 *
 * Each byte that is part of no character becomes U+FFFD and its two hexadecimal digits, and so do those of U+FFFD
 * itself: names that differ stay different (lido/inline/utf8_inline.h).
 * Threads: any. Failure: none; what there is no room for is cut off, between two characters.
 */
#ifndef LIDO_ADAPTERS_PPROF_PPROF_TEXT_H
#define LIDO_ADAPTERS_PPROF_PPROF_TEXT_H

#include <stddef.h>

/* -> bytes written to `out`, less than `room`; there is a zero behind them. */
size_t lido_pprof_text(const char *text, char *out, size_t room);

#endif
