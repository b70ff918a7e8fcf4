/* mapped_files.c: see mapped_files.h. */
#include "examples/mapped_files/mapped_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "examples/mapped_files/checked_copy.h"

enum { ROOM = 64 }; /* kept files that are let go when mmap finds no room */

struct counters {
  _Atomic(uint64_t) mapped_bytes, mapped, unmapped, empty, cramped, faults;
};

struct mapped_files {
  lido_pool *pool;
  lido_cache *cache;
  struct counters counters;
};

_Static_assert(sizeof(struct file_identity) == 40, "the key has no padding, which would be compared too");
_Static_assert(sizeof(off_t) == 8, "files may be larger than 2 GiB");

static void count(_Atomic(uint64_t) *counter, uint64_t number) { atomic_fetch_add(counter, number); }

/* ---- Life ---- */

/* What a kept file counts against keep_bytes. */
static size_t weigh(const void *key, size_t key_bytes, const void *value, void *context) {
  (void)key, (void)key_bytes, (void)context;
  const struct mapped_file *file = value;
  return file->length;
}

struct mapped_files *mapped_files_create(const struct mapped_files_options *options) {
  static const struct mapped_files_options defaults;
  if (options == NULL) options = &defaults;
  const char *name = options->name != NULL ? options->name : "mapped files";
  int error = checked_copy_setup();
  if (error != 0) {
    errno = error;
    return NULL;
  }
  struct mapped_files *files = calloc(1, sizeof *files);
  if (files == NULL) return NULL;
  files->pool = lido_pool_create(
      &(lido_pool_options){.name = name, .object_size = sizeof(struct mapped_file), .flags = LIDO_POOL_HANDLES});
  files->cache = lido_cache_create(&(lido_cache_options){
      .name = name, .keep_count = options->keep_count, .keep_bytes = options->keep_bytes, .weight = weigh});
  if (files->pool != NULL && files->cache != NULL) return files;
  mapped_files_destroy(files, NULL);
  errno = ENOMEM;
  return NULL;
}

static void read_counters(const struct counters *counters, struct mapped_files_stats *out) {
  out->unmapped = counters->unmapped; /* first, so that there are never more of these */
  out->mapped = counters->mapped;
  out->mappings = out->mapped - out->unmapped;
  out->mapped_bytes = counters->mapped_bytes;
  out->empty = counters->empty;
  out->cramped = counters->cramped;
  out->faults = counters->faults;
}

void mapped_files_stats_get(const struct mapped_files *files, struct mapped_files_stats *out) {
  lido_cache_stats cached;
  lido_cache_stats_get(files->cache, &cached);
  *out = (struct mapped_files_stats){.kept = cached.kept,
                                     .hits = cached.hits,
                                     .misses = cached.misses,
                                     .waits = cached.waits,
                                     .let_go = cached.evicted_count + cached.evicted_bytes + cached.evicted_shed};
  read_counters(&files->counters, out);
}

size_t mapped_files_destroy(struct mapped_files *files, struct mapped_files_stats *last) {
  if (files == NULL) return 0;
  struct mapped_files_stats stats = {0};
  if (files->cache != NULL) mapped_files_stats_get(files, &stats);
  lido_cache_destroy(files->cache);             /* lets go of what is kept */
  size_t held = lido_pool_destroy(files->pool); /* what is left dies, with its cleanups */
  stats.kept = 0;
  read_counters(&files->counters, &stats);
  if (last != NULL) *last = stats;
  free(files);
  return held;
}

size_t mapped_files_trim(struct mapped_files *files) { return lido_cache_evict(files->cache, SIZE_MAX); }

/* ---- What a file is ---- */

struct file_identity file_identity_of(const struct stat *status) {
  return (struct file_identity){.device = (uint64_t)status->st_dev,
                                .inode = (uint64_t)status->st_ino,
                                .size = (uint64_t)status->st_size,
                                .modified_s = status->st_mtim.tv_sec,
                                .modified_ns = status->st_mtim.tv_nsec};
}

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

/* 0, or why it can't be mapped. */
static int judge(const struct stat *status) {
  if (S_ISDIR(status->st_mode)) return EISDIR;
  if (!S_ISREG(status->st_mode)) return ENOTSUP;
  if (status->st_size < 0) return EOVERFLOW;
  return (uintmax_t)status->st_size > PTRDIFF_MAX ? EFBIG : 0;
}

/* ---- Mapping ---- */

/* Exactly what a cleanup copies. */
struct mapping {
  void *base;
  size_t length;
  struct counters *counters;
};

_Static_assert(sizeof(struct mapping) <= LIDO_CLEANUP_COPY_MAX, "a cleanup takes it with it");

static void unmap(void *copy) {
  const struct mapping *mapping = copy;
  if (munmap(mapping->base, mapping->length) != 0) return; /* can't be, of a whole mapping; the figures would show it */
  count(&mapping->counters->mapped_bytes, -(uint64_t)mapping->length);
  count(&mapping->counters->unmapped, 1);
}

/* MAP_FAILED and errno. */
static void *map_with_room(struct mapped_files *files, int descriptor, size_t length) {
  void *base = mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, 0);
  if (base != MAP_FAILED || errno != ENOMEM) return base;
  count(&files->counters.cramped, 1);
  lido_cache_evict(files->cache, ROOM);
  return mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, 0);
}

static int map_bytes(struct mapped_file *file, int descriptor) {
  struct counters *counters = &file->files->counters;
  struct mapping mapping = {
      .base = map_with_room(file->files, descriptor, file->length), .length = file->length, .counters = counters};
  if (mapping.base == MAP_FAILED) return errno;
  if (lido_cleanup_add_copy(file, unmap, &mapping, sizeof mapping).bits == 0) {
    int error = errno;
    munmap(mapping.base, mapping.length);
    return error;
  }
  file->bytes = mapping.base;
  count(&counters->mapped_bytes, file->length);
  count(&counters->mapped, 1);
  return 0;
}

/* Is a file that claims to be empty? Of /proc it may not be. One that has just grown was empty, too. */
static int admit_empty(struct mapped_file *file, int descriptor) {
  char byte;
  struct stat now;
  ssize_t got = pread(descriptor, &byte, 1, 0);
  if (got < 0) return errno;
  if (got > 0 && fstat(descriptor, &now) == 0 && now.st_size == 0) return ENOTSUP;
  count(&file->files->counters.empty, 1);
  return 0;
}

struct opening {
  struct mapped_files *files;
  int descriptor;
};

/* For the cache: called by one thread for each key, without a lock. */
static int make_file(const void *key, size_t key_bytes, void *arg, void **value) {
  const struct opening *opening = arg;
  struct mapped_file *file = lido_pool_alloc(opening->files->pool);
  if (file == NULL) return ENOMEM;
  *file = (struct mapped_file){.files = opening->files};
  memcpy(&file->identity, key, key_bytes);
  file->length = (size_t)file->identity.size;
  int error = file->length == 0 ? admit_empty(file, opening->descriptor) : map_bytes(file, opening->descriptor);
  if (error != 0) {
    lido_release(file);
    return error;
  }
  *value = file;
  return 0;
}

/* ---- Handles ---- */

int mapped_files_open_descriptor(struct mapped_files *files, int descriptor, const struct mapped_file **file) {
  struct stat status;
  *file = NULL;
  if (fstat(descriptor, &status) != 0) return errno;
  int error = judge(&status);
  if (error != 0) return error;
  struct file_identity key = file_identity_of(&status);
  struct opening opening = {.files = files, .descriptor = descriptor};
  void *value;
  error = lido_cache_get_or_create(files->cache, &key, sizeof key, make_file, &opening, &value);
  *file = value;
  return error;
}

/* Without waiting, should a fifo or terminal have come into the place of what stat saw. -> -1 and errno. */
static int open_to_read(const char *path) {
  int descriptor;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int mapped_files_open(struct mapped_files *files, const char *path, const struct mapped_file **file) {
  struct stat status;
  *file = NULL;
  if (stat(path, &status) != 0) return errno;
  int error = judge(&status);
  if (error != 0) return error;
  int descriptor = open_to_read(path);
  if (descriptor < 0) return errno;
  error = mapped_files_open_descriptor(files, descriptor, file); /* what was opened counts, not what stat saw */
  close(descriptor);                                             /* the mapping keeps the file */
  return error;
}

void mapped_files_release(const struct mapped_file *file) { lido_release((void *)(uintptr_t)file); }

int mapped_files_read(const struct mapped_file *file, size_t offset, void *buffer, size_t bytes) {
  if (offset > file->length || bytes > file->length - offset) return ERANGE;
  if (bytes == 0) return 0;
  int error = checked_copy(buffer, file->bytes + offset, bytes);
  if (error != 0) count(&file->files->counters.faults, 1);
  return error;
}
