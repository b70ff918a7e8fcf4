/* intern_threads_test.c: threads intern and release the same few texts at once. While somebody holds a text, all who
 * intern it get the same handle. */
#include "tests/stress/crew.h"

enum { TEXTS = 6, TEXT_MOST = 40, HELD = 4 };

typedef struct board {
  lido_intern *intern;
  size_t rounds;
  uint64_t shown[TEXTS]; /* atomic: some handle that somebody was given for the text */
} board;

/* Of 8 to 16 bytes, for the hot path, and others. -> bytes. */
static size_t write_text(size_t number, char *text) {
  memset(text, 't', TEXT_MOST);
  text[0] = (char)('a' + number);
  return number % 2 == 0 ? 8 + number : number == 1 ? 3 : TEXT_MOST;
}

static bool is_text(lido_interned value, size_t number) {
  char text[TEXT_MOST];
  size_t bytes = write_text(number, text);
  size_t count = 0;
  const char *held = lido_interned_bytes(value, &count);
  return held != NULL && count == bytes && memcmp(held, text, bytes) == 0 && held[count] == 0;
}

/* Two handles of one text, both held: they are one. */
static void compare_with_shown(crew_member *me, lido_interned mine, size_t number) {
  board *b = me->shared;
  lido_interned other = {__atomic_load_n(&b->shown[number], __ATOMIC_RELAXED)};
  other = lido_interned_retain(other);
  if (other.bits != 0) CREW_HOLDS(me->crew, lido_interned_equal(other, mine));
  lido_interned_release(other);
  __atomic_store_n(&b->shown[number], mine.bits, __ATOMIC_RELAXED);
}

static lido_interned intern_one(crew_member *me, size_t number) {
  const board *b = me->shared;
  char text[TEXT_MOST];
  size_t bytes = write_text(number, text);
  lido_interned mine = lido_intern_bytes(b->intern, text, bytes);
  CREW_HOLDS(me->crew, is_text(mine, number));
  compare_with_shown(me, mine, number);
  lido_interned again = testing_below(&me->random, 2) == 0 ? lido_intern_bytes(b->intern, text, bytes)
                                                           : lido_intern_find(b->intern, text, bytes);
  CREW_HOLDS(me->crew, lido_interned_equal(mine, again));
  lido_interned_release(again);
  return mine;
}

static void intern_and_release(crew_member *me) {
  const board *b = me->shared;
  lido_interned held[HELD] = {{0}};
  size_t numbers[HELD] = {0};
  for (size_t round = 0; round < b->rounds && crew_goes_on(me->crew); round++) {
    size_t place = testing_below(&me->random, HELD);
    if (held[place].bits != 0) CREW_HOLDS(me->crew, is_text(held[place], numbers[place]));
    lido_interned_release(held[place]);
    held[place].bits = 0;
    if (testing_below(&me->random, 3) == 0) continue;
    numbers[place] = testing_below(&me->random, TEXTS);
    held[place] = intern_one(me, numbers[place]);
    if (testing_below(&me->random, 2000) == 0) lido_intern_trim(b->intern);
  }
  for (size_t place = 0; place < HELD; place++) lido_interned_release(held[place]);
}

static void run(size_t threads, size_t rounds) {
  static crew team;
  static board b;
  b = (board){.intern = lido_intern_create(NULL), .rounds = testing_scaled(rounds)};
  CHECK_NOT_NULL(b.intern);
  crew_start(&team, threads, testing_seed(), intern_and_release, &b);
  CHECK_CREW(&team);
  lido_intern_stats stats;
  lido_intern_stats_get(b.intern, &stats);
  CHECK_EQ(stats.values, 0);
  CHECK_EQ(stats.bytes, 0);
  const char *broken = lido_intern_check(b.intern);
  CHECK_TEXT(broken != NULL ? broken : "", "");
  CHECK_EQ(lido_intern_destroy(b.intern), 0);
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

TEST(intern_threads, two_threads) { run(2, 200000); }
TEST(intern_threads, four_threads) { run(4, 100000); }
TEST(intern_threads, twelve_threads) { run(12, 20000); }

/* Tables that come and go, whose values share pools' slots. */
static void make_and_end_tables(crew_member *me) {
  const board *b = me->shared;
  for (size_t round = 0; round < b->rounds && crew_goes_on(me->crew); round++) {
    lido_interned held[TEXTS];
    lido_intern *own = lido_intern_create(NULL);
    if (!CREW_HOLDS(me->crew, own != NULL)) return;
    for (size_t number = 0; number < TEXTS; number++) {
      char text[TEXT_MOST];
      size_t bytes = write_text(number, text);
      held[number] = lido_intern_bytes(own, text, bytes);
      lido_interned other = lido_intern_bytes(b->intern, text, bytes);
      CREW_HOLDS(me->crew, is_text(held[number], number) && !lido_interned_equal(held[number], other));
      lido_interned_release(other);
    }
    lido_interned_release(held[0]);
    CREW_HOLDS(me->crew, lido_intern_destroy(own) == TEXTS - 1);
    CREW_HOLDS(me->crew, lido_interned_text(held[1]) == NULL);
  }
}

TEST(intern_threads, tables_come_and_go) {
  static crew team;
  static board b;
  b = (board){.intern = lido_intern_create(NULL), .rounds = testing_scaled(1000)};
  CHECK_NOT_NULL(b.intern);
  crew_start(&team, 4, testing_seed(), make_and_end_tables, &b);
  CHECK_CREW(&team);
  CHECK_EQ(lido_intern_destroy(b.intern), 0);
}
