/* lido/misuse.h: what happens when a program breaks a contract that Lido can see.
 *
 * Every misuse that Lido finds ends in one handler. The default prints one line to standard error,
 *
 *     lido: double free in pool 'conn': address 0x7f1c2a000440, object 17
 *
 * and aborts. A handler of the program's own may return: then the call that was misused has no
 * effect and every structure of Lido is as it was.
 */
#ifndef LIDO_MISUSE_H
#define LIDO_MISUSE_H

#include "lido/base.h"

LIDO_BEGIN

/* X(constant, text) for every kind of misuse; the text is what the default handler prints. */
#define LIDO_MISUSE_KINDS(X)                               \
  X(LIDO_MISUSE_DOUBLE_FREE, "double free")                \
  X(LIDO_MISUSE_FOREIGN, "foreign pointer")                \
  X(LIDO_MISUSE_INTERIOR, "interior pointer")              \
  X(LIDO_MISUSE_WRONG_POOL, "wrong pool")                  \
  X(LIDO_MISUSE_WRITE_AFTER_FREE, "write after free")      \
  X(LIDO_MISUSE_OVERFLOW, "write past the end")            \
  X(LIDO_MISUSE_WRONG_THREAD, "wrong thread")              \
  X(LIDO_MISUSE_CORRUPTION, "corrupted state")             \
  X(LIDO_MISUSE_STALE_MARK, "stale mark")                  \
  X(LIDO_MISUSE_RELEASED, "use after release")             \
  X(LIDO_MISUSE_REENTRY, "reset or end inside a clean-up") \
  X(LIDO_MISUSE_DEAD_OBJECT, "use of a dead object")       \
  X(LIDO_MISUSE_OVER_RELEASE, "release too many")          \
  X(LIDO_MISUSE_DYING, "new reference to a dying object")  \
  X(LIDO_MISUSE_NOT_INSIDE, "leave without enter")         \
  X(LIDO_MISUSE_SATURATED, "too many references")          \
  X(LIDO_MISUSE_CYCLE, "cycle of references")

#define LIDO_MISUSE_CONSTANT(constant, text) constant,
typedef enum lido_misuse_kind { LIDO_MISUSE_KINDS(LIDO_MISUSE_CONSTANT) } lido_misuse_kind;
#undef LIDO_MISUSE_CONSTANT

#define LIDO_NO_OBJECT SIZE_MAX

typedef struct lido_misuse {
  lido_misuse_kind kind;
  const char *what;       /* the kind in words: "double free" */
  const char *where;      /* "pool", "arena" or "object pool" */
  const char *pool;       /* name of the pool or arena that was called */
  const char *other_pool; /* wrong pool only: the pool the object belongs to; else NULL */
  const void *address;    /* the pointer as it was passed */
  size_t object;          /* index of the object within its slab, or LIDO_NO_OBJECT; always that in arenas */
  size_t offset;          /* bytes from the object's start to the address; 0 but for interior pointers */
} lido_misuse;

/* Called on the thread that misused, with no lock of Lido held; may call Lido. */
typedef void (*lido_misuse_handler)(const lido_misuse *misuse, void *context);

/* Install a handler for the whole process; NULL restores the default. Any thread; the change is
 * seen by misuses that happen after it. */
LIDO_API void lido_misuse_handler_set(lido_misuse_handler handler, void *context);

/* Write the line of the default handler, without its newline, into `line`; returns its length as
 * snprintf does. For handlers that log elsewhere. */
LIDO_API int lido_misuse_format(const lido_misuse *misuse, char *line, size_t bytes);

LIDO_END

#endif
