/* top_terminal.c: see top_terminal.h.
 *
 * Signals that ask for the end only leave a note, and the loop ends. Those of a fault can't go on: their handler gives
 * the terminal back with what is safe there, tcsetattr and write of a text that was made before, and dies. */
#include "tools/lido_top/top_terminal.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

enum { COUNT_ENDS = sizeof ends / sizeof ends[0], COUNT_FAULTS = sizeof faults / sizeof faults[0] };

static volatile sig_atomic_t end_signal;
static struct termios settings;
static char restoring[256]; /* what leaves the screen and shows the cursor */
static size_t restoring_bytes;

static void note_end(int number) { end_signal = number; }

static void die_of_fault(int number) {
  if (write(STDOUT_FILENO, restoring, restoring_bytes) < 0) { /* nobody is left to tell */
  }
  tcsetattr(STDOUT_FILENO, TCSANOW, &settings);
  signal(number, SIG_DFL);
  raise(number);
}

static void catch_signals(void) {
  struct sigaction end = {.sa_handler = note_end}; /* no SA_RESTART: poll is to return */
  struct sigaction fault = {.sa_handler = die_of_fault, .sa_flags = (int)SA_RESETHAND};
  for (int i = 0; i < COUNT_ENDS; i++) sigaction(ends[i], &end, NULL);
  for (int i = 0; i < COUNT_FAULTS; i++) sigaction(faults[i], &fault, NULL);
}

int terminal_signal(void) { return end_signal; }

void terminal_die_of(int signal_number) {
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

/* ---- The screen ---- */

static bool refuse(const char *why) {
  fprintf(stderr, "lido top: %s; --once prints without a screen\n", why);
  return false;
}

static const char *capability(const char *name) {
  const char *text = tigetstr(name);
  return text == NULL || text == (const char *)-1 ? "" : text; /* NOLINT(performance-no-int-to-ptr): curses says so */
}

static void prepare_restoring(void) {
  int bytes = snprintf(restoring, sizeof restoring, "%s%s%s%s", capability("sgr0"), capability("rmkx"),
                       capability("cnorm"), capability("rmcup"));
  restoring_bytes = bytes > 0 && (size_t)bytes < sizeof restoring ? (size_t)bytes : 0;
}

static bool is_capable(void) {
  int status = 0;
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return refuse("this is no terminal");
  if (setupterm(NULL, STDOUT_FILENO, &status) != OK) return refuse("this kind of terminal (TERM) is not known");
  if (*capability("cup") == '\0') return refuse("this kind of terminal (TERM) can't move its cursor");
  return true;
}

bool terminal_begin(void) {
  if (!is_capable() || tcgetattr(STDOUT_FILENO, &settings) != 0) return false;
  prepare_restoring();
  catch_signals();
  initscr();
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, true);
  nodelay(stdscr, true);
  set_escdelay(25);
  curs_set(0);
  return true;
}

void terminal_end(void) { endwin(); }
