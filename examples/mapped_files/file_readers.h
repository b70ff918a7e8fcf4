/* file_readers.h: threads that open files of a list through one cache, and compare what they read there with what
 * read(2) says.
 *
 * Some files are asked for more often than others. Each thread holds the last few it has opened, so that others find
 * them although nobody keeps them.
 */
#ifndef LIDO_EXAMPLES_FILE_READERS_H
#define LIDO_EXAMPLES_FILE_READERS_H

#include "examples/mapped_files/file_list.h"
#include "examples/mapped_files/mapped_files.h"

enum { READERS_MOST = 1024, READER_ERRORS = 256 };

/* X(name, unit, text) */
#define READER_FIGURES(X)                                                        \
  X(opened, files, "files opened")                                               \
  X(refused, files, "files that could not be opened")                            \
  X(bytes, bytes, "bytes that were the same in the mapping and by read(2)")      \
  X(changed, files, "files that somebody changed between the two: not compared") \
  X(different, files, "files that were not the same, though nobody changed them: a mistake")

#define READER_FIGURE_FIELD(name, unit, text) uint64_t name;
struct reader_figures {
  READER_FIGURES(READER_FIGURE_FIELD)
  uint64_t errors[READER_ERRORS]; /* of refused files, by errno */
};
#undef READER_FIGURE_FIELD

/* Run so many threads for so long. pre: the list is not empty. 0, or an errno value: not all threads could be made, and
 * nothing was read. */
int file_readers_run(struct mapped_files *files, const struct file_list *list, size_t threads, uint64_t nanoseconds,
                     struct reader_figures *sum);

#endif
