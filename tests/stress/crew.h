/* crew.h: threads that start together and leave a result, and stamps that show who holds an object.
 *
 * A member of a crew never ends the test itself: it complains, everybody stops at the next look at
 * crew_goes_on(), and crew_end() gives the first complaint to the thread of the test.
 *
 * A stamp says whose an object is, and proves itself. Whoever holds an object stamps it, and verifies the
 * stamp before the object is freed or handed over; if it was handed out twice, the other holder's stamp
 * stands there. Stamps are plain stores: ThreadSanitizer sees two holders as a race.
 */
#ifndef LIDO_TESTS_STRESS_CREW_H
#define LIDO_TESTS_STRESS_CREW_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/objects.h"
#include "tests/support/random.h"

#define CREW_UNUSED __attribute__((unused))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(LIDO_ASAN) || defined(LIDO_TSAN)
#define CREW_SANITIZED 1 /* threads need more stack, calls are slower */
#else
#define CREW_SANITIZED 0
#endif

#if defined(__SANITIZE_THREAD__) || defined(LIDO_TSAN)
#define CREW_TSAN 1
#else
#define CREW_TSAN 0
#endif

enum { CREW_MOST = 320 };

/* ---- The crew ---- */

typedef struct crew crew;

typedef struct crew_member {
  crew *crew;
  void *shared; /* what crew_start() was given */
  size_t index;
  testing_random random;
  pthread_t thread;
} crew_member;

struct crew {
  size_t count;
  void (*work)(crew_member *me);
  pthread_barrier_t start;
  int broken;          /* atomic: members that complained */
  char complaint[256]; /* the first one's */
  crew_member members[CREW_MOST];
};

static inline bool crew_goes_on(const crew *team) { return __atomic_load_n(&team->broken, __ATOMIC_ACQUIRE) == 0; }

static CREW_UNUSED void crew_complain(crew *team, const char *file, int line, const char *what) {
  if (__atomic_fetch_add(&team->broken, 1, __ATOMIC_ACQ_REL) != 0) return;
  snprintf(team->complaint, sizeof team->complaint, "%s:%d: not so: %s", file, line, what);
}

/* In a member: goes on after a complaint, so that barriers are met. -> whether it holds. */
#define CREW_HOLDS(team, condition) ((condition) ? true : (crew_complain(team, __FILE__, __LINE__, #condition), false))

static inline void crew_nothing(void *argument) { (void)argument; }

/* ThreadSanitizer keeps what cleanup_push needs in memory of each thread's, which it gets at the first one by a lock
 * that it does not hold over a fork. A member that has got it can't be caught by that lock in a child. */
static inline void crew_push_a_cleanup(void) {
  pthread_cleanup_push(crew_nothing, NULL);
  pthread_cleanup_pop(0);
}

static CREW_UNUSED void *crew_run_member(void *argument) {
  crew_member *me = argument;
  crew_push_a_cleanup();
  pthread_barrier_wait(&me->crew->start);
  me->crew->work(me);
  return NULL;
}

/* `stack_bytes` 0: the system's choice. Ends the process when there are no threads. */
static CREW_UNUSED void crew_start_on(crew *team, size_t count, size_t stack_bytes, uint64_t seed,
                                      void (*work)(crew_member *me), void *shared) {
  pthread_attr_t attributes;
  team->count = count;
  team->work = work;
  team->broken = 0;
  team->complaint[0] = '\0';
  pthread_barrier_init(&team->start, NULL, (unsigned)count);
  pthread_attr_init(&attributes);
  if (stack_bytes != 0 && pthread_attr_setstacksize(&attributes, stack_bytes) != 0) abort();
  for (size_t i = 0; i < count; i++) {
    crew_member *member = &team->members[i];
    *member = (crew_member){.crew = team, .shared = shared, .index = i, .random = {seed + i * 7919}};
    int error = pthread_create(&member->thread, &attributes, crew_run_member, member);
    if (error != 0) {
      fprintf(stderr, "tests: no thread: %s\n", strerror(error));
      abort();
    }
  }
  pthread_attr_destroy(&attributes);
}

static CREW_UNUSED void crew_start(crew *team, size_t count, uint64_t seed, void (*work)(crew_member *me),
                                   void *shared) {
  crew_start_on(team, count, 0, seed, work, shared);
}

/* Wait for all. -> NULL, or the first complaint. */
static CREW_UNUSED const char *crew_end(crew *team) {
  for (size_t i = 0; i < team->count; i++) pthread_join(team->members[i].thread, NULL);
  pthread_barrier_destroy(&team->start);
  return team->complaint[0] == '\0' ? NULL : team->complaint;
}

/* In the thread of the test. */
#define CHECK_CREW(team)                                            \
  do {                                                              \
    const char *crew_complaint = crew_end(team);                    \
    if (crew_complaint != NULL) TESTING_FAIL("%s", crew_complaint); \
  } while (0)

/* ---- Misuse, of which there shall be none ---- */

static CREW_UNUSED void crew_count_misuse(const lido_misuse *misuse, void *context) {
  (void)misuse;
  __atomic_fetch_add((uint64_t *)context, 1, __ATOMIC_RELAXED);
}

/* From here on reports of misuse are counted; *count is read when nobody misuses any more. */
static CREW_UNUSED void crew_misuses_begin(uint64_t *count) {
  *count = 0;
  lido_misuse_handler_set(crew_count_misuse, count);
}

/* -> how many there were. */
static CREW_UNUSED uint64_t crew_misuses_end(const uint64_t *count) {
  lido_misuse_handler_set(NULL, NULL);
  return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* ---- Stamps ---- */

typedef struct stamp {
  uint64_t owner;
  uint64_t serial;
  uint64_t proof;
} stamp;

static inline uint64_t stamp_proof(const void *object, const stamp *s) {
  testing_random mixed = {(uintptr_t)object ^ s->owner * 0x10001u ^ s->serial};
  return testing_next(&mixed);
}

/* pre: the object has room for a stamp; its last byte is stamped, too. */
static inline void stamp_put(void *object, size_t bytes, uint64_t owner, uint64_t serial) {
  stamp *s = object;
  s->owner = owner;
  s->serial = serial;
  s->proof = stamp_proof(object, s);
  if (bytes > sizeof *s) ((unsigned char *)object)[bytes - 1] = (unsigned char)s->proof;
}

/* Is there a stamp, whoever's? */
static inline bool stamp_is_whole(const void *object, size_t bytes) {
  const stamp *s = object;
  if (s->proof != stamp_proof(object, s)) return false;
  return bytes <= sizeof *s || ((const unsigned char *)object)[bytes - 1] == (unsigned char)s->proof;
}

static inline bool stamp_is_of(const void *object, size_t bytes, uint64_t owner) {
  return ((const stamp *)object)->owner == owner && stamp_is_whole(object, bytes);
}

/* ---- Hand-over: slots that hold one object or none ---- */

static inline void *slot_exchange(void **slot, void *object) {
  return __atomic_exchange_n(slot, object, __ATOMIC_ACQ_REL);
}

/* ---- Flags between threads ---- */

static inline void flag_set(int *flag, int value) { __atomic_store_n(flag, value, __ATOMIC_RELEASE); }
static inline int flag_get(const int *flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }

/* ---- Against hanging ---- */

static CREW_UNUSED void watchdog_bark(int signal_number) {
  (void)signal_number;
  static const char line[] = "# the watchdog barks: this hangs\n";
  ssize_t written = write(STDOUT_FILENO, line, sizeof line - 1);
  (void)written;
  _exit(4);
}

/* End the process unless watchdog_off() comes within so many seconds. */
static CREW_UNUSED void watchdog_on(unsigned seconds) {
  signal(SIGALRM, watchdog_bark);
  alarm(seconds);
}

static CREW_UNUSED void watchdog_off(void) { alarm(0); }

#endif
