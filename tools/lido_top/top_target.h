/* top_target.h: which socket is meant. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_TARGET_H
#define LIDO_TOOLS_LIDO_TOP_TOP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TARGET_PATH_ROOM = 256 };

struct top_target {
  bool is_found_anew; /* none was named: whenever it is gone, any single one will do */
  char path[TARGET_PATH_ROOM];
};

/* `name`: a PID, a path or NULL. false: none, or more than one; a line, or a list of them, has been written to
 * `complaints`, if that is not NULL. */
bool target_find(struct top_target *target, const char *name, FILE *complaints);

#endif
