/* pprof_file_test.c: what is in the file, read without Lido's help; and sinks that fail. */
#include <fcntl.h>
#include <lido/arena.h>
#include <lido/pool.h>
#include <lido/pprof.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/profile_reader.h"
#include "tests/support/testing.h"

typedef struct taken_file {
  unsigned char *bytes;
  size_t count;
  size_t calls;
  size_t fails_at; /* the call that fails; 0 = none */
} taken_file;

static int take(const void *bytes, size_t count, void *context) {
  taken_file *file = context;
  if (++file->calls == file->fails_at) return ENOSPC;
  if (file->fails_at != 0 && file->calls > file->fails_at) TESTING_FAIL("called after an error");
  file->bytes = realloc(file->bytes, file->count + count);
  CHECK_NOT_NULL(file->bytes);
  memcpy(file->bytes + file->count, bytes, count);
  file->count += count;
  return 0;
}

static read_profile *written(const lido_pprof_options *options) {
  taken_file file = {0};
  CHECK_EQ(lido_pprof_write(take, &file, options), 0);
  read_profile *profile = profile_read(file.bytes, file.count);
  free(file.bytes);
  return profile;
}

/* ---- Without samples ---- */

TEST(pprof_file, a_program_without_a_profile_has_a_file_without_samples) {
  read_profile *profile = written(NULL);
  CHECK_EQ(profile->sample_count, 0);
  CHECK_EQ(profile->type_count, 4);
  CHECK_EQ(profile->period, 512 << 10);
  CHECK_EQ(profile->duration, 0);
  CHECK_TEXT(profile_text(profile, 0), "");
  profile_end(profile);
}

/* Not time(), whose clock is a tick behind. */
static uint64_t now_nanoseconds(void) {
  struct timespec now;
  CHECK_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

TEST(pprof_file, its_head_says_what_the_numbers_are) {
  static const char *const wanted[][2] = {
      {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}};
  uint64_t before = now_nanoseconds();
  read_profile *profile = written(&(lido_pprof_options){.mean_bytes = 12345, .duration_ns = 678});
  CHECK_EQ(profile->type_count, 4);
  for (size_t i = 0; i < 4; i++) {
    CHECK_TEXT(profile_text(profile, profile->types[i].type), wanted[i][0]);
    CHECK_TEXT(profile_text(profile, profile->types[i].unit), wanted[i][1]);
  }
  CHECK_TEXT(profile_text(profile, profile->default_type), "inuse_space");
  CHECK_TEXT(profile_text(profile, profile->period_type.type), "space");
  CHECK_TEXT(profile_text(profile, profile->period_type.unit), "bytes");
  CHECK_EQ(profile->period, 12345);
  CHECK_EQ(profile->duration, 678);
  CHECK_GE(profile->time, before);
  CHECK_LE(profile->time, now_nanoseconds());
  profile_end(profile);
}

TEST(pprof_file, the_program_comes_first_and_modules_do_not_overlap) {
  read_profile *profile = written(NULL);
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK_GT(length, 0);
  path[length] = '\0';
  CHECK_TEXT(profile_text(profile, profile->mappings[0].file), path);
  uint64_t here = (uint64_t)(uintptr_t)take;
  CHECK(here >= profile->mappings[0].start && here < profile->mappings[0].limit);
  for (size_t i = 0; i < profile->mapping_count; i++) {
    const read_mapping *mapping = &profile->mappings[i];
    CHECK_EQ(mapping->id, i + 1);
    CHECK_EQ(mapping->start % 4096, 0);
    CHECK_EQ(mapping->offset % 4096, 0);
    CHECK_LT(mapping->start, mapping->limit);
    for (size_t j = 0; j < i; j++) {
      CHECK(mapping->limit <= profile->mappings[j].start || mapping->start >= profile->mappings[j].limit);
    }
  }
  profile_end(profile);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE /* without checks there are none */

/* ---- Stacks that are made up ---- */

static void *frames_now[LIDO_HEAP_FRAMES_MAX];
static size_t frame_count_now;

static size_t capture(void **frames, size_t count, void *context) {
  (void)context;
  size_t given = frame_count_now < count ? frame_count_now : count;
  memcpy(frames, frames_now, given * sizeof *frames);
  return given;
}

static void start(size_t mean_bytes) {
  const lido_heap_profile_options options = {.mean_bytes = mean_bytes, .cost_permille = 1000, .capture = capture};
  lido_heap_profile_stop();
  CHECK_EQ(lido_heap_profile_start(&options), 0);
}

static void stack_set(void *first, void *second) {
  frames_now[0] = first;
  frames_now[1] = second;
  frame_count_now = 2;
}

static const read_sample *sample_of(const read_profile *profile, const char *kind, const char *name) {
  const read_sample *found = NULL;
  for (size_t i = 0; i < profile->sample_count; i++) {
    const read_sample *sample = &profile->samples[i];
    CHECK_EQ(sample->label_count, 1);
    if (strcmp(profile_text(profile, sample->label_key), kind) != 0) continue;
    if (strcmp(profile_text(profile, sample->label_text), name) != 0) continue;
    CHECK_NULL(found);
    found = sample;
  }
  CHECK_NOT_NULL(found);
  return found;
}

static const read_location *location_of(const read_profile *profile, uint64_t id) {
  CHECK(id >= 1 && id <= profile->location_count);
  CHECK_EQ(profile->locations[id - 1].id, id);
  return &profile->locations[id - 1];
}

static void *alloc_one(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  return object;
}

/* ---- With samples ---- */

TEST(pprof_file, numbers_are_those_of_the_sites) {
  start(1);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "conns", .object_size = 100});
  CHECK_NOT_NULL(pool);
  stack_set((void *)0x1001, (void *)0x2001);
  void *objects[10];
  for (int i = 0; i < 10; i++) objects[i] = alloc_one(pool);
  for (int i = 0; i < 4; i++) lido_pool_free(pool, objects[i]);
  lido_heap_profile_stop();
  read_profile *profile = written(NULL);
  const read_sample *sample = sample_of(profile, "pool", "conns");
  CHECK_EQ(sample->value_count, 4);
  CHECK_EQ(sample->values[2], 6);
  CHECK_EQ(sample->values[3], sample->values[1] / sample->values[0] * 6);
  CHECK_GE(sample->values[0], 6);
  CHECK_LE(sample->values[0], 10);
  CHECK_EQ(sample->location_count, 2);
  CHECK_EQ(location_of(profile, sample->locations[0])->address, 0x1000);
  CHECK_EQ(location_of(profile, sample->locations[1])->address, 0x2000);
  CHECK_EQ(location_of(profile, sample->locations[0])->mapping, 0);
  CHECK_EQ(location_of(profile, sample->locations[0])->function, 0);
  profile_end(profile);
  for (int i = 4; i < 10; i++) lido_pool_free(pool, objects[i]);
  lido_pool_destroy(pool);
}

TEST(pprof_file, addresses_have_their_module_and_exported_functions_their_name) {
  start(1);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "named", .object_size = 100});
  CHECK_NOT_NULL(pool);
  /* Twice in one function, and in one of this program, which exports none. */
  stack_set((char *)(uintptr_t)bsearch + 5, (char *)(uintptr_t)bsearch + 9);
  void *first = alloc_one(pool);
  stack_set((char *)(uintptr_t)alloc_one + 1, (char *)(uintptr_t)bsearch + 5);
  void *second = alloc_one(pool);
  lido_heap_profile_stop();
  read_profile *profile = written(NULL);
  size_t named = 0;
  for (size_t i = 0; i < profile->location_count; i++) {
    const read_location *location = &profile->locations[i];
    CHECK_GE(location->mapping, 1);
    const read_mapping *mapping = &profile->mappings[location->mapping - 1];
    CHECK(location->address >= mapping->start && location->address < mapping->limit);
    if (location->function == 0) continue;
    CHECK_EQ(location->function, 1);
    named++;
  }
  CHECK_EQ(profile->location_count, 3);
  CHECK_EQ(named, 2);
  CHECK_EQ(profile->function_count, 1);
  CHECK_TEXT(profile_text(profile, profile->functions[0].name), "bsearch");
  profile_end(profile);
  lido_pool_free(pool, first);
  lido_pool_free(pool, second);
  lido_pool_destroy(pool);
}

TEST(pprof_file, owners_without_a_stack_are_there) {
  start(1);
  frame_count_now = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "stackless", .object_size = 100});
  CHECK_NOT_NULL(pool);
  void *object = alloc_one(pool);
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "an arena"});
  CHECK_NOT_NULL(arena);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 100));
  read_profile *profile = written(NULL);
  CHECK_EQ(sample_of(profile, "pool", "stackless")->location_count, 0);
  CHECK_GT(sample_of(profile, "arena", "an arena")->values[3], 0);
  profile_end(profile);
  lido_heap_profile_stop();
  lido_pool_free(pool, object);
  lido_arena_destroy(arena);
  lido_pool_destroy(pool);
}

#define BAD "\xef\xbf\xbd"

TEST(pprof_file, names_are_valid_text_and_stay_different) {
  static const char *const names[][2] = {{"caf\xc3\xa9", "caf\xc3\xa9"},
                                         {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                                         {"caf\xe9", "caf" BAD "e9"},
                                         {"\xc3", BAD "c3"},
                                         {"\xc0\x80z", BAD "c0" BAD "80z"},
                                         {"\xed\xa0\x80", BAD "ed" BAD "a0" BAD "80"},
                                         {"\xf4\x90\x80\x80", BAD "f4" BAD "90" BAD "80" BAD "80"},
                                         {"\xe2\x82", BAD "e2" BAD "82"},
                                         {BAD, BAD "ef" BAD "bf" BAD "bd"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    start(1);
    stack_set((void *)0x1001, (void *)0x2001);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = names[i][0], .object_size = 100});
    CHECK_NOT_NULL(pool);
    void *object = alloc_one(pool);
    lido_heap_profile_stop();
    read_profile *profile = written(NULL);
    CHECK_NOT_NULL(sample_of(profile, "pool", names[i][1]));
    profile_end(profile);
    lido_pool_free(pool, object);
    lido_pool_destroy(pool);
  }
}

/* Many different stacks, so that there are many chunks and the tables grow. */
enum { MANY = 1000 };

static void *many[MANY];

static lido_pool *many_stacks(void) {
  start(1);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "many", .object_size = 64});
  CHECK_NOT_NULL(pool);
  for (size_t i = 0; i < MANY; i++) {
    frame_count_now = 20;
    for (size_t j = 0; j < 20; j++)
      frames_now[j] = (void *)(uintptr_t)((i * 2654435761u * (j + 1)) % 1000 * 64 + 0x10001);
    many[i] = alloc_one(pool);
  }
  lido_heap_profile_stop();
  return pool;
}

static void many_end(lido_pool *pool) {
  for (size_t i = 0; i < MANY; i++) lido_pool_free(pool, many[i]);
  lido_pool_destroy(pool);
}

TEST(pprof_file, many_stacks_add_up) {
  lido_pool *pool = many_stacks();
  read_profile *profile = written(NULL);
  int64_t objects = 0;
  for (size_t i = 0; i < profile->sample_count; i++) {
    const read_sample *sample = &profile->samples[i];
    objects += sample->values[2];
    CHECK_EQ(sample->location_count, 20);
    for (size_t j = 0; j < 20; j++) CHECK_EQ((location_of(profile, sample->locations[j])->address - 0x10000) % 64, 0);
  }
  CHECK_EQ(objects, MANY);
  CHECK_LE(profile->location_count, 1000);
  for (size_t i = 0; i < profile->location_count; i++) {
    for (size_t j = 0; j < i; j++) CHECK_NE(profile->locations[i].address, profile->locations[j].address);
  }
  profile_end(profile);
  many_end(pool);
}

TEST(pprof_file, the_error_of_a_sink_ends_it_at_once) {
  lido_pool *pool = many_stacks();
  taken_file whole = {0};
  CHECK_EQ(lido_pprof_write(take, &whole, NULL), 0);
  CHECK_GT(whole.calls, 2);
  for (size_t call = 1; call <= whole.calls; call++) {
    taken_file file = {.fails_at = call};
    errno = 77;
    CHECK_EQ(lido_pprof_write(take, &file, NULL), ENOSPC);
    CHECK_EQ(errno, 77);
    CHECK_EQ(file.calls, call);
    free(file.bytes);
  }
  free(whole.bytes);
  many_end(pool);
}

TEST(pprof_file, descriptors_are_written_to_the_end_or_say_why_not) {
  lido_pool *pool = many_stacks();
  FILE *file = tmpfile();
  CHECK_NOT_NULL(file);
  CHECK_EQ(lido_pprof_write_fd(fileno(file), NULL), 0);
  off_t bytes = lseek(fileno(file), 0, SEEK_END);
  CHECK_GT(bytes, 0);
  void *content = malloc((size_t)bytes);
  CHECK_NOT_NULL(content);
  CHECK_EQ(pread(fileno(file), content, (size_t)bytes, 0), bytes);
  read_profile *profile = profile_read(content, (size_t)bytes);
  CHECK_GT(profile->sample_count, 0);
  profile_end(profile);
  free(content);
  fclose(file);
  int full = open("/dev/full", O_WRONLY);
  CHECK_GE(full, 0);
  CHECK_EQ(lido_pprof_write_fd(full, NULL), ENOSPC);
  close(full);
  CHECK_EQ(lido_pprof_write_fd(-1, NULL), EBADF);
  many_end(pool);
}

#endif
