/* mapped_files_threads_test.c: many threads ask for the same files, while others change them. */
#include "tests/mapped_files/made_files.h"
#include "tests/stress/crew.h"

/* ---- All at once ---- */

enum { ASKERS = 64, ROUNDS = 20 };

typedef struct rush {
  struct mapped_files *files;
  const char *path;
  const struct mapped_file *got[ASKERS];
  int errors[ASKERS];
} rush;

static void ask(crew_member *me) {
  rush *r = me->shared;
  r->errors[me->index] = mapped_files_open(r->files, r->path, &r->got[me->index]);
}

static void ask_all(rush *r, const char *path) {
  static crew team;
  r->path = path;
  crew_start(&team, ASKERS, 1, ask, r);
  CHECK_CREW(&team);
}

TEST(mapped_files_threads, one_maps_a_new_file_for_all_who_ask_at_once) {
  made_begin();
  rush r = {.files = mapped_files_create(NULL)};
  CHECK_NOT_NULL(r.files);
  for (size_t round = 1; round <= ROUNDS; round++) {
    char name[32];
    snprintf(name, sizeof name, "%zu", round);
    CHECK(made_file(IN_FOLDER(name), round, 100000));
    ask_all(&r, IN_FOLDER(name));
    CHECK_EQ(made_stats(r.files).mapped, round);
    CHECK_EQ(mapping_count(made_folder.text), 1);
    for (size_t i = 0; i < ASKERS; i++) CHECK(r.errors[i] == 0 && r.got[i] == r.got[0]);
    CHECK(made_holds(r.got[0], round));
    lido_release_n((void *)(uintptr_t)r.got[0], ASKERS);
  }
  struct mapped_files_stats stats = made_stats(r.files);
  CHECK_EQ(stats.hits + stats.misses, ASKERS * ROUNDS);
  CHECK_EQ(stats.misses, stats.waits + ROUNDS);
  CHECK_ENDS(r.files);
  made_end();
}

TEST(mapped_files_threads, all_who_ask_get_the_error) {
  made_begin();
  rush r = {.files = mapped_files_create(NULL)};
  CHECK_NOT_NULL(r.files);
  ask_all(&r, "/proc/self/maps");
  for (size_t i = 0; i < ASKERS; i++) CHECK(r.errors[i] == ENOTSUP && r.got[i] == NULL);
  CHECK(made_file(IN_FOLDER("empty"), 1, 0));
  ask_all(&r, IN_FOLDER("empty"));
  for (size_t i = 0; i < ASKERS; i++) CHECK(r.errors[i] == 0 && r.got[i] == r.got[0]);
  CHECK_EQ(made_stats(r.files).empty, 1);
  lido_release_n((void *)(uintptr_t)r.got[0], ASKERS);
  CHECK_ENDS(r.files);
  made_end();
}

/* ---- Files that change ----
 *
 * Whole ones are replaced by rename: each handle shows exactly one of those that were there. Cut ones are truncated and
 * grown in place: a byte is the file's or zero, or can't be read. Short-lived ones are deleted and made again.
 */

enum {
  WHOLE = 8,
  CUT = 8,
  SHORT = 8,
  FILES = WHOLE + CUT + SHORT,
  HELD = 8,
  READERS = 6,
  WRITERS = 2,
  LARGEST = 20000
};

typedef struct market {
  struct mapped_files *files;
  made_path paths[FILES];
  size_t rounds;
  uint64_t faults; /* atomic */
  uint64_t opened; /* atomic */
} market;

typedef struct hands {
  crew_member *me;
  market *market;
  const struct mapped_file *held[HELD];
  size_t kind[HELD]; /* numbers of their files */
  unsigned char bytes[LARGEST];
} hands;

/* The first eight bytes of whole files name the seed of the rest. */
static bool write_whole(const char *path, uint64_t seed, size_t bytes) {
  int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool done = descriptor >= 0 && made_write(descriptor, seed, 0, bytes) &&
              pwrite(descriptor, &seed, sizeof seed, 0) == sizeof seed;
  return done && close(descriptor) == 0;
}

static bool replace(crew_member *me, const char *path) {
  made_path beside;
  snprintf(beside.text, sizeof beside.text, "%.*s.%zu", PATH_MAX - 32, path, me->index);
  size_t bytes = sizeof(uint64_t) + testing_below(&me->random, LARGEST - sizeof(uint64_t));
  return write_whole(beside.text, testing_next(&me->random), bytes) && rename(beside.text, path) == 0;
}

static bool cut_or_grow(crew_member *me, const char *path) {
  size_t bytes = testing_below(&me->random, LARGEST);
  if (testing_below(&me->random, 2) == 0) return truncate(path, (off_t)bytes) == 0;
  return made_patch(path, 1, 0, bytes);
}

/* Two writers may do this at once, so any of it may find the file gone. */
static bool end_and_begin(crew_member *me, const char *path) {
  unlink(path);
  return replace(me, path);
}

static void change_files(crew_member *me, market *m) {
  for (size_t i = 0; i < m->rounds && crew_goes_on(me->crew); i++) {
    size_t number = testing_below(&me->random, FILES);
    const char *path = m->paths[number].text;
    bool done = number < WHOLE         ? replace(me, path)
                : number < WHOLE + CUT ? cut_or_grow(me, path)
                                       : end_and_begin(me, path);
    CREW_HOLDS(me->crew, done);
  }
}

static bool is_whole(const hands *h, size_t length) {
  uint64_t seed;
  memcpy(&seed, h->bytes, sizeof seed);
  return length >= sizeof seed && made_bytes_are(h->bytes + sizeof seed, length - sizeof seed, seed, sizeof seed);
}

static bool is_cut(const hands *h, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (h->bytes[i] != 0 && h->bytes[i] != made_byte(1, i)) return false;
  }
  return true;
}

static void look_at(hands *h, const struct mapped_file *file, size_t number) {
  crew *team = h->me->crew;
  bool may_be_cut = number >= WHOLE && number < WHOLE + CUT;
  if (!CREW_HOLDS(team, file->length <= LARGEST)) return;
  int error = mapped_files_read(file, 0, h->bytes, file->length);
  if (error == EIO) __atomic_fetch_add(&h->market->faults, 1, __ATOMIC_RELAXED);
  CREW_HOLDS(team, error == 0 || (error == EIO && may_be_cut));
  if (error == 0) CREW_HOLDS(team, may_be_cut ? is_cut(h, file->length) : is_whole(h, file->length));
}

static void open_one(hands *h, size_t place) {
  market *m = h->market;
  size_t number = testing_below(&h->me->random, FILES);
  int error = mapped_files_open(m->files, m->paths[number].text, &h->held[place]);
  h->kind[place] = number;
  CREW_HOLDS(h->me->crew, error == 0 || (error == ENOENT && number >= WHOLE + CUT));
  if (error == 0) __atomic_fetch_add(&m->opened, 1, __ATOMIC_RELAXED);
}

static void read_files(crew_member *me, market *m) {
  hands *h = calloc(1, sizeof *h);
  if (h == NULL) abort();
  h->me = me, h->market = m;
  for (size_t i = 0; i < m->rounds && crew_goes_on(me->crew); i++) {
    size_t place = testing_below(&me->random, HELD);
    if (h->held[place] != NULL) look_at(h, h->held[place], h->kind[place]); /* what has become of it */
    mapped_files_release(h->held[place]);
    open_one(h, place);
    if (h->held[place] != NULL) look_at(h, h->held[place], h->kind[place]);
  }
  for (size_t i = 0; i < HELD; i++) mapped_files_release(h->held[i]);
  free(h);
}

static void work(crew_member *me) {
  if (me->index < WRITERS) {
    change_files(me, me->shared);
  } else {
    read_files(me, me->shared);
  }
}

static void trade(const struct mapped_files_options *options) {
  static crew team;
  static market m;
  made_begin();
  m = (market){.files = mapped_files_create(options), .rounds = testing_scaled(3000)};
  CHECK_NOT_NULL(m.files);
  for (size_t i = 0; i < FILES; i++) {
    char name[32];
    snprintf(name, sizeof name, "%zu", i);
    m.paths[i] = made_path_of(name);
    bool may_be_cut = i >= WHOLE && i < WHOLE + CUT;
    CHECK(may_be_cut ? made_file(m.paths[i].text, 1, 1000) : write_whole(m.paths[i].text, i, 1000));
  }
  crew_start(&team, READERS + WRITERS, testing_seed(), work, &m);
  CHECK_CREW(&team);
  struct mapped_files_stats stats = made_stats(m.files);
  CHECK_GT(m.opened, 0);
  CHECK_GE(stats.hits + stats.misses, m.opened);
  CHECK_EQ(stats.faults, m.faults);
  CHECK_EQ(stats.mapped + stats.empty + stats.waits, stats.misses); /* no miss failed */
  printf("# %llu opened, %llu mapped, %llu found, %llu faults\n", (unsigned long long)m.opened,
         (unsigned long long)stats.mapped, (unsigned long long)stats.hits, (unsigned long long)m.faults);
  CHECK_ENDS(m.files);
  made_end();
}

TEST(mapped_files_threads, files_change_under_their_readers) { trade(NULL); }

TEST(mapped_files_threads, files_change_while_some_are_kept) {
  trade(&(struct mapped_files_options){.keep_count = 12});
}
