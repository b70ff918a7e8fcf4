/* file_readers.c: see file_readers.h. */
#include "examples/mapped_files/file_readers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 1 << 16, HELD = 16, TRIES = 3 };

struct readers;

struct reader {
  struct readers *team;
  pthread_t thread;
  uint64_t random;
  const struct mapped_file *held[HELD];
  size_t turn;
  struct reader_figures figures;
  unsigned char mapped[WINDOW];
  unsigned char read[WINDOW];
};

struct readers {
  struct mapped_files *files;
  const struct file_list *list;
  atomic_bool over;
  size_t count;
  struct reader *members;
};

/* splitmix64 */
static uint64_t next_random(struct reader *reader) {
  uint64_t mixed = reader->random += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

/* The cube of a number between 0 and 1: half of the choices fall on an eighth of the files. */
static const char *choose(struct reader *reader) {
  const struct file_list *list = reader->team->list;
  double part = (double)(next_random(reader) >> 11) * 0x1p-53;
  size_t place = (size_t)(part * part * part * (double)list->count);
  return list->paths[place < list->count ? place : list->count - 1];
}

/* ---- Comparing ---- */

enum outcome { SAME, CHANGED, DIFFERENT };

static size_t read_fully(int descriptor, unsigned char *to, size_t bytes, size_t offset) {
  size_t done = 0;
  while (done < bytes) {
    ssize_t got = pread(descriptor, to + done, bytes - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

static bool is_still(const struct mapped_file *file, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return false;
  struct file_identity now = file_identity_of(&status);
  return file_identity_equal(&now, &file->identity);
}

static enum outcome compare_window(struct reader *reader, const struct mapped_file *file, int descriptor, size_t offset,
                                   size_t bytes) {
  if (!is_still(file, descriptor)) return CHANGED;
  int error = mapped_files_read(file, offset, reader->mapped, bytes);
  size_t got = read_fully(descriptor, reader->read, bytes, offset);
  if (error == 0 && got == bytes && memcmp(reader->mapped, reader->read, bytes) == 0) return SAME;
  return is_still(file, descriptor) ? DIFFERENT : CHANGED;
}

/* A writer may have changed the bytes just before it changed the time, so a difference must show again and again. */
static enum outcome compare(struct reader *reader, const struct mapped_file *file, int descriptor, size_t *bytes) {
  size_t offset = file->length <= WINDOW ? 0 : next_random(reader) % (file->length - WINDOW + 1);
  *bytes = file->length - offset < WINDOW ? file->length - offset : WINDOW;
  enum outcome outcome = DIFFERENT;
  for (int i = 0; i < TRIES && outcome == DIFFERENT; i++) {
    outcome = compare_window(reader, file, descriptor, offset, *bytes);
  }
  return outcome;
}

static void check_file(struct reader *reader, const struct mapped_file *file, const char *path) {
  size_t bytes = 0;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  enum outcome outcome = descriptor >= 0 ? compare(reader, file, descriptor, &bytes) : CHANGED;
  if (descriptor >= 0) close(descriptor);
  reader->figures.bytes += outcome == SAME ? bytes : 0;
  reader->figures.changed += outcome == CHANGED;
  reader->figures.different += outcome == DIFFERENT;
}

/* ---- A thread ---- */

static void hold(struct reader *reader, const struct mapped_file *file) {
  const struct mapped_file **place = &reader->held[reader->turn++ % HELD];
  mapped_files_release(*place);
  *place = file;
}

static void visit(struct reader *reader, const char *path) {
  const struct mapped_file *file;
  int error = mapped_files_open(reader->team->files, path, &file);
  if (error != 0) {
    reader->figures.refused++;
    reader->figures.errors[error < READER_ERRORS ? error : 0]++;
    return;
  }
  reader->figures.opened++;
  check_file(reader, file, path);
  hold(reader, file);
}

static void *read_files(void *argument) {
  struct reader *reader = argument;
  while (!reader->team->over) visit(reader, choose(reader));
  for (size_t i = 0; i < HELD; i++) mapped_files_release(reader->held[i]);
  return NULL;
}

/* ---- All of them ---- */

/* 0, or why not all could be made. */
static int start(struct readers *team, size_t *started) {
  int error = 0;
  for (*started = 0; *started < team->count && error == 0; *started += error == 0) {
    struct reader *reader = &team->members[*started];
    reader->team = team;
    reader->random = *started;
    error = pthread_create(&reader->thread, NULL, read_files, reader);
  }
  return error;
}

static void sleep_for(uint64_t nanoseconds) {
  struct timespec left = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

#define ADD_FIGURE(name, unit, text) sum->name += figures->name;

static void add(struct reader_figures *sum, const struct reader_figures *figures) {
  READER_FIGURES(ADD_FIGURE)
  for (size_t i = 0; i < READER_ERRORS; i++) sum->errors[i] += figures->errors[i];
}

int file_readers_run(struct mapped_files *files, const struct file_list *list, size_t threads, uint64_t nanoseconds,
                     struct reader_figures *sum) {
  struct readers team = {.files = files, .list = list, .count = threads};
  size_t started;
  *sum = (struct reader_figures){0};
  team.members = calloc(threads, sizeof *team.members);
  if (team.members == NULL) return ENOMEM;
  int error = start(&team, &started);
  if (error == 0) sleep_for(nanoseconds);
  team.over = true;
  for (size_t i = 0; i < started; i++) {
    pthread_join(team.members[i].thread, NULL);
    add(sum, &team.members[i].figures);
  }
  free(team.members);
  return error;
}
