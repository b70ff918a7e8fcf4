/* peers/arena_obstack.h: obstacks of the C library, with the chunks they have by default (4 KiB) and with ones that
 * hold a request. Aligned to 16 like everybody else. */
#include <gnu/libc-version.h>
#include <obstack.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

#define PEER_NAME "obstack"

enum { OBSTACK_WIDE = 64 << 10 };

static struct obstack obstack_plain, obstack_broad;
static void *obstack_plain_first, *obstack_broad_first;

#define SUBJECT obstack
#define SUBJECT_BEGIN
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) obstack_alloc(&obstack_plain, (int)(bytes))
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) obstack_free(&obstack_plain, obstack_plain_first)
#include "arena_loops.h"

#define SUBJECT obstack_wide
#define SUBJECT_BEGIN
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) obstack_alloc(&obstack_broad, (int)(bytes))
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) obstack_free(&obstack_broad, obstack_broad_first)
#include "arena_loops.h"

#define PEER_SUBJECTS ARENA_SUBJECT(obstack), ARENA_SUBJECT(obstack_wide)

static void peer_begin(void) {
  obstack_specify_allocation(&obstack_plain, 0, 16, obstack_chunk_alloc, obstack_chunk_free);
  obstack_specify_allocation(&obstack_broad, OBSTACK_WIDE, 16, obstack_chunk_alloc, obstack_chunk_free);
  obstack_plain_first = obstack_alloc(&obstack_plain, 0);
  obstack_broad_first = obstack_alloc(&obstack_broad, 0);
  bench_fact("serving", "obstack_alloc");
  bench_fact("version", gnu_get_libc_version());
}
