/* malloc_owner.h: who serves this program's malloc? */
#ifndef LIDO_TESTS_MALLOC_OWNER_H
#define LIDO_TESTS_MALLOC_OWNER_H

#ifdef __cplusplus
extern "C" {
#endif

/* Is mimalloc in this process? */
int mimalloc_is_loaded(void);

/* Does this block come from mimalloc? */
int block_is_mimallocs(const void *block);

/* The number of functions of the malloc family that mimalloc serves; each is named on standard error. */
int count_taken_over(void);

#ifdef __cplusplus
}
#endif

#endif
