/* testing.h: one way to write a test, two ways to run it.
 *
 *     TEST(options, an_object_of_no_bytes_is_refused) {
 *       CHECK_FAILS(lido_pool_create(&(lido_pool_options){0}), EINVAL);
 *     }
 *
 * With LIDO_TEST_CRITERION each test is one of Criterion's, in a process of its own. Without it the tests are
 * linked with plain_runner.c and run one after the other in one process, which is what ThreadSanitizer and
 * Valgrind can follow. Names are sentences.
 *
 * Rules
 *   A check evaluates its arguments once, and ends the test when it does not hold.
 *   Only the thread that runs the test may check; other threads leave a result, checked after the join.
 *   A process that a test forks ends with _exit().
 *   Nothing waits for time to pass: threads meet at barriers, joins and conditions.
 *
 * Environment
 *   LIDO_SEED        seed of everything random; printed first by whoever uses it
 *   LIDO_TEST_SCALE  multiplies the number of rounds of the long tests (0.1 = a tenth)
 *   LIDO_TEST_HEAP_MEAN  the heap profile is on, with so many bytes from sample to sample
 */
#ifndef LIDO_TESTS_SUPPORT_TESTING_H
#define LIDO_TESTS_SUPPORT_TESTING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef LIDO_TEST_CRITERION

#include <criterion/criterion.h>

#define TEST(suite, name) Test(suite, name)
/* Criterion's own comparisons are not used: gt and ge of its new interface are wrong in 2.4.1. */
#define TESTING_FAIL(...) cr_assert(0, __VA_ARGS__)

#else

typedef struct testing_test {
  const char *suite;
  const char *name;
  const char *file;
  int line;
  void (*run)(void);
  struct testing_test *next;
} testing_test;

void testing_register(testing_test *test);

_Noreturn __attribute__((format(printf, 3, 4))) void testing_fail(const char *file, int line, const char *format, ...);

#define TEST(test_suite, test_name)                                                                            \
  static void test_suite##__##test_name(void);                                                                 \
  __attribute__((constructor)) static void test_suite##__##test_name##__register(void) {                       \
    static testing_test test = {#test_suite, #test_name, __FILE__, __LINE__, test_suite##__##test_name, NULL}; \
    testing_register(&test);                                                                                   \
  }                                                                                                            \
  static void test_suite##__##test_name(void)

#define TESTING_FAIL(...) testing_fail(__FILE__, __LINE__, __VA_ARGS__)

#endif

/* ---- Checks -------------------------------------------------------------------------------------------- */

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) TESTING_FAIL("not so: %s", #condition); \
  } while (0)

/* Integers. */
#define CHECK_EQ(actual, expected) TESTING_COMPARE(actual, ==, expected)
#define CHECK_NE(actual, expected) TESTING_COMPARE(actual, !=, expected)
#define CHECK_LT(actual, expected) TESTING_COMPARE(actual, <, expected)
#define CHECK_LE(actual, expected) TESTING_COMPARE(actual, <=, expected)
#define CHECK_GT(actual, expected) TESTING_COMPARE(actual, >, expected)
#define CHECK_GE(actual, expected) TESTING_COMPARE(actual, >=, expected)

#define TESTING_COMPARE(actual, operator, expected)                                                             \
  do {                                                                                                          \
    long long testing_left = (long long)(actual);                                                               \
    long long testing_right = (long long)(expected);                                                            \
    if (!(testing_left operator testing_right)) {                                                               \
      TESTING_FAIL("not so: %s %s %s: %lld, %lld", #actual, #operator, #expected, testing_left, testing_right); \
    }                                                                                                           \
  } while (0)

#define CHECK_NULL(pointer)                                                                     \
  do {                                                                                          \
    const void *testing_pointer = (pointer);                                                    \
    if (testing_pointer != NULL) TESTING_FAIL("%s is %p, not NULL", #pointer, testing_pointer); \
  } while (0)

#define CHECK_NOT_NULL(pointer)                                                   \
  do {                                                                            \
    if ((pointer) == NULL) TESTING_FAIL("%s is NULL, errno %d", #pointer, errno); \
  } while (0)

#define CHECK_SAME(actual, expected)                                                             \
  do {                                                                                           \
    const void *testing_left = (actual);                                                         \
    const void *testing_right = (expected);                                                      \
    if (testing_left != testing_right) {                                                         \
      TESTING_FAIL("not so: %s is %s: %p, %p", #actual, #expected, testing_left, testing_right); \
    }                                                                                            \
  } while (0)

#define CHECK_TEXT(actual, expected)                                                                              \
  do {                                                                                                            \
    const char *testing_left = (actual);                                                                          \
    const char *testing_right = (expected);                                                                       \
    if (testing_left == NULL || strcmp(testing_left, testing_right) != 0) {                                       \
      TESTING_FAIL("%s is\n#   \"%s\", not\n#   \"%s\"", #actual, testing_left == NULL ? "(null)" : testing_left, \
                   testing_right);                                                                                \
    }                                                                                                             \
  } while (0)

/* A call that returns a pointer fails with this errno. */
#define CHECK_FAILS(call, expected_errno)                                                    \
  do {                                                                                       \
    errno = 0;                                                                               \
    const void *testing_result = (call);                                                     \
    int testing_errno = errno;                                                               \
    if (testing_result != NULL) TESTING_FAIL("%s gave %p, not NULL", #call, testing_result); \
    if (testing_errno != (expected_errno))                                                   \
      TESTING_FAIL("%s: errno is %d, not %s", #call, testing_errno, #expected_errno);        \
  } while (0)

/* The pool's own invariants hold. */
#define CHECK_SOUND(pool)                                                      \
  do {                                                                         \
    const char *testing_broken = lido_pool_check(pool);                        \
    if (testing_broken != NULL) TESTING_FAIL("%s: %s", #pool, testing_broken); \
  } while (0)

/* ---- Environment --------------------------------------------------------------------------------------- */

/* `count` times LIDO_TEST_SCALE, at least 1. */
size_t testing_scaled(size_t count);

/* LIDO_SEED, or one from the clock; printed. */
uint64_t testing_seed(void);

/* Is this Valgrind? Then pools keep nothing in thread caches, so that it sees each object. */
bool testing_on_valgrind(void);

#endif
