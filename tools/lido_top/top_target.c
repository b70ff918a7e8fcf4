/* top_target.c: see top_target.h. Where sockets lie by themselves is said in lido/socket.h. */
#include "tools/lido_top/top_target.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lido_top/top_client.h"

static bool is_number(const char *text) { return *text != '\0' && text[strspn(text, "0123456789")] == '\0'; }

static void path_of_process(char path[static TARGET_PATH_ROOM], const char *process) {
  char folder[64];
  struct stat status;
  snprintf(folder, sizeof folder, "/proc/%.20s", process);
  uid_t owner = stat(folder, &status) == 0 ? status.st_uid : geteuid();
  snprintf(path, TARGET_PATH_ROOM, "/tmp/lido-%lu/%.20s.sock", (unsigned long)owner, process);
}

static bool answers(const char *path) {
  struct top_client client = {.descriptor = -1};
  bool is_live = client_begin(&client, path, "", 0);
  client_end(&client);
  return is_live;
}

/* Those that somebody listens at go to the front. -> how many. */
static size_t keep_live(glob_t *found) {
  size_t live = 0;
  for (size_t i = 0; i < found->gl_pathc; i++) {
    if (!answers(found->gl_pathv[i])) continue;
    char *path = found->gl_pathv[i];
    found->gl_pathv[i] = found->gl_pathv[live];
    found->gl_pathv[live++] = path;
  }
  return live;
}

static void complain(FILE *out, const char *pattern, const glob_t *found, size_t live) {
  if (live == 0) {
    fprintf(out, "lido top: no program of yours has a snapshot socket (%s)\n", pattern);
    return;
  }
  fprintf(out, "lido top: which one?\n");
  for (size_t i = 0; i < live; i++) fprintf(out, "  %s\n", found->gl_pathv[i]);
}

static bool set_path(struct top_target *target, const char *path) {
  size_t bytes = strlen(path);
  if (bytes >= sizeof target->path) return false;
  memcpy(target->path, path, bytes + 1);
  return true;
}

static bool find_only_one(struct top_target *target, FILE *complaints) {
  char pattern[64];
  glob_t found = {0};
  snprintf(pattern, sizeof pattern, "/tmp/lido-%lu/*.sock", (unsigned long)geteuid());
  size_t live = glob(pattern, 0, NULL, &found) == 0 ? keep_live(&found) : 0;
  bool is_one = live == 1 && set_path(target, found.gl_pathv[0]);
  if (!is_one && complaints != NULL) complain(complaints, pattern, &found, live);
  globfree(&found);
  return is_one;
}

bool target_find(struct top_target *target, const char *name, FILE *complaints) {
  *target = (struct top_target){.is_found_anew = name == NULL};
  if (name == NULL) return find_only_one(target, complaints);
  if (is_number(name)) {
    path_of_process(target->path, name);
    return true;
  }
  if (set_path(target, name)) return true;
  if (complaints != NULL) fprintf(complaints, "lido top: the path is too long\n");
  return false;
}
