/* valid_text.h: bytes as UTF-8, which texts of protocol buffers must be; names of pools and paths may be anything.
 *
 * Method: the table of well-formed byte sequences in the Unicode standard (3-7). Each byte that is in none becomes '?'.
 * Threads: any. Failure: none; what there is no room for is cut off, between two characters.
 */
#ifndef LIDO_ADAPTERS_PPROF_VALID_TEXT_H
#define LIDO_ADAPTERS_PPROF_VALID_TEXT_H

#include <stddef.h>

/* -> bytes written to `out`, less than `room`; there is a zero behind them. */
size_t valid_text(const char *text, char *out, size_t room);

#endif
