/* version.c: the version and the checking level that this library was built with. */
#include "lido/version.h"

#define LIDO_TEXT(x) #x
#define LIDO_TEXT_EXPANDED(x) LIDO_TEXT(x)

const char *lido_version(void) {
  return LIDO_TEXT_EXPANDED(LIDO_VERSION_MAJOR) "." LIDO_TEXT_EXPANDED(LIDO_VERSION_MINOR) "." LIDO_TEXT_EXPANDED(
      LIDO_VERSION_PATCH);
}

/* See base.h: a program compiled with another level refers to another name, and does not link. */
const char LIDO_GUARD_SYMBOL = 1;
