/* cleanups_test.c: functions that are called when an object of a pool with handles has died. */
#include "lib/refs/cleanup_nodes.h"
#include "tests/support/cleanup_trace.h"
#include "tests/support/random.h"

enum { BYTES = 64 };

static lido_pool *make_pool(lido_pool_options options) {
  options.name = "mourned";
  options.object_size = options.object_size != 0 ? options.object_size : BYTES;
  options.flags |= LIDO_POOL_HANDLES;
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_pool *with_handles(void) { return make_pool((lido_pool_options){0}); }

static lido_cleanup note_at_end(void *object, char letter) {
  lido_cleanup cleanup = lido_cleanup_add_copy(object, note_letter, &letter, 1);
  CHECK_NE(cleanup.bits, 0);
  return cleanup;
}

static void count_call(void *arg) { ++*(size_t *)arg; }

TEST(cleanups, run_newest_first_when_the_last_reference_goes) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  trace_begin();
  for (char letter = 'a'; letter <= 'z'; letter++) note_at_end(object, letter);
  CHECK_EQ(numbers().cleanups, 26);
  CHECK_REFS();
  lido_retain(object);
  lido_release(object);
  CHECK_EQ(trace.count, 0);
  lido_release(object);
  CHECK_TEXT(trace.text, "zyxwvutsrqponmlkjihgfedcba");
  CHECK_EQ(numbers().cleanups, 0);
  end(pool);
}

TEST(cleanups, run_at_a_free_and_at_the_end_of_the_pool) {
  lido_pool *pool = with_handles();
  trace_begin();
  void *object = lido_pool_alloc(pool);
  note_at_end(object, 'f');
  lido_pool_free(pool, object);
  CHECK_TEXT(trace.text, "f");
  note_at_end(lido_pool_alloc(pool), 'e');
  CHECK_EQ(lido_pool_destroy(pool), 1);
  CHECK_TEXT(trace.text, "fe");
  CHECK_EQ(numbers().cleanups, 0);
  CHECK_REFS();
}

TEST(cleanups, of_one_life_do_not_run_in_the_next) {
  lido_pool *pool = with_handles();
  size_t calls = 0;
  for (size_t life = 1; life <= 1000; life++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
    lido_release(object);
    CHECK_EQ(calls, life);
    lido_release(lido_pool_alloc(pool));
    CHECK_EQ(calls, life);
  }
  end(pool);
}

static void destroy_noting(void *object, void *context) {
  char letter = 'D';
  lido_weak weak = *(const lido_weak *)object;
  if (lido_weak_get(weak) != NULL) letter = '!';
  (void)context;
  note_letter(&letter);
}

TEST(cleanups, run_after_the_destructor_with_handles_failing_since_before) {
  lido_pool *pool = make_pool((lido_pool_options){.destroy = destroy_noting});
  lido_weak *object = lido_pool_alloc(pool);
  *object = lido_weak_make(object);
  trace_begin();
  note_at_end(object, 'a');
  note_at_end(object, 'b');
  lido_release(object);
  CHECK_TEXT(trace.text, "Dba");
  end(pool);
}

/* ---- What they are given ---- */

static struct {
  unsigned char seen[LIDO_CLEANUP_COPY_MAX];
  size_t bytes;
  bool aligned;
  bool same;
} copy;

static void look_at_copy(void *arg) {
  copy.aligned = (uintptr_t)arg % 8 == 0;
  memcpy(copy.seen, arg, copy.bytes);
}

TEST(cleanups, a_copy_of_any_size_is_made_when_it_is_added_and_is_aligned) {
  lido_pool *pool = with_handles();
  for (size_t bytes = 0; bytes <= LIDO_CLEANUP_COPY_MAX; bytes++) {
    unsigned char data[LIDO_CLEANUP_COPY_MAX];
    unsigned char expected[LIDO_CLEANUP_COPY_MAX];
    objects_fill(data, sizeof data, bytes);
    memcpy(expected, data, sizeof expected);
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add_copy(object, look_at_copy, bytes != 0 ? data : NULL, bytes).bits, 0);
    memset(data, 0, sizeof data);
    copy.bytes = bytes;
    copy.aligned = false;
    lido_release(object);
    CHECK(copy.aligned);
    CHECK_EQ(memcmp(copy.seen, expected, bytes), 0);
  }
  end(pool);
}

static void look_at_pointer(void *arg) { copy.same = arg == &copy; }

TEST(cleanups, a_pointer_is_given_as_it_is) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  copy.same = false;
  CHECK_NE(lido_cleanup_add(object, look_at_pointer, &copy).bits, 0);
  CHECK_NE(lido_cleanup_add(object, note_letter, "n").bits, 0);
  lido_release(object);
  CHECK(copy.same);
  end(pool);
}

/* ---- What is refused ---- */

#define CHECK_REFUSED(call, expected_errno) \
  do {                                      \
    errno = 0;                              \
    CHECK_EQ((call).bits, 0);               \
    CHECK_EQ(errno, expected_errno);        \
  } while (0)

TEST(cleanups, an_argument_inside_the_object_is_refused) {
  lido_pool *pool = with_handles();
  char *object = lido_pool_alloc(pool);
  size_t calls = 0;
  CHECK_REFUSED(lido_cleanup_add(object, count_call, object), EINVAL);
  CHECK_REFUSED(lido_cleanup_add(object, count_call, object + 1), EINVAL);
  CHECK_REFUSED(lido_cleanup_add(object, count_call, object + BYTES - 1), EINVAL);
  errno = 4242;
  CHECK_NE(lido_cleanup_stop(lido_cleanup_add(object, count_call, object + BYTES)), LIDO_CLEANUP_NOT_FOUND);
  CHECK_NE(lido_cleanup_stop(lido_cleanup_add(object, count_call, object - 1)), LIDO_CLEANUP_NOT_FOUND);
  CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
  CHECK_EQ(errno, 4242);
  lido_release(object);
  CHECK_EQ(calls, 1);
  end(pool);
}

TEST(cleanups, nothing_and_too_much_are_refused) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  char data[LIDO_CLEANUP_COPY_MAX + 1] = {0};
  CHECK_REFUSED(lido_cleanup_add(NULL, count_call, data), EINVAL);
  CHECK_REFUSED(lido_cleanup_add(object, NULL, data), EINVAL);
  CHECK_REFUSED(lido_cleanup_add_copy(NULL, count_call, data, 1), EINVAL);
  CHECK_REFUSED(lido_cleanup_add_copy(object, NULL, data, 1), EINVAL);
  CHECK_REFUSED(lido_cleanup_add_copy(object, count_call, data, sizeof data), EINVAL);
  CHECK_EQ(numbers().cleanups, 0);
  lido_release(object);
  end(pool);
}

TEST(cleanups, what_is_no_live_object_is_misuse) {
  lido_pool *pool = with_handles();
  lido_pool *plain = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  char *object = lido_pool_alloc(pool);
  void *stranger = lido_pool_alloc(plain);
  size_t calls = 0;
  misuse_log log;
  misuse_log_start(&log);
  CHECK_REFUSED(lido_cleanup_add(object + 8, count_call, &calls), EINVAL);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_INTERIOR);
  CHECK_REFUSED(lido_cleanup_add(&log, count_call, &calls), EINVAL);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  CHECK_REFUSED(lido_cleanup_add(stranger, count_call, &calls), EINVAL);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  CHECK_EQ(log.count, 3);
#if LIDO_CHECKS != LIDO_CHECKS_NONE
  lido_pool_free(pool, object);
  CHECK_REFUSED(lido_cleanup_add(object, count_call, &calls), EINVAL);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DEAD_OBJECT);
  CHECK_EQ(log.count, 4);
#else
  lido_pool_free(pool, object);
#endif
  misuse_log_stop();
  lido_pool_free(plain, stranger);
  CHECK_EQ(lido_pool_destroy(plain), 0);
  end(pool);
  CHECK_EQ(calls, 0);
}

static int errno_while_dying;

static void add_to_the_dying(void *object, void *context) {
  errno = 0;
  lido_cleanup cleanup = lido_cleanup_add(object, count_call, context);
  errno_while_dying = cleanup.bits == 0 ? errno : 0;
}

TEST(cleanups, the_dying_take_no_more) {
  size_t calls = 0;
  for (int has_one = 0; has_one < 2; has_one++) {
    lido_pool *pool = make_pool((lido_pool_options){.destroy = add_to_the_dying, .context = &calls});
    void *object = lido_pool_alloc(pool);
    if (has_one) CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
    errno_while_dying = 0;
    lido_release(object);
    CHECK_EQ(errno_while_dying, ESTALE);
    CHECK_EQ(calls, has_one);
    end(pool);
  }
}

/* ---- Stopping ---- */

TEST(cleanups, a_stopped_one_does_not_run) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  lido_cleanup cleanups[5];
  lido_weak_stats before = numbers();
  trace_begin();
  for (int i = 0; i < 5; i++) cleanups[i] = note_at_end(object, (char)('a' + i));
  static const int stopped[] = {4, 1, 0}; /* the newest, one in between, the oldest */
  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(lido_cleanup_stop(cleanups[stopped[i]]), LIDO_CLEANUP_STOPPED);
    CHECK_REFS();
  }
  CHECK_EQ(lido_cleanup_stop(cleanups[1]), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(numbers().cleanups, 2);
  CHECK_EQ(numbers().cleanups_stopped, before.cleanups_stopped + 3);
  CHECK_EQ(numbers().cleanups_run, before.cleanups_run);
  lido_release(object);
  CHECK_TEXT(trace.text, "dc");
  CHECK_EQ(numbers().cleanups_registered, before.cleanups_registered + 5);
  CHECK_EQ(numbers().cleanups_run, before.cleanups_run + 2);
  end(pool);
}

TEST(cleanups, all_may_be_stopped_and_others_added) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  trace_begin();
  CHECK_EQ(lido_cleanup_stop(note_at_end(object, 'a')), LIDO_CLEANUP_STOPPED);
  CHECK_EQ(numbers().cleanups, 0);
  note_at_end(object, 'b');
  lido_release(object);
  CHECK_TEXT(trace.text, "b");
  object = lido_pool_alloc(pool);
  CHECK_EQ(lido_cleanup_stop(note_at_end(object, 'c')), LIDO_CLEANUP_STOPPED);
  lido_release(object);
  CHECK_TEXT(trace.text, "b");
  end(pool);
}

TEST(cleanups, stop_says_that_one_has_run_until_its_node_has_run_again) {
  lido_pool *pool = with_handles();
  size_t calls = 0;
  void *object = lido_pool_alloc(pool);
  lido_cleanup first = lido_cleanup_add(object, count_call, &calls);
  lido_release(object);
  CHECK_EQ(lido_cleanup_stop(first), LIDO_CLEANUP_RAN);
  CHECK_EQ(lido_cleanup_stop(first), LIDO_CLEANUP_RAN);
  object = lido_pool_alloc(pool);
  lido_cleanup second = lido_cleanup_add(object, count_call, &calls); /* the same node */
  CHECK_EQ((uint32_t)first.bits, (uint32_t)second.bits);
  CHECK_EQ(lido_cleanup_stop(first), LIDO_CLEANUP_RAN);
  CHECK_EQ(calls, 1);
  lido_release(object);
  CHECK_EQ(calls, 2);
  CHECK_EQ(lido_cleanup_stop(first), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(lido_cleanup_stop(second), LIDO_CLEANUP_RAN);
  end(pool);
}

static struct {
  lido_cleanup cleanup;
  lido_cleanup_outcome outcome;
} stopping;

static void stop_it(void *arg) {
  (void)arg;
  stopping.outcome = lido_cleanup_stop(stopping.cleanup);
}

TEST(cleanups, one_can_not_stop_itself) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  stopping.cleanup = lido_cleanup_add(object, stop_it, NULL);
  lido_release(object);
  CHECK_EQ(stopping.outcome, LIDO_CLEANUP_RUNNING);
  CHECK_EQ(lido_cleanup_stop(stopping.cleanup), LIDO_CLEANUP_RAN);
  end(pool);
}

TEST(cleanups, one_can_stop_another_that_comes_later_in_the_same_death) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  trace_begin();
  note_at_end(object, 'a');
  stopping.cleanup = note_at_end(object, 'b');
  note_at_end(object, 'c');
  CHECK_NE(lido_cleanup_add(object, stop_it, NULL).bits, 0);
  note_at_end(object, 'e');
  lido_release(object);
  CHECK_EQ(stopping.outcome, LIDO_CLEANUP_STOPPED);
  CHECK_TEXT(trace.text, "eca");
  CHECK_EQ(lido_cleanup_stop(stopping.cleanup), LIDO_CLEANUP_NOT_FOUND);
  end(pool);
}

static void stop_in_destructor(void *object, void *context) {
  (void)object;
  stop_it(context);
}

TEST(cleanups, a_destructor_can_stop_them) {
  lido_pool *pool = make_pool((lido_pool_options){.destroy = stop_in_destructor});
  void *object = lido_pool_alloc(pool);
  trace_begin();
  note_at_end(object, 'a');
  stopping.cleanup = note_at_end(object, 'b');
  lido_release(object);
  CHECK_EQ(stopping.outcome, LIDO_CLEANUP_STOPPED);
  CHECK_TEXT(trace.text, "a");
  end(pool);
}

TEST(cleanups, any_value_may_be_asked_about) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  trace_begin();
  lido_cleanup real = note_at_end(object, 'r');
  testing_random random = {testing_seed()};
  CHECK_EQ(lido_cleanup_stop((lido_cleanup){0}), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(lido_cleanup_stop((lido_cleanup){UINT64_MAX}), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(lido_cleanup_stop((lido_cleanup){real.bits & UINT32_MAX}), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(lido_cleanup_stop((lido_cleanup){real.bits + (UINT64_C(1) << 32)}), LIDO_CLEANUP_NOT_FOUND);
  for (int i = 0; i < 100000; i++) {
    lido_cleanup forged = {testing_next(&random)};
    if (i % 2) forged.bits &= UINT64_C(0x0000000f00000fff);
    if (forged.bits == real.bits) continue;
    lido_cleanup_outcome outcome = lido_cleanup_stop(forged);
    CHECK(outcome == LIDO_CLEANUP_NOT_FOUND || outcome == LIDO_CLEANUP_RAN);
  }
  lido_release(object);
  CHECK_TEXT(trace.text, "r");
  end(pool);
}

/* ---- Many ---- */

TEST(cleanups, an_object_may_have_very_many_and_each_may_be_stopped) {
  enum { MANY = 20000 };
  static lido_cleanup cleanups[MANY];
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  size_t calls = 0;
  for (size_t i = 0; i < MANY; i++) cleanups[i] = lido_cleanup_add(object, count_call, &calls);
  CHECK_REFS();
  CHECK_EQ(numbers().cleanups, MANY);
  for (size_t i = 0; i < MANY; i += 3) CHECK_EQ(lido_cleanup_stop(cleanups[i]), LIDO_CLEANUP_STOPPED);
  CHECK_REFS();
  size_t left = MANY - (MANY + 2) / 3;
  CHECK_EQ(numbers().cleanups, left);
  lido_release(object);
  CHECK_EQ(calls, left);
  end(pool);
}

/* A node whose generations are used up is not used again, and its last handle still tells the truth. */
TEST(cleanups, a_node_without_generations_is_retired) {
  lido_pool *pool = with_handles();
  size_t calls = 0;
  void *object = lido_pool_alloc(pool);
  lido_cleanup first = lido_cleanup_add(object, count_call, &calls);
  lido_release(object);
  lido_cleanup_node *node = lido_cleanup_node_named(first);
  uint64_t last = lido_generation_last(false);
  node->word = last << LIDO_GENERATION_SHIFT;
  object = lido_pool_alloc(pool);
  lido_cleanup final = lido_cleanup_add(object, count_call, &calls);
  CHECK_EQ(final.bits, last << 32 | (uint32_t)first.bits);
  lido_release(object);
  CHECK_EQ(calls, 2);
  CHECK_EQ(lido_cleanup_stop(final), LIDO_CLEANUP_RAN);
  object = lido_pool_alloc(pool);
  lido_cleanup next = lido_cleanup_add(object, count_call, &calls);
  CHECK_NE((uint32_t)next.bits, (uint32_t)first.bits);
  lido_release(object);
  CHECK_EQ(lido_cleanup_stop(final), LIDO_CLEANUP_RAN);
  end(pool);
}

/* ---- From inside ---- */

static lido_pool *inner_pool;
static size_t inner_wrong;

static void use_everything(void *arg) {
  void *other = *(void **)arg;
  void *fresh = lido_pool_alloc(inner_pool);
  lido_weak weak = lido_weak_make(fresh);
  inner_wrong += fresh == NULL || weak.bits == 0;
  note_at_end(fresh, 'f');
  note_at_end(other, 'o');
  inner_wrong += !lido_weak_kill(weak) || lido_weak_acquire(weak) != NULL;
  lido_release(fresh); /* dies when this has returned */
  inner_wrong += trace.count != 0;
  lido_release(other);
}

TEST(cleanups, may_allocate_add_kill_and_release_in_the_same_pool) {
  inner_pool = with_handles();
  inner_wrong = 0;
  trace_begin();
  void *object = lido_pool_alloc(inner_pool);
  void *other = lido_pool_alloc(inner_pool);
  CHECK_NE(lido_cleanup_add_copy(object, use_everything, &other, sizeof other).bits, 0);
  errno = 4242;
  lido_release(object);
  CHECK_EQ(errno, 4242);
  CHECK_EQ(inner_wrong, 0);
  CHECK_TEXT(trace.text, "fo");
  end(inner_pool);
}

static void leave_errno(void *arg) {
  (void)arg;
  errno = EXDEV;
}

TEST(cleanups, do_not_change_errno_for_who_releases) {
  lido_pool *pool = with_handles();
  void *object = lido_pool_alloc(pool);
  errno = 4242;
  CHECK_NE(lido_cleanup_add(object, leave_errno, NULL).bits, 0);
  lido_release(object);
  CHECK_EQ(errno, 4242);
  end(pool);
}

static void release_next(void *arg) { lido_release(*(void **)arg); }

/* Each object's cleanup releases the next: no stack, whatever the length. */
TEST(cleanups, a_chain_of_a_million_deaths_needs_no_stack) {
  size_t length = testing_on_valgrind() ? 1000 : 1000000;
  lido_pool *pool = make_pool((lido_pool_options){.object_size = 16});
  void *next = lido_pool_alloc(pool);
  for (size_t i = 1; i < length; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    CHECK_NE(lido_cleanup_add_copy(object, release_next, &next, sizeof next).bits, 0);
    next = object;
  }
  CHECK_EQ(numbers().cleanups, length - 1);
  lido_release(next);
  CHECK_EQ(objects_stats(pool).live, 0);
  end(pool);
}

/* ---- Guards ---- */

TEST(cleanups, of_guarded_objects_run_when_the_readers_have_left) {
  lido_pool *pool = make_pool((lido_pool_options){.flags = LIDO_POOL_GUARDED});
  void *object = lido_pool_alloc(pool);
  size_t calls = 0;
  lido_cleanup stopped = lido_cleanup_add(object, count_call, &calls);
  CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
  CHECK_NE(lido_weak_make(object).bits, 0);
  lido_guard_enter();
  lido_release(object);
  CHECK_EQ(calls, 0);
  CHECK_EQ(numbers().cleanups, 2);
  CHECK_REFUSED(lido_cleanup_add(object, count_call, &calls), ESTALE);
  CHECK_EQ(lido_cleanup_stop(stopped), LIDO_CLEANUP_STOPPED); /* the list is not closed yet */
  lido_guard_leave();
  lido_guard_collect();
  CHECK_EQ(calls, 1);
  end(pool);
}

/* ---- Threads ---- */

typedef struct heir {
  void *object;
  lido_cleanup cleanup;
  size_t calls;
} heir;

static void *add_and_exit(void *argument) {
  heir *h = argument;
  for (int i = 0; i < 1000; i++) lido_cleanup_stop(lido_cleanup_add(h->object, count_call, &h->calls));
  h->cleanup = lido_cleanup_add(h->object, count_call, &h->calls);
  return NULL;
}

TEST(cleanups, a_threads_nodes_stay_or_come_back_when_it_exits) {
  lido_pool *pool = with_handles();
  heir h = {.object = lido_pool_alloc(pool)};
  int64_t held = 0;
  for (size_t i = 1; i <= 50; i++) {
    objects_in_thread(add_and_exit, &h);
    CHECK_EQ(numbers().cleanups, i);
    CHECK_REFS();
    if (i == 2) held = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), held);
  CHECK_EQ(lido_cleanup_stop(h.cleanup), LIDO_CLEANUP_STOPPED);
  lido_release(h.object);
  CHECK_EQ(h.calls, 49);
  end(pool);
}

/* ---- Numbers ---- */

static void *register_and_run(void *arg) {
  lido_pool *pool = arg;
  for (int i = 0; i < 3; i++) {
    void *object = lido_pool_alloc(pool);
    static size_t calls;
    if (lido_cleanup_add(object, count_call, &calls).bits == 0) return pool;
    lido_release(object);
  }
  return NULL;
}

TEST(cleanups, what_a_thread_registered_and_ran_is_counted_when_it_is_gone) {
  lido_pool *pool = with_handles();
  lido_weak_stats before = numbers();
  for (int i = 0; i < 4; i++) objects_in_thread(register_and_run, pool);
  CHECK_EQ(numbers().cleanups_registered, before.cleanups_registered + 12);
  CHECK_EQ(numbers().cleanups_run, before.cleanups_run + 12);
  end(pool);
}
