/* version_test.c: header and library agree. */
#include "tests/support/objects.h"

TEST(version, the_library_tells_the_version_of_its_header) {
  char expected[64];
  snprintf(expected, sizeof expected, "%d.%d.%d", LIDO_VERSION_MAJOR, LIDO_VERSION_MINOR, LIDO_VERSION_PATCH);
  CHECK_TEXT(lido_version(), expected);
}
