/* interns_test.c: canonical values. */
#include "lido/lido.h"
#include "tests/support/objects.h"

static lido_intern *begin(void) {
  lido_intern *intern = lido_intern_create(NULL);
  CHECK(intern != NULL);
  return intern;
}

static void end(lido_intern *intern, size_t live) {
  const char *broken = lido_intern_check(intern);
  CHECK_TEXT(broken != NULL ? broken : "", "");
  CHECK_EQ(lido_intern_destroy(intern), live);
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

static lido_intern_stats stats_of(const lido_intern *intern) {
  lido_intern_stats stats;
  lido_intern_stats_get(intern, &stats);
  return stats;
}

TEST(interns, equal_bytes_have_equal_handles) {
  lido_intern *intern = begin();
  char text[] = "hello, world";
  lido_interned a = lido_intern_text(intern, "hello, world");
  lido_interned b = lido_intern_text(intern, text);
  lido_interned c = lido_intern_text(intern, "hello, World");
  CHECK(lido_interned_equal(a, b));
  CHECK(!lido_interned_equal(a, c));
  CHECK_TEXT(lido_interned_text(a), "hello, world");
  CHECK_SAME(lido_interned_text(a), lido_interned_text(b));
  CHECK_EQ(stats_of(intern).values, 2);
  CHECK_EQ(stats_of(intern).hits, 1);
  lido_interned_release(a);
  lido_interned_release(b);
  lido_interned_release(c);
  CHECK_EQ(stats_of(intern).values, 0);
  CHECK_EQ(stats_of(intern).bytes, 0);
  end(intern, 0);
}

TEST(interns, a_value_goes_with_its_last_reference_and_its_handle_never_comes_back) {
  lido_intern *intern = begin();
  lido_interned first = lido_intern_text(intern, "transient");
  CHECK_EQ(lido_interned_retain(first).bits, first.bits);
  lido_interned_release(first);
  CHECK_TEXT(lido_interned_text(first), "transient");
  lido_interned_release(first);
  CHECK_NULL(lido_interned_text(first));
  CHECK_EQ(lido_intern_find(intern, "transient", 9).bits, 0);
  lido_interned second = lido_intern_text(intern, "transient");
  CHECK(!lido_interned_equal(first, second));
  CHECK_NULL(lido_interned_text(first));
  lido_interned_release(second);
  end(intern, 0);
}

TEST(interns, bytes_of_every_length) {
  lido_intern *intern = begin();
  static unsigned char bytes[LIDO_INTERNED_MAX + 1];
  size_t lengths[] = {0, 1, 7, 8, 9, 15, 16, 17, 64, 1000, 100000, LIDO_INTERNED_MAX};
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7 + 1);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t count = 1;
    lido_interned value = lido_intern_bytes(intern, bytes, lengths[i]);
    CHECK_EQ(lido_intern_bytes(intern, bytes, lengths[i]).bits, value.bits);
    CHECK_EQ(lido_intern_find(intern, bytes, lengths[i]).bits, value.bits);
    const unsigned char *held = lido_interned_bytes(value, &count);
    CHECK_EQ(count, lengths[i]);
    CHECK(memcmp(held, bytes, count) == 0);
    CHECK_EQ(held[count], 0);
    CHECK_EQ((uintptr_t)held % 16, 0);
    for (int reference = 0; reference < 3; reference++) lido_interned_release(value);
    CHECK_NULL(lido_interned_bytes(value, &count));
    CHECK_EQ(count, 0);
  }
  errno = 0;
  CHECK_EQ(lido_intern_bytes(intern, bytes, sizeof bytes).bits, 0);
  CHECK_EQ(errno, EMSGSIZE);
  end(intern, 0);
}

typedef struct point {
  int x;
  int y;
} point;

LIDO_INTERN_DEFINE(point, point)

TEST(interns, structs_are_bytes) {
  lido_intern *intern = begin();
  point_interned a = point_intern(intern, &(point){1, 2});
  point_interned b = point_intern(intern, &(point){1, 2});
  point_interned c = point_intern(intern, &(point){2, 1});
  CHECK(point_interned_equal(a, b));
  CHECK(!point_interned_equal(a, c));
  CHECK_EQ(point_interned_get(c)->x, 2);
  point_interned_release(point_interned_retain(a));
  point_interned_release(a);
  point_interned_release(b);
  point_interned_release(c);
  end(intern, 0);
}

TEST(interns, of_many_values_nothing_stays) {
  lido_intern *intern = begin();
  enum { VALUES = 50000 };
  static lido_interned values[VALUES];
  uint64_t reserved[2];
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < VALUES; i++) values[i] = lido_intern_bytes(intern, &i, sizeof i);
    CHECK_EQ(stats_of(intern).values, VALUES);
    CHECK_NULL(lido_intern_check(intern));
    for (uint32_t i = 0; i < VALUES; i++) lido_interned_release(values[i]);
    CHECK_EQ(stats_of(intern).values, 0);
    lido_guard_synchronize();
    lido_intern_trim(intern);
    reserved[round] = stats_of(intern).bytes_reserved;
  }
  CHECK_EQ(reserved[0], reserved[1]);
  CHECK_LE(reserved[1], 65536);
  end(intern, 0);
}

TEST(interns, the_end_of_a_table_ends_its_values) {
  lido_intern *intern = begin();
  lido_interned value = lido_intern_text(intern, "still here");
  end(intern, 1);
  CHECK_NULL(lido_interned_text(value));
  CHECK_EQ(lido_intern_destroy(NULL), 0);
}

TEST(interns, handles_of_two_tables_differ) {
  lido_intern *one = begin();
  lido_intern *other = begin();
  lido_interned a = lido_intern_text(one, "same text");
  lido_interned b = lido_intern_text(other, "same text");
  CHECK(!lido_interned_equal(a, b));
  lido_interned_release(a);
  lido_interned_release(b);
  end(one, 0);
  end(other, 0);
}

TEST(interns, a_long_name_is_cut) {
  char name[101];
  memset(name, 'n', 100);
  name[100] = 0;
  lido_intern *intern = lido_intern_create(&(lido_intern_options){.name = name});
  lido_intern *plain = begin();
  memset(name, 'x', 100);
  CHECK_EQ(strlen(lido_intern_name(intern)), 63);
  CHECK_EQ(strspn(lido_intern_name(intern), "n"), 63);
  CHECK_TEXT(lido_intern_name(plain), "intern");
  lido_interned_release(lido_intern_text(intern, "text"));
  end(intern, 0);
  end(plain, 0);
}
