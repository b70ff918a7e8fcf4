/* misuse_report.c: one handler for every misuse.
 *
 * Threads: any. The handler and its context are two words that must change together, so they are read and
 * written under a lock; the handler itself runs without it. A misuse is never on a hot path.
 */
#include "lib/base/misuse_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/lock.h"

static lido_lock handler_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);
static lido_misuse_handler installed_handler;
static void *installed_context;

#define LIDO_MISUSE_TEXT(constant, text) text,
static const char *const texts[] = {LIDO_MISUSE_KINDS(LIDO_MISUSE_TEXT)};
#undef LIDO_MISUSE_TEXT

enum { NAME_BYTES = 64 };

/* The name fits the line, and can't look like another line. */
static const char *printable(const char *name, char *text) {
  size_t length = 0;
  for (; length < NAME_BYTES && name[length] != 0; length++) {
    unsigned char c = (unsigned char)name[length];
    bool is_control = c < ' ' || c == 0x7f;
    text[length] = (char)(is_control ? '?' : name[length]);
  }
  text[length] = 0;
  return text;
}

int lido_misuse_format(const lido_misuse *misuse, char *line, size_t bytes) {
  char text[NAME_BYTES + 1];
  char other_text[NAME_BYTES + 1];
  const char *name = printable(misuse->pool, text);
  if (misuse->where != NULL && strcmp(misuse->where, "pool") != 0) {
    return snprintf(line, bytes, "lido: %s in %s '%s': address %p", misuse->what, misuse->where, name, misuse->address);
  }
  char object[96] = "no object";
  char other[NAME_BYTES + 16] = "";
  if (misuse->object != LIDO_NO_OBJECT) {
    snprintf(object, sizeof object, misuse->offset != 0 ? "object %zu + %zu bytes" : "object %zu", misuse->object,
             misuse->offset);
  }
  if (misuse->other_pool != NULL)
    snprintf(other, sizeof other, " of pool '%s'", printable(misuse->other_pool, other_text));
  return snprintf(line, bytes, "lido: %s in pool '%s': address %p, %s%s", misuse->what, name, misuse->address, object,
                  other);
}

/* One write, so that lines of several threads do not mix. */
static void print_and_abort(const lido_misuse *misuse, void *context) {
  (void)context;
  char line[512];
  int length = lido_misuse_format(misuse, line, sizeof line - 1);
  size_t bytes = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
  line[bytes] = '\n';
  ssize_t written = write(STDERR_FILENO, line, bytes + 1);
  (void)written; /* nobody is left to be told that standard error is closed */
  abort();
}

void lido_misuse_handler_set(lido_misuse_handler handler, void *context) {
  lido_lock_take(&handler_lock);
  installed_handler = handler;
  installed_context = context;
  lido_lock_give(&handler_lock);
}

void lido_misuse_report(lido_misuse misuse) {
  int saved_errno = errno;
  misuse.what = texts[misuse.kind];
  if (misuse.where == NULL) misuse.where = "pool";
  lido_lock_take(&handler_lock);
  lido_misuse_handler handler = installed_handler != NULL ? installed_handler : print_and_abort;
  void *context = installed_context;
  lido_lock_give(&handler_lock);
  handler(&misuse, context);
  errno = saved_errno;
}

void lido_misuse_lock_for_fork(void) { lido_lock_take_for_fork(&handler_lock); }
void lido_misuse_unlock_after_fork(void) { lido_lock_give_after_fork(&handler_lock); }
