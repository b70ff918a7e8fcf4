/* backing_mimalloc.h: regions and chunks from mimalloc.
 *
 * Debian's mimalloc 2.0.9 decides three things here. mi_malloc_aligned() returns misaligned blocks
 * for some small sizes, mi_malloc_aligned_at(…, 0) does not. Blocks of 16 MiB aligned to themselves
 * cost next to nothing beyond themselves, smaller ones up to twice their size. Freed memory stays
 * until mi_collect().
 */
#ifndef LIDO_LIB_MEM_BACKING_MIMALLOC_H
#define LIDO_LIB_MEM_BACKING_MIMALLOC_H

#include <stddef.h>

void *lido_mimalloc_allocate(size_t bytes, size_t align, void *context);
void lido_mimalloc_release(void *block, size_t bytes, void *context);
void lido_mimalloc_collect(void *context);

#endif
