/* peers/arena_mimalloc.h: mimalloc, piece by piece, and a heap for each request. */
#include "peers/mimalloc.h"

#define SUBJECT mimalloc
#define SUBJECT_BEGIN
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) mi_malloc(bytes)
#define SUBJECT_KEEP(index, piece) arena_kept[index] = (piece)
#define SUBJECT_CLOSE(count) \
  for (size_t i = 0; i < (count); i++) mi_free(arena_kept[i])
#include "arena_loops.h"

#define SUBJECT mimalloc_heap
#define SUBJECT_BEGIN
#define SUBJECT_OPEN mi_heap_t *heap = mi_heap_new();
#define SUBJECT_ALLOC(bytes) mi_heap_malloc(heap, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) mi_heap_destroy(heap)
#include "arena_loops.h"

#define PEER_SUBJECTS ARENA_SUBJECT(mimalloc), ARENA_SUBJECT(mimalloc_heap)
