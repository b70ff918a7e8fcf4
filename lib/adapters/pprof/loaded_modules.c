/* loaded_modules.c: see loaded_modules.h. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "lib/adapters/pprof/loaded_modules.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void lido_loaded_modules_end(loaded_modules *modules) {
  for (size_t i = 0; i < modules->count; i++) free(modules->list[i].path);
  free(modules->list);
}

size_t lido_loaded_modules_find(const loaded_modules *modules, uint64_t address) {
  size_t i = 0;
  while (i < modules->count && (address < modules->list[i].start || address >= modules->list[i].limit)) i++;
  return i;
}

/* ---- Build ids ---- */

static size_t padded(size_t bytes) { return (bytes + 3) & ~(size_t)3; }

static void as_hexadecimal(const unsigned char *bytes, size_t count, char *out) {
  for (size_t i = 0; i < count; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* Notes follow each other: a header, the name of who wrote it, what it says. */
static void find_build_id(const unsigned char *notes, size_t bytes, char *out) {
  ElfW(Nhdr) note;
  while (bytes >= sizeof note) {
    memcpy(&note, notes, sizeof note);
    size_t begin = sizeof note + padded(note.n_namesz);
    size_t whole = begin + padded(note.n_descsz);
    if (whole > bytes) return;
    bool is_gnu =
        note.n_namesz == sizeof ELF_NOTE_GNU && memcmp(notes + sizeof note, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0;
    if (is_gnu && note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= BUILD_ID_BYTES_MAX) {
      as_hexadecimal(notes + begin, note.n_descsz, out);
      return;
    }
    notes += whole;
    bytes -= whole;
  }
}

static void read_build_id(const struct dl_phdr_info *info, char *out) {
  out[0] = '\0';
  for (size_t i = 0; i < info->dlpi_phnum && out[0] == '\0'; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_NOTE) continue;
    find_build_id((const unsigned char *)(info->dlpi_addr + header->p_vaddr), header->p_memsz, out);
  }
}

/* ---- Modules ---- */

/* The system marks a file that was removed since, as by an upgrade. There may be a newer one of that name by now; its
 * build id tells pprof. */
static void drop_mark(char *path) {
  static const char mark[] = " (deleted)";
  size_t bytes = strlen(path);
  if (bytes < sizeof mark || strcmp(path + bytes - (sizeof mark - 1), mark) != 0) return;
  if (access(path, F_OK) != 0) path[bytes - (sizeof mark - 1)] = '\0'; /* else it is a part of the name */
}

/* The loader has no name for the program itself. */
static char *path_of(const struct dl_phdr_info *info, bool is_program) {
  char path[PATH_MAX];
  if (!is_program) return strdup(info->dlpi_name);
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length < 0 ? 0 : length] = '\0';
  drop_mark(path);
  return strdup(path);
}

static bool add_segment(loaded_modules *modules, const struct dl_phdr_info *info, const ElfW(Phdr) * header,
                        bool is_program) {
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t start = info->dlpi_addr + header->p_vaddr;
  loaded_module *list = realloc(modules->list, (modules->count + 1) * sizeof *list);
  if (list == NULL) return false;
  modules->list = list;
  loaded_module *module = &list[modules->count];
  module->path = path_of(info, is_program);
  if (module->path == NULL) return false;
  module->start = start & ~(page - 1);
  module->limit = (start + header->p_memsz + page - 1) & ~(page - 1);
  module->offset = header->p_offset & ~(page - 1);
  read_build_id(info, module->build_id);
  modules->count++;
  return true;
}

typedef struct walk {
  loaded_modules *modules;
  size_t files; /* until now */
} walk;

/* Called by the loader for each file, the program first. */
static int add_module(struct dl_phdr_info *info, size_t bytes, void *context) {
  walk *w = context;
  bool is_program = w->files++ == 0;
  (void)bytes;
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0) continue;
    if (!add_segment(w->modules, info, header, is_program)) return ENOMEM;
  }
  return 0;
}

int lido_loaded_modules_begin(loaded_modules *modules) {
  *modules = (loaded_modules){0};
  walk w = {.modules = modules};
  int error = dl_iterate_phdr(add_module, &w);
  if (error != 0) lido_loaded_modules_end(modules);
  return error;
}
