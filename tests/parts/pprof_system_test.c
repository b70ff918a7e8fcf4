/* pprof_system_test.c: a system that says what it seldom says. Its functions are wrapped by the linker. */
#include <errno.h>
#include <fcntl.h>
#include <lido/pprof.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/profile_reader.h"
#include "tests/support/testing.h"

typedef int (*visit_file)(struct dl_phdr_info *info, size_t bytes, void *context);

ssize_t __real_write(int descriptor, const void *bytes, size_t count);
ssize_t __wrap_write(int descriptor, const void *bytes, size_t count);
ssize_t __real_readlink(const char *path, char *out, size_t room);
ssize_t __wrap_readlink(const char *path, char *out, size_t room);
int __real_dl_iterate_phdr(visit_file visit, void *context);
int __wrap_dl_iterate_phdr(visit_file visit, void *context);

enum { REFUSED = 12345 }; /* a descriptor that takes nothing */

ssize_t __wrap_write(int descriptor, const void *bytes, size_t count) {
  static int calls;
  if (descriptor != REFUSED) return __real_write(descriptor, bytes, count);
  if (++calls > 100) TESTING_FAIL("it asks for ever");
  return 0;
}

static const char *program_path; /* what the system says; NULL: the truth */

ssize_t __wrap_readlink(const char *path, char *out, size_t room) {
  if (program_path == NULL) return __real_readlink(path, out, room);
  size_t bytes = strlen(program_path);
  CHECK_LT(bytes, room);
  memcpy(out, program_path, bytes);
  return (ssize_t)bytes;
}

static const struct dl_phdr_info *files; /* what is loaded; NULL: the truth */
static size_t file_count;

int __wrap_dl_iterate_phdr(visit_file visit, void *context) {
  if (files == NULL) return __real_dl_iterate_phdr(visit, context);
  int error = 0;
  for (size_t i = 0; i < file_count && error == 0; i++) {
    struct dl_phdr_info info = files[i];
    error = visit(&info, sizeof info, context);
  }
  return error;
}

typedef struct taken_file {
  unsigned char bytes[1 << 16];
  size_t count;
} taken_file;

static int take(const void *bytes, size_t count, void *context) {
  taken_file *file = context;
  CHECK_LE(count, sizeof file->bytes - file->count);
  memcpy(file->bytes + file->count, bytes, count);
  file->count += count;
  return 0;
}

static read_profile *written(void) {
  static taken_file file;
  file.count = 0;
  CHECK_EQ(lido_pprof_write(take, &file, NULL), 0);
  return profile_read(file.bytes, file.count);
}

TEST(pprof_system, a_descriptor_that_takes_nothing_is_an_error) { CHECK_EQ(lido_pprof_write_fd(REFUSED, NULL), EIO); }

TEST(pprof_system, each_segment_of_the_program_has_its_path) {
  static const ElfW(Phdr) two[] = {{.p_type = PT_LOAD, .p_flags = PF_X | PF_R, .p_vaddr = 0x1000, .p_memsz = 0x1000},
                                   {.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0x2000, .p_memsz = 0x1000},
                                   {.p_type = PT_LOAD, .p_flags = PF_X | PF_R, .p_vaddr = 0x3000, .p_memsz = 0x1000}};
  const struct dl_phdr_info loaded[] = {
      {.dlpi_addr = 0x100000, .dlpi_name = "", .dlpi_phdr = two, .dlpi_phnum = 3},
      {.dlpi_addr = 0x200000, .dlpi_name = "/lib/libthing.so", .dlpi_phdr = two, .dlpi_phnum = 3}};
  static const char *const wanted[] = {"/bin/program", "/bin/program", "/lib/libthing.so", "/lib/libthing.so"};
  program_path = wanted[0];
  files = loaded;
  file_count = 2;
  read_profile *profile = written();
  program_path = NULL;
  files = NULL;
  CHECK_EQ(profile->mapping_count, 4);
  for (size_t i = 0; i < 4; i++) CHECK_TEXT(profile_text(profile, profile->mappings[i].file), wanted[i]);
  CHECK_EQ(profile->mappings[1].start, 0x103000);
  profile_end(profile);
}

static void check_path(const char *told, const char *wanted) {
  program_path = told;
  read_profile *profile = written();
  program_path = NULL;
  CHECK_TEXT(profile_text(profile, profile->mappings[0].file), wanted);
  profile_end(profile);
}

TEST(pprof_system, a_program_that_was_removed_since_has_its_path) {
  check_path("/nowhere/program (deleted)", "/nowhere/program");
  check_path("/nowhere/(deleted)", "/nowhere/(deleted)");
  check_path(" (deleted)", " (deleted)");
  char path[64];
  snprintf(path, sizeof path, "program-%ld (deleted)", (long)getpid());
  int file = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  CHECK_GE(file, 0);
  check_path(path, path); /* it is called so */
  close(file);
  CHECK_EQ(unlink(path), 0);
}
