/* file_list.c: see file_list.h. */
#include "examples/mapped_files/file_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct file_list *file_list_create(void) {
  struct file_list *list = calloc(1, sizeof *list);
  if (list == NULL) return NULL;
  list->texts = lido_arena_create(&(lido_arena_options){.name = "paths"});
  if (list->texts != NULL) return list;
  free(list);
  return NULL;
}

void file_list_destroy(struct file_list *list) {
  lido_arena_destroy(list->texts);
  free(list->paths);
  free(list);
}

static int append(struct file_list *list, const char *path) {
  if (list->count == FILE_LIST_MOST) return 0;
  if (list->count == list->room) {
    size_t room = list->room == 0 ? 1024 : 2 * list->room;
    const char **paths = realloc(list->paths, room * sizeof *paths);
    if (paths == NULL) return ENOMEM;
    list->paths = paths;
    list->room = room;
  }
  list->paths[list->count++] = path;
  return 0;
}

static int add_folder(struct file_list *list, const char *path);

/* What has vanished meanwhile is not there. */
static int add_entry(struct file_list *list, const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) return 0;
  if (S_ISREG(status.st_mode)) return append(list, path);
  if (!S_ISDIR(status.st_mode)) return 0;
  int error = add_folder(list, path);
  if (error == 0 || error == ENOMEM) return error;
  list->unreadable++;
  return 0;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static int add_folder(struct file_list *list, const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return errno;
  int error = 0;
  for (struct dirent *entry; error == 0 && (entry = readdir(folder)) != NULL;) {
    if (is_dots(entry->d_name)) continue;
    const char *inside = lido_arena_printf(list->texts, "%s/%s", path, entry->d_name);
    error = inside != NULL ? add_entry(list, inside) : ENOMEM;
  }
  closedir(folder);
  return error;
}

int file_list_add(struct file_list *list, const char *path) {
  struct stat status;
  const char *copy = lido_arena_printf(list->texts, "%s", path);
  if (copy == NULL) return ENOMEM;
  if (stat(path, &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return add_folder(list, copy);
  return S_ISREG(status.st_mode) ? append(list, copy) : ENOTSUP;
}
