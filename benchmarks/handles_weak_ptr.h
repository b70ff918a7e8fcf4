/* handles_weak_ptr.h: the peer in C++. */
#ifndef LIDO_BENCHMARKS_HANDLES_WEAK_PTR_H
#define LIDO_BENCHMARKS_HANDLES_WEAK_PTR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void weak_ptr_begin(void);
void weak_ptr_acquire(size_t count);

#ifdef __cplusplus
}
#endif

#endif
