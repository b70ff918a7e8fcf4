/* peers/arena_malloc.h: malloc and free of each piece. Who serves malloc is MALLOC_FILE's to check, one of the files
 * beside this one. */
#include <stdlib.h>

#include MALLOC_FILE

#define SUBJECT MALLOC_SUBJECT
#define SUBJECT_BEGIN
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) malloc(bytes)
#define SUBJECT_KEEP(index, piece) arena_kept[index] = (piece)
#define SUBJECT_CLOSE(count) \
  for (size_t i = 0; i < (count); i++) free(arena_kept[i])
#include "arena_loops.h"

#define PEER_SUBJECTS ARENA_SUBJECT_OF(MALLOC_SUBJECT)
#define ARENA_SUBJECT_OF(name) ARENA_SUBJECT(name)
