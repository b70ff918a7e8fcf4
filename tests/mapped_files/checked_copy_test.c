/* checked_copy_test.c: SIGBUS in a copy is an errno value, and every other SIGBUS goes where it went before.
 *
 * Each test is a child, which says before the first setup who has the signal; so nothing else may set up in the parent
 * before these tests.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "examples/mapped_files/checked_copy.h"
#include "tests/mapped_files/made_files.h"
#include "tests/stress/crew.h"
#include "tests/support/child.h"

enum { PAGES = 4, FAULTS = 1000, COPIERS = 8 };

/* The last page is no longer in the file. */
static unsigned char *map_cut_file(void) {
  int memory = memfd_create("cut", MFD_CLOEXEC);
  size_t page = made_page();
  IN_CHILD(memory >= 0 && made_write(memory, 1, 0, PAGES * page));
  unsigned char *bytes = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  IN_CHILD(bytes != MAP_FAILED && ftruncate(memory, (off_t)((PAGES - 1) * page)) == 0);
  close(memory);
  return bytes;
}

static unsigned char *missing_byte(unsigned char *bytes) { return bytes + (PAGES - 1) * made_page() + 5; }

static void give_signal_to(void (*handler)(int)) { IN_CHILD(signal(SIGBUS, handler) != SIG_ERR); }

static void *begin_by_default(void) {
  give_signal_to(SIG_DFL);
  IN_CHILD(checked_copy_setup() == 0);
  return map_cut_file();
}

/* -> by what signal the child ended; 0: it ended by itself, with status 0. */
static int ends_by(void (*body)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    body();
    _exit(0);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status)) CHECK_EQ(WEXITSTATUS(status), 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* ---- Copies ---- */

static void copy_parts(void *scene) {
  (void)scene;
  unsigned char buffer[64];
  unsigned char *bytes = begin_by_default();
  size_t present = (PAGES - 1) * made_page();
  IN_CHILD(checked_copy(buffer, bytes + 3, 60) == 0 && made_bytes_are(buffer, 60, 1, 3));
  IN_CHILD(checked_copy(buffer, bytes + present - 64, 64) == 0 && made_bytes_are(buffer, 64, 1, present - 64));
  IN_CHILD(checked_copy(buffer, bytes + present - 63, 64) == EIO); /* one byte of it is missing */
  IN_CHILD(checked_copy(buffer, missing_byte(bytes), 1) == EIO);
  IN_CHILD(checked_copy(buffer, missing_byte(bytes), 0) == 0);
  IN_CHILD(checked_copy(buffer, bytes, 64) == 0 && made_bytes_are(buffer, 64, 1, 0)); /* and it goes on */
}

TEST(checked_copy, what_is_missing_is_an_error_and_nothing_else_is) { check_child(copy_parts, NULL); }

static void copy_with_a_stack_for_signals(void *scene) {
  (void)scene;
  unsigned char byte;
  unsigned char *bytes = begin_by_default();
  stack_t stack = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
  stack_t now;
  IN_CHILD(stack.ss_sp != NULL && sigaltstack(&stack, NULL) == 0);
  for (int i = 0; i < FAULTS; i++) IN_CHILD(checked_copy(&byte, missing_byte(bytes), 1) == EIO);
  IN_CHILD(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK) == 0); /* it was left */
  sigset_t blocked;
  IN_CHILD(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGBUS) == 0);
}

TEST(checked_copy, a_thousand_faults_leave_neither_mask_nor_stack_changed) {
  check_child(copy_with_a_stack_for_signals, NULL);
}

static void copy_and_fail(crew_member *me) {
  unsigned char buffer[64];
  unsigned char *bytes = me->shared;
  for (int i = 0; i < FAULTS; i++) {
    CREW_HOLDS(me->crew, checked_copy(buffer, missing_byte(bytes), 64) == EIO);
    CREW_HOLDS(me->crew, checked_copy(buffer, bytes + i, 64) == 0 && made_bytes_are(buffer, 64, 1, (size_t)i));
  }
}

static void copy_in_threads(void *scene) {
  (void)scene;
  static crew team;
  crew_start(&team, COPIERS, 1, copy_and_fail, begin_by_default());
  IN_CHILD(crew_end(&team) == NULL);
}

TEST(checked_copy, threads_fault_at_once_and_each_gets_its_own) { check_child(copy_in_threads, NULL); }

/* ---- Copies inside copies ----
 *
 * Not all of it with sanitizers: AddressSanitizer's siglongjmp reads files and allocates, so it must not be interrupted
 * by another; and ThreadSanitizer runs handlers with all signals blocked, where a fault ends the process.
 */

static unsigned char *interrupting;
static volatile sig_atomic_t interrupted, mistaken;

static void copy_in_a_handler(int number) {
  (void)number;
  unsigned char buffer[64];
  if (!CREW_TSAN && checked_copy(buffer, missing_byte(interrupting), 1) != EIO) mistaken = 1;
  if (checked_copy(buffer, interrupting, 64) != 0 || !made_bytes_are(buffer, 64, 1, 0)) mistaken = 1;
  interrupted = interrupted + 1;
}

static void copy_while_interrupted(void *scene) {
  (void)scene;
  unsigned char *bytes = interrupting = begin_by_default();
  size_t present = (PAGES - 1) * made_page();
  unsigned char *buffer = malloc(PAGES * made_page());
  struct itimerval often = {{0, 200}, {0, 200}};
  struct itimerval never = {{0, 0}, {0, 0}};
  IN_CHILD(buffer != NULL && signal(SIGVTALRM, copy_in_a_handler) != SIG_ERR);
  IN_CHILD(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
  while (interrupted < 50) {
    IN_CHILD(checked_copy(buffer, bytes, present) == 0 && made_bytes_are(buffer, present, 1, 0));
    if (!CREW_SANITIZED) IN_CHILD(checked_copy(buffer, bytes, present + 1) == EIO);
  }
  IN_CHILD(setitimer(ITIMER_VIRTUAL, &never, NULL) == 0 && mistaken == 0);
}

TEST(checked_copy, a_handler_may_copy_while_a_copy_is_interrupted) { check_child(copy_while_interrupted, NULL); }

/* ---- The signals of others ---- */

static sigjmp_buf back;
static void *volatile seen_address;
static volatile sig_atomic_t seen, seen_blocked;

static void note_blocked(void) {
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  seen_blocked = sigismember(&blocked, SIGBUS) == 1 && sigismember(&blocked, SIGUSR1) == 1;
}

static void note_details(int number, siginfo_t *info, void *context) {
  seen_address = context != NULL ? info->si_addr : NULL;
  seen = number;
  note_blocked();
  siglongjmp(back, 1);
}

static void have_a_handler(void *scene) {
  (void)scene;
  unsigned char byte = 0;
  struct sigaction action = {.sa_sigaction = note_details, .sa_flags = SA_SIGINFO};
  sigaddset(&action.sa_mask, SIGUSR1);
  IN_CHILD(sigaction(SIGBUS, &action, NULL) == 0 && checked_copy_setup() == 0);
  unsigned char *bytes = map_cut_file();
  IN_CHILD(checked_copy(&byte, missing_byte(bytes), 1) == EIO && seen == 0); /* not told of ours */
  if (sigsetjmp(back, 1) == 0) byte = *(volatile unsigned char *)missing_byte(bytes);
  IN_CHILD(seen == SIGBUS && seen_address == missing_byte(bytes) && seen_blocked);
  seen = 0;
  if (sigsetjmp(back, 1) == 0) IN_CHILD(checked_copy(missing_byte(bytes), bytes, 1) == 0); /* the fault is in `to` */
  IN_CHILD(seen == SIGBUS);
}

TEST(checked_copy, a_handler_that_was_there_gets_the_faults_of_others_with_all_details) {
  check_child(have_a_handler, NULL);
}

static void note_number(int number) { seen = number; }

static void have_a_simple_handler(void *scene) {
  (void)scene;
  give_signal_to(note_number);
  IN_CHILD(checked_copy_setup() == 0);
  IN_CHILD(raise(SIGBUS) == 0 && seen == SIGBUS);
}

TEST(checked_copy, a_handler_of_the_old_kind_gets_what_was_sent) { check_child(have_a_simple_handler, NULL); }

static void fault_by_default(void) {
  unsigned char *bytes = begin_by_default();
  *(volatile unsigned char *)missing_byte(bytes) = 1;
}

static void send_by_default(void) {
  begin_by_default();
  raise(SIGBUS);
}

TEST(checked_copy, without_a_handler_the_process_ends_as_if_nobody_had_looked) {
  CHECK_EQ(ends_by(fault_by_default), SIGBUS);
  CHECK_EQ(ends_by(send_by_default), SIGBUS);
}

static void send_ignored(void) {
  give_signal_to(SIG_IGN);
  IN_CHILD(checked_copy_setup() == 0 && raise(SIGBUS) == 0);
}

static void fault_ignored(void) {
  send_ignored();
  *(volatile unsigned char *)missing_byte(map_cut_file()) = 1;
}

TEST(checked_copy, where_it_was_ignored_it_is_but_a_fault_can_not_be) {
  CHECK_EQ(ends_by(send_ignored), 0);
  CHECK_EQ(ends_by(fault_ignored), SIGBUS);
}
