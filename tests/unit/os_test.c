/* os_test.c: what Lido asks of the system. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/os/local_socket.h"
#include "lib/os/os.h"
#include "tests/support/cancelled.h"
#include "tests/support/descriptors_most.h"
#include "tests/support/objects.h"

TEST(os, a_page_has_a_power_of_two_of_bytes) {
  size_t page = lido_os_page_bytes();
  CHECK_GE(page, 4096);
  CHECK_EQ(page & (page - 1), 0);
}

TEST(os, pages_are_zeroed_aligned_and_usable) {
  size_t page = lido_os_page_bytes();
  for (size_t align = 1; align <= (size_t)1 << 26; align *= 4) {
    for (size_t bytes = page; bytes <= 64 * page; bytes *= 4) {
      unsigned char *pages = lido_os_pages_map(bytes, align);
      CHECK_NOT_NULL(pages);
      CHECK_EQ((uintptr_t)pages % align, 0);
      CHECK(objects_are_all(pages, bytes, 0));
      memset(pages, 0xff, bytes);
      lido_os_pages_unmap(pages, bytes);
    }
  }
}

static size_t mapped_pages(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  size_t pages = 0;
  if (file != NULL) {
    if (fscanf(file, "%zu", &pages) != 1) pages = 0;
    fclose(file);
  }
  return pages;
}

TEST(os, of_pages_mapped_for_their_alignment_nothing_stays) {
  size_t align = (size_t)1 << 24;
  size_t before = 0;
  for (int i = 0; i < 50; i++) {
    void *pages = lido_os_pages_map(align, align);
    CHECK_NOT_NULL(pages);
    lido_os_pages_unmap(pages, align);
    if (i == 2) before = mapped_pages();
  }
  CHECK_LE(mapped_pages(), before + align / lido_os_page_bytes());
}

TEST(os, purged_pages_stay_usable) {
  size_t bytes = 16 * lido_os_page_bytes();
  unsigned char *pages = lido_os_pages_map(bytes, 1);
  CHECK_NOT_NULL(pages);
  memset(pages, 0xff, bytes);
  errno = 4242;
  lido_os_pages_purge(pages, bytes);
  lido_os_pages_want_huge(pages, bytes);
  CHECK_EQ(errno, 4242);
  memset(pages, 0x11, bytes);
  CHECK(objects_are_all(pages, bytes, 0x11));
  lido_os_pages_unmap(pages, bytes);
}

TEST(os, more_than_there_is_can_not_be_mapped) {
  static const size_t vast[] = {(size_t)1 << 60, SIZE_MAX - 4095, SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof vast / sizeof vast[0]; i++) {
    CHECK_FAILS(lido_os_pages_map(vast[i], 1), ENOMEM);
    CHECK_FAILS(lido_os_pages_map(vast[i], (size_t)1 << 24), ENOMEM);
  }
}

TEST(os, the_clock_does_not_go_back) {
  uint64_t last = lido_os_now_ns();
  CHECK_GT(last, 0);
  for (int i = 0; i < 100000; i++) {
    uint64_t now = lido_os_now_ns();
    CHECK_GE(now, last);
    last = now;
  }
}

TEST(os, a_condition_waits_no_shorter_than_asked_and_no_longer_than_needed) {
  lido_lock lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);
  lido_os_condition condition;
  lido_os_condition_init(&condition);
  lido_lock_take(&lock);
  uint64_t deadline = lido_os_now_ns() + 5000000;
  while (lido_os_condition_wait(&condition, &lock, deadline)) { /* may wake for no reason */
  }
  CHECK_GE(lido_os_now_ns(), deadline);
  CHECK(!lido_os_condition_wait(&condition, &lock, 1)); /* long past */
  lido_lock_give(&lock);
  lido_os_condition_end(&condition);
}

typedef struct baton {
  lido_lock lock;
  lido_os_condition condition;
  int turn; /* under the lock */
} baton;

static void *answer(void *argument) {
  baton *b = argument;
  lido_lock_take(&b->lock);
  for (int i = 0; i < 100; i++) {
    while (b->turn != 1) lido_os_condition_wait(&b->condition, &b->lock, UINT64_MAX);
    b->turn = 0;
    lido_os_condition_wake_all(&b->condition);
  }
  lido_lock_give(&b->lock);
  return NULL;
}

TEST(os, a_condition_wakes_who_waits) {
  baton b = {.turn = 0};
  lido_lock_init(&b.lock, LIDO_RANK_LEAF);
  lido_os_condition_init(&b.condition);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, answer, &b), 0);
  lido_lock_take(&b.lock);
  for (int i = 0; i < 100; i++) {
    b.turn = 1;
    lido_os_condition_wake_all(&b.condition);
    while (b.turn != 0) lido_os_condition_wait(&b.condition, &b.lock, UINT64_MAX);
  }
  lido_lock_give(&b.lock);
  pthread_join(thread, NULL);
  lido_os_condition_end(&b.condition);
  lido_lock_end(&b.lock);
}

/* ---- Threads and events ---- */

typedef struct thread_note {
  lido_os_thread thread;
  bool is_this;
  int blocked; /* is a signal of the program's? */
} thread_note;

static void *note_thread(void *argument) {
  thread_note *note = argument;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  note->is_this = lido_os_thread_is_this(pthread_self());
  note->blocked = sigismember(&mask, SIGUSR1);
  return NULL;
}

TEST(os, a_thread_of_lidos_takes_no_signals) {
  thread_note note = {.is_this = false};
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  CHECK_EQ(lido_os_thread_start(&note.thread, note_thread, &note), 0);
  CHECK(!lido_os_thread_is_this(note.thread));
  lido_os_thread_join(note.thread);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK(note.is_this);
  CHECK_EQ(note.blocked, 1);
  CHECK_EQ(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
}

static bool is_readable(int event) {
  struct pollfd poller = {.fd = event, .events = POLLIN};
  return poll(&poller, 1, 0) == 1 && (poller.revents & POLLIN) != 0;
}

TEST(os, an_event_is_readable_while_it_is_raised) {
  int event = lido_os_event_open();
  CHECK_GE(event, 0);
  errno = 4242;
  for (int round = 0; round < 3; round++) {
    CHECK(!is_readable(event));
    lido_os_event_raise(event);
    lido_os_event_raise(event);
    CHECK(is_readable(event));
    lido_os_event_lower(event);
    CHECK(!is_readable(event));
    lido_os_event_lower(event);
  }
  CHECK_EQ(errno, 4242);
  lido_os_event_close(event);
}

TEST(os, a_renewed_event_is_another_under_the_same_number) {
  int event = lido_os_event_open();
  int shared = dup(event);
  lido_os_event_raise(event);
  CHECK(lido_os_event_renew(event));
  CHECK(!is_readable(event));
  CHECK(is_readable(shared));
  lido_os_event_raise(event);
  lido_os_event_lower(shared);
  CHECK(is_readable(event));
  CHECK(!is_readable(shared));
  lido_os_event_close(event);
  close(shared);
}

/* ---- The exit hook ---- */

#if defined(__SANITIZE_THREAD__) || defined(LIDO_TSAN)
enum { ROUNDS = 2 }; /* in later ones ThreadSanitizer has ended its own part of the thread */
#else
enum { ROUNDS = 4 };
#endif

enum { KEYS = 100 };

typedef struct exit_note {
  pthread_key_t key;
  int round;     /* the key's destructor's */
  int arm_in;    /* round */
  int called_in; /* 0: not yet */
} exit_note;

static void note_exit(void *value) {
  exit_note *note = value;
  note->called_in = note->round;
}

static lido_os_exit_hook noting_hook = {.call = note_exit};

static void on_key(void *value) {
  exit_note *note = value;
  if (++note->round == note->arm_in) lido_os_thread_exit_arm(&noting_hook, note);
  if (note->round < ROUNDS) pthread_setspecific(note->key, note);
}

static void *exit_with_key(void *argument) {
  exit_note *note = argument;
  pthread_setspecific(note->key, note);
  return NULL;
}

TEST(os, an_exit_hook_is_called_in_the_round_that_arms_it_the_last_one_too) {
  pthread_key_t keys[KEYS];
  exit_note first = {.arm_in = 1};
  CHECK_EQ(pthread_key_create(&first.key, on_key), 0);
  objects_in_thread(exit_with_key, &first); /* makes the hook's key */
  for (int i = 0; i < KEYS; i++) CHECK_EQ(pthread_key_create(&keys[i], on_key), 0);
  for (int round = 1; round <= ROUNDS; round++) {
    for (int i = 0; i < KEYS; i += 33) {
      exit_note note = {.key = keys[i], .arm_in = round};
      objects_in_thread(exit_with_key, &note);
      CHECK_EQ(note.called_in, round);
    }
  }
  for (int i = 0; i < KEYS; i++) pthread_key_delete(keys[i]);
}

/* ThreadSanitizer takes a thread that ended just before the fork for one that the child should have joined. */
#if !defined(__SANITIZE_THREAD__) && !defined(LIDO_TSAN)

enum { FORKS = 10, HOOKS = 100 };

static lido_os_exit_hook first_hook = {.call = note_exit};

typedef struct arming {
  lido_os_exit_hook hooks[HOOKS];
  pthread_barrier_t meet;
} arming;

/* Each takes a while to get its key. */
static void *arm_some(void *argument) {
  arming *a = argument;
  exit_note note = {.round = 0};
  pthread_barrier_wait(&a->meet);
  for (size_t i = 0; i < HOOKS; i++) {
    a->hooks[i].call = note_exit;
    lido_os_thread_exit_arm(&a->hooks[i], &note);
    pthread_setspecific(a->hooks[i].key, NULL);
  }
  return NULL;
}

TEST(os, a_hook_may_be_armed_in_the_child_of_a_fork_that_came_while_another_thread_did_so) {
  static arming armings[FORKS];
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64}); /* joins the fork hooks */
  CHECK_NOT_NULL(pool);
  exit_note note = {.round = 0};
  for (size_t i = 0; i < FORKS; i++) {
    arming *a = &armings[i];
    pthread_barrier_init(&a->meet, NULL, 2);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, arm_some, a), 0);
    pthread_barrier_wait(&a->meet);
    pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(lido_os_thread_exit_arm(&first_hook, &note));
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&a->meet);
    for (size_t h = 0; h < HOOKS; h++) pthread_key_delete(a->hooks[h].key);
    CHECK_EQ(status, 0);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#endif

TEST(os, a_hook_of_a_later_turn_is_called_after_the_others) {
  static lido_os_exit_hook late = {.call = note_exit, .turn = 1};
  static lido_os_exit_hook early = {.call = note_exit};
  exit_note note = {.round = 0};
  CHECK_EQ(lido_os_thread_exit_arm(&late, &note), 0);
  CHECK_EQ(lido_os_thread_exit_arm(&early, &note), 0);
  CHECK_LT(early.key, late.key);
  pthread_setspecific(late.key, NULL);
  pthread_setspecific(early.key, NULL);
}

TEST(os, a_tick_is_not_far_from_now) {
  uint64_t tick = lido_os_tick_ns();
  uint64_t now = lido_os_now_ns();
  CHECK_LE(tick, now);
  CHECK_LE(now - tick, UINT64_C(1000000000));
}

TEST(os, chance_does_not_repeat_itself) { CHECK_NE(lido_os_random(), lido_os_random()); }

static int ends_noted;

static void note_end(void *argument) { ends_noted += *(int *)argument; }
static void end_thread(void *argument) {
  if (*(int *)argument == 2) pthread_exit(NULL);
}

static void *call_to_its_end(void *argument) {
  lido_os_call_to_its_end(end_thread, note_end, argument);
  return NULL;
}

TEST(os, a_call_that_ends_its_thread_is_noticed) {
  ends_noted = 0;
  for (int way = 1; way <= 2; way++) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, call_to_its_end, &way), 0);
    pthread_join(thread, NULL);
  }
  CHECK_EQ(ends_noted, 2);
}

/* ---- Cancellation ---- */

static void *rest(void *argument) {
  pthread_barrier_wait(argument);
  return NULL;
}

/* The join has to wait, or may: either way it is a cancellation point of the system's. */
static void start_and_join(void *argument) {
  pthread_barrier_t meet;
  lido_os_thread thread;
  (void)argument;
  pthread_barrier_init(&meet, NULL, 2);
  if (lido_os_thread_start(&thread, rest, &meet) != 0) abort();
  pthread_barrier_wait(&meet);
  lido_os_thread_join(thread);
  pthread_barrier_destroy(&meet);
}

static void use_an_event(void *argument) {
  int event = lido_os_event_open();
  (void)argument;
  lido_os_event_raise(event);
  lido_os_event_lower(event);
  lido_os_event_renew(event);
  lido_os_event_close(event);
}

static void read_what_the_system_says(void *argument) {
  lido_os_memory memory;
  (void)argument;
  lido_os_memory_read("", &memory);
  lido_os_resident_bytes();
  lido_os_random();
}

static void write_a_word(void *argument) { lido_os_write_all(*(const int *)argument, "word", 4); }

static void wait_shortly(void *argument) {
  lido_lock lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);
  lido_os_condition condition;
  (void)argument;
  lido_os_condition_init(&condition);
  lido_lock_take(&lock);
  lido_os_condition_wait(&condition, &lock, 1);
  lido_lock_give(&lock);
  lido_os_condition_end(&condition);
}

TEST(os, who_is_cancelled_ends_in_no_function_of_lidos) {
  int ends[2];
  char word[5] = "";
  CHECK_EQ(pipe(ends), 0);
  CHECK(returns_when_cancelled(start_and_join, NULL));
  CHECK(returns_when_cancelled(use_an_event, NULL));
  CHECK(returns_when_cancelled(read_what_the_system_says, NULL));
  CHECK(returns_when_cancelled(write_a_word, &ends[1]));
  CHECK(returns_when_cancelled(wait_shortly, NULL));
  CHECK_EQ(read(ends[0], word, 4), 4);
  CHECK_TEXT(word, "word");
  close(ends[0]);
  close(ends[1]);
}

static void turn_off_twice(void *argument) {
  int outer = lido_os_cancel_off();
  int inner = lido_os_cancel_off();
  lido_os_cancel_restore(inner);
  pthread_testcancel(); /* still off */
  lido_os_cancel_restore(outer);
  *(bool *)argument = true;
  pthread_testcancel();
  *(bool *)argument = false;
}

TEST(os, cancellation_is_off_until_the_outermost_pair_ends) {
  bool came_there = false;
  CHECK(!returns_when_cancelled(turn_off_twice, &came_there));
  CHECK(came_there);
}

/* ---- Polls ---- */

TEST(os, items_without_a_descriptor_do_not_count_against_the_limit) {
  struct rlimit before;
  struct pollfd items[10];
  int ends[2];
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  CHECK_EQ(pipe(ends), 0);
  for (int i = 0; i < 10; i++) items[i] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = POLLERR};
  items[3].fd = ends[0];
  items[7] = (struct pollfd){.fd = ends[1], .events = POLLOUT};
  set_descriptors_most(2);
  lido_os_poll(items, 10, UINT64_MAX);
  set_descriptors_most(before.rlim_cur);
  for (int i = 0; i < 10; i++) CHECK_EQ(items[i].revents, i == 7 ? POLLOUT : 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(os, a_poll_that_is_refused_takes_its_time_and_has_no_event) {
  enum { WAIT_NS = 20000000 };
  struct rlimit before;
  int ends[2];
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  CHECK_EQ(pipe(ends), 0);
  struct pollfd item = {.fd = ends[1], .events = POLLOUT, .revents = POLLOUT};
  uint64_t begin = lido_os_now_ns();
  set_descriptors_most(0);
  lido_os_poll(&item, 1, begin + WAIT_NS);
  uint64_t first_end = lido_os_now_ns();
  lido_os_poll(&item, 1, UINT64_MAX);
  uint64_t second_end = lido_os_now_ns();
  set_descriptors_most(before.rlim_cur);
  CHECK_EQ(item.revents, 0);
  CHECK_GE(first_end - begin, WAIT_NS);
  CHECK_GE(second_end - first_end, WAIT_NS);
  close(ends[0]);
  close(ends[1]);
}
