/* file_list.h: the regular files below some folders. */
#ifndef LIDO_EXAMPLES_FILE_LIST_H
#define LIDO_EXAMPLES_FILE_LIST_H

#include <lido/lido.h>

enum { FILE_LIST_MOST = 1000000 }; /* files; what is beyond is not listed */

struct file_list {
  const char **paths;
  size_t count;
  size_t unreadable; /* folders */
  size_t room;
  lido_arena *texts;
};

/* NULL: ENOMEM. */
struct file_list *file_list_create(void);
void file_list_destroy(struct file_list *list);

/* `path` itself, if it is a regular file, or those below it; links are not followed, but `path` may be one. 0, or an
 * errno value: `path` can't be had, or ENOMEM. */
int file_list_add(struct file_list *list, const char *path);

#endif
