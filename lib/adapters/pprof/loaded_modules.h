/* loaded_modules.h: the files that this process has mapped as code: the program, its libraries, and where they lie.
 *
 * Method: dl_iterate_phdr, which knows the program headers, and so the build id, without a file being read. The program
 * comes first.
 * Not done: /proc/self/maps, which has code that no loader knows (of a JIT); pprof could do nothing with it.
 * Threads: any; a copy of one moment. A library that was unloaded since a stack was taken is not in it. Failure:
 * ENOMEM.
 */
#ifndef LIDO_ADAPTERS_PPROF_LOADED_MODULES_H
#define LIDO_ADAPTERS_PPROF_LOADED_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUILD_ID_BYTES_MAX = 64 };

typedef struct loaded_module {
  uint64_t start; /* address, of a page */
  uint64_t limit;
  uint64_t offset;                           /* in the file, of a page */
  char *path;                                /* own */
  char build_id[2 * BUILD_ID_BYTES_MAX + 1]; /* hexadecimal; "" = it has none */
} loaded_module;

typedef struct loaded_modules {
  loaded_module *list;
  size_t count;
} loaded_modules;

/* 0 or ENOMEM; then there is nothing to end. */
int lido_loaded_modules_begin(loaded_modules *modules);
void lido_loaded_modules_end(loaded_modules *modules);

/* The index of the one with that address, or `count`. O(modules). */
size_t lido_loaded_modules_find(const loaded_modules *modules, uint64_t address);

#endif
