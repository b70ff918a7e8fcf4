/* mapping_count.h: what /proc/self/maps says of files. */
#ifndef LIDO_EXAMPLES_MAPPING_COUNT_H
#define LIDO_EXAMPLES_MAPPING_COUNT_H

#include <stddef.h>

/* How many mappings of this process are of files whose absolute path begins so ("/": all of files). SIZE_MAX: /proc
 * can't be read. Adjacent parts of one file with different rights count each. */
size_t mapping_count(const char *beginning);

#endif
