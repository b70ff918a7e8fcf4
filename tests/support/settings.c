/* settings.c: see settings.h. */
#include "tests/support/settings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/testing.h"

static char folder[] = P_tmpdir "/lido-settings-XXXXXX";

static pid_t owner; /* children leave the folder alone */

static void folder_remove(void) {
  if (getpid() != owner) return;
  unlink(SETTINGS_FILE);
  if (chdir("..") == 0) rmdir(folder);
}

static void folder_enter(void) {
  static bool is_there;
  if (is_there) return;
  CHECK_NOT_NULL(mkdtemp(folder));
  CHECK_EQ(chdir(folder), 0);
  is_there = true;
  owner = getpid();
  atexit(folder_remove);
}

void settings_write(const char *text, size_t bytes) {
  folder_enter();
  /* Over what is there: to give blocks back and take them again is slow on some disks. */
  int file = open(SETTINGS_FILE, O_WRONLY | O_CREAT, 0600);
  CHECK_GE(file, 0);
  CHECK_EQ(pwrite(file, text, bytes, 0), bytes);
  CHECK_EQ(ftruncate(file, (off_t)bytes), 0);
  close(file);
}

lido_config *settings_read(const char *text, lido_message *message) {
  settings_write(text, strlen(text));
  return lido_config_read(SETTINGS_FILE, message);
}
