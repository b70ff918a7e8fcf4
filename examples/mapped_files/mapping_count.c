/* mapping_count.c: see mapping_count.h. */
#include "examples/mapped_files/mapping_count.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing before a path has a slash. */
size_t mapping_count(const char *beginning) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return SIZE_MAX;
  size_t count = 0;
  size_t room = 0;
  char *line = NULL;
  while (getline(&line, &room, maps) > 0) {
    const char *path = strchr(line, '/');
    count += path != NULL && strncmp(path, beginning, strlen(beginning)) == 0;
  }
  free(line);
  fclose(maps);
  return count;
}
