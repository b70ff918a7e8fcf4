/* failing_malloc.h: the program's malloc, which can be told to fail, for parts and the libraries that they stand on.
 * Counts for the calling thread only.
 *
 * Linked into a program it is malloc for all of its libraries (glibc only). Not for builds with a sanitizer.
 */
#ifndef LIDO_TESTS_SUPPORT_FAILING_MALLOC_H
#define LIDO_TESTS_SUPPORT_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Of the next requests the one after `good` fails, and, if `for_ever`, all that follow. */
void failing_malloc_begin(size_t good, bool for_ever);

/* Nothing fails any more. -> was a request refused since? */
bool failing_malloc_end(void);

/* Blocks that this thread has taken and not given back. */
long failing_malloc_live(void);

#endif
