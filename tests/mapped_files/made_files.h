/* made_files.h: a folder with files for one test, and what must hold at the test's end. */
#ifndef LIDO_TESTS_MADE_FILES_H
#define LIDO_TESTS_MADE_FILES_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "examples/mapped_files/mapped_files.h"
#include "examples/mapped_files/mapping_count.h"
#include "tests/support/testing.h"

#define MADE_FILES_UNUSED __attribute__((unused))

typedef struct made_path {
  char text[PATH_MAX];
} made_path;

/* The folder of the running test: absolute, as /proc/self/maps has it. */
static made_path made_folder;

static MADE_FILES_UNUSED void made_begin(void) {
  char name[] = "mapped_files_XXXXXX";
  if (mkdtemp(name) == NULL || realpath(name, made_folder.text) == NULL) abort();
}

static int made_remove(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static MADE_FILES_UNUSED void made_end(void) {
  CHECK_EQ(mapping_count(made_folder.text), 0);
  CHECK_EQ(nftw(made_folder.text, made_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static MADE_FILES_UNUSED made_path made_path_of(const char *name) {
  made_path path;
  if (snprintf(path.text, sizeof path.text, "%s/%s", made_folder.text, name) >= (int)sizeof path.text) abort();
  return path;
}

/* Good until the end of the full expression. */
#define IN_FOLDER(name) (made_path_of(name).text)

/* ---- Contents: never zero, so that holes and cut pages show ---- */

static inline unsigned char made_byte(uint64_t seed, size_t offset) {
  return (unsigned char)(1 + (seed * 31 + offset * 7 + (offset >> 8)) % 255);
}

static inline bool made_bytes_are(const unsigned char *bytes, size_t count, uint64_t seed, size_t offset) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != made_byte(seed, offset + i)) return false;
  }
  return true;
}

/* -> whether all of it was written. */
static inline bool made_write(int descriptor, uint64_t seed, size_t offset, size_t count) {
  unsigned char *bytes = malloc(count + 1);
  if (bytes == NULL) abort();
  for (size_t i = 0; i < count; i++) bytes[i] = made_byte(seed, offset + i);
  bool whole = pwrite(descriptor, bytes, count, (off_t)offset) == (ssize_t)count;
  free(bytes);
  return whole;
}

/* A new file, or one in the place of all that was in the old one. */
static inline bool made_file(const char *path, uint64_t seed, size_t bytes) {
  int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  return descriptor >= 0 && made_write(descriptor, seed, 0, bytes) && close(descriptor) == 0;
}

/* Bytes from `offset` on, in the file that is there. */
static inline bool made_patch(const char *path, uint64_t seed, size_t offset, size_t bytes) {
  int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  return descriptor >= 0 && made_write(descriptor, seed, offset, bytes) && close(descriptor) == 0;
}

/* ---- Handles ---- */

static inline size_t made_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* NULL and errno, as other functions have it. */
static inline const struct mapped_file *made_open(struct mapped_files *files, const char *path) {
  int saved_errno = errno;
  const struct mapped_file *file;
  int error = mapped_files_open(files, path, &file);
  errno = error != 0 ? error : saved_errno;
  return file;
}

/* By mapped_files_read, in pieces of odd sizes. */
static inline bool made_holds(const struct mapped_file *file, uint64_t seed) {
  unsigned char piece[997];
  for (size_t offset = 0; offset < file->length; offset += sizeof piece) {
    size_t bytes = file->length - offset < sizeof piece ? file->length - offset : sizeof piece;
    if (mapped_files_read(file, offset, piece, bytes) != 0) return false;
    if (!made_bytes_are(piece, bytes, seed, offset)) return false;
  }
  return true;
}

static inline struct mapped_files_stats made_stats(const struct mapped_files *files) {
  struct mapped_files_stats stats;
  mapped_files_stats_get(files, &stats);
  return stats;
}

/* Nobody holds anything, and all that was mapped has been unmapped. */
#define CHECK_ENDS(files)                                     \
  do {                                                        \
    struct mapped_files_stats made_last;                      \
    CHECK_EQ(mapped_files_destroy(files, &made_last), 0);     \
    CHECK_EQ(made_last.mapped, made_last.unmapped);           \
    CHECK_EQ(made_last.mappings + made_last.mapped_bytes, 0); \
  } while (0)

#endif
