/* mapped_files.h: files in memory, each mapped once however many threads and names ask for it, and for as long as
 * somebody uses it.
 *
 *     struct mapped_files *files = mapped_files_create(&(struct mapped_files_options){ .keep_count = 1000 });
 *     const struct mapped_file *file;
 *     int error = mapped_files_open(files, path, &file);
 *     if (error == 0) {
 *       error = mapped_files_read(file, 0, buffer, 100);   // EIO if somebody has truncated the file
 *       mapped_files_release(file);                        // the last one: it is unmapped, now
 *     }
 *
 * Idea: a cache from what a file is to its mapping. The value is an object of a pool with handles; the cache holds it
 * weakly, and the munmap is a cleanup on the object, with a copy of base and length. So nobody has to know when a
 * mapping ends, and no thread can meet one that has. Of threads that ask for a new file at once, one maps it, and the
 * others wait for that.
 * Invariants
 *   F1  the key is device, inode, size and modification time in nanoseconds, from fstat of the open file. So names
 *       don't matter: hard links and renamed files have the same mapping, and what was renamed over another file,
 *       written, truncated or grown has another.
 *   F2  a file with bytes has one mapping, of all `length` bytes; an empty one has none, for there are no mappings of
 *       no bytes.
 *   F3  each mapping has exactly one cleanup, that unmaps it; mappings = mapped - unmapped.
 *   F4  while a mapping lives, the kernel keeps its inode, deleted or not; so the number has not gone to another file,
 *       and the key can't lead to a wrong one. Of empty files one is as good as another. (File systems that give two
 *       living files one number, as some of FUSE's do, are beyond this.)
 *
 * When the file changes. The mapping is shared: it shows the file as it is now, not as it was at open. What open
 * promises is that at one moment during the call the file had the key's size and time.
 *   Between fstat and mmap, as at any later time, it may be:
 *     renamed, deleted, replaced: nothing happens; the handle is of the file that was opened.
 *     written in place: all mappings show it, older ones too. An open after that makes a new mapping, if the size or
 *       the time differs; if the file system's clock was too coarse to tell, the old one, which shows the same bytes.
 *     grown: the handle's length remains; the next open sees all of it.
 *     truncated: the mapping reaches beyond the file. In pages that lie wholly beyond, reading `bytes` raises SIGBUS
 *       and mapped_files_read gives EIO; in the page where the file now ends there are zeros, and nobody is told. The
 *       next open gives a handle of the new length.
 *   A second fstat after mmap would find some of these, and promise nothing more: what it rules out could happen right
 *   after it.
 *   Who wants a file as it was at one moment must copy it, from somebody who replaces files by rename.
 * `bytes` may be read directly where nobody truncates files (replacing by rename does no harm); SIGBUS ends the process
 * else.
 * Files of /proc, which claim to be empty and are not, are refused, and so is what can't be mapped: those of /sys.
 *
 * Threads: any, but destroy: no other call may be in progress or come later. A thread must not be cancelled inside a
 * call, and must not block SIGBUS.
 * Errors: 0 or an errno value; errno itself is not kept. The process gets a handler of SIGBUS, which passes on those of
 * others (checked_copy.h).
 * Room: a process has some 65,000 mappings (vm.max_map_count). When mmap finds no room, up to 64 files that are only
 * kept are let go, and it is tried again. A kept file that has been deleted still takes its place on the disk:
 * mapped_files_trim.
 * Fork: the child has all handles and mappings.
 * Method: the example of "From unique to cleanups and weak" (The Go Blog, 2025).
 * Not done, and why: a second look at the name without opening it (stat gives the same key, but would skip the check of
 * permissions); keeping descriptors open, to ask for the present size at each read (a process has fewer of them than of
 * mappings).
 */
#ifndef LIDO_EXAMPLES_MAPPED_FILES_H
#define LIDO_EXAMPLES_MAPPED_FILES_H

#include <lido/lido.h>
#include <sys/stat.h>

struct mapped_files;

/* What a file is. All 40 bytes are the key; there is no padding. */
struct file_identity {
  uint64_t device;
  uint64_t inode;
  uint64_t size; /* bytes */
  int64_t modified_s;
  int64_t modified_ns; /* 0 to 999,999,999 */
};

/* An object with a strong count: lido_retain, lido_weak_make and lido_cleanup_add may be used on it. Nothing in it
 * changes. */
struct mapped_file {
  const unsigned char *bytes; /* NULL: the file was empty */
  size_t length;
  struct file_identity identity;
  struct mapped_files *files;
};

/* Zero means default everywhere. */
struct mapped_files_options {
  const char *name; /* copied; NULL = "mapped files" */
  /* Files kept mapped though nobody uses them, those asked for lately; 0 = none, or as keep_bytes says. */
  size_t keep_count;
  size_t keep_bytes; /* bound of their lengths together; 0 = none */
};

/* NULL options: the defaults. NULL: ENOMEM, or what sigaction said. */
struct mapped_files *mapped_files_create(const struct mapped_files_options *options);

/* X(name, kind, unit, text) */
#define MAPPED_FILES_STATISTICS(X)                                                        \
  X(mappings, gauge, mappings, "mappings that there are")                                 \
  X(mapped_bytes, gauge, bytes, "the lengths of their files")                             \
  X(kept, gauge, files, "files kept for those who may ask again")                         \
  X(hits, counter, calls, "opens that found the file mapped")                             \
  X(misses, counter, calls, "opens that did not; they mapped it, or waited")              \
  X(waits, counter, calls, "... of these, such that waited for another thread's mapping") \
  X(mapped, counter, mappings, "mappings made")                                           \
  X(unmapped, counter, mappings, "mappings ended")                                        \
  X(empty, counter, files, "values made for empty files, without a mapping")              \
  X(let_go, counter, files, "files no longer kept, for lack of room or by trim")          \
  X(cramped, counter, calls, "times that mmap found no room, and kept files were let go") \
  X(faults, counter, calls, "reads that met the end of a truncated file, or a failing disk")

#define MAPPED_FILES_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
struct mapped_files_stats {
  MAPPED_FILES_STATISTICS(MAPPED_FILES_STATISTIC_FIELD)
};
#undef MAPPED_FILES_STATISTIC_FIELD

/* Each number is right for some moment of the call. */
void mapped_files_stats_get(const struct mapped_files *files, struct mapped_files_stats *out);

/* Everything is unmapped, handles that are still held too: their bytes are gone. -> how many those were. *last, if not
 * NULL: the figures after that. NULL is ignored. */
size_t mapped_files_destroy(struct mapped_files *files, struct mapped_files_stats *last);

/* The file of this name, with one reference that the caller releases. 0; what open, stat and mmap say (ENOENT, EACCES,
 * ELOOP, EMFILE, ENOMEM, ...); EISDIR: a folder; ENOTSUP: no regular file, or one of /proc; ENODEV: the file system has
 * no mappings; EFBIG: larger than memory can be addressed.
 * What is no regular file is not opened: not even a fifo's writer notices. On errors *file is NULL. Four system calls
 * if it is mapped already. */
int mapped_files_open(struct mapped_files *files, const char *path, const struct mapped_file **file);

/* The same for an open descriptor, which stays the caller's and may be closed at once. EACCES, EBADF: it is not open
 * for reading, and the file was not mapped already. */
int mapped_files_open_descriptor(struct mapped_files *files, int descriptor, const struct mapped_file **file);

/* One reference less; with the last one the file is unmapped, in this call. NULL is ignored. */
void mapped_files_release(const struct mapped_file *file);

/* Copy bytes [offset, offset + bytes) of the file. 0; ERANGE: they are not all below `length`; EIO: the file is shorter
 * by now, or the disk fails. On errors the buffer holds anything. Zeros where a truncated file's last page ends: see
 * above. */
int mapped_files_read(const struct mapped_file *file, size_t offset, void *buffer, size_t bytes);

/* Let go of all that is only kept. -> how many. */
size_t mapped_files_trim(struct mapped_files *files);

struct file_identity file_identity_of(const struct stat *status);
bool file_identity_equal(const struct file_identity *a, const struct file_identity *b);

#endif
