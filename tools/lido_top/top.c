/* top.c: see top.h. */
#include "tools/lido_top/top.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tools/lido_top/top_client.h"
#include "tools/lido_top/top_once.h"
#include "tools/lido_top/top_options.h"
#include "tools/lido_top/top_sample.h"
#include "tools/lido_top/top_screen.h"
#include "tools/lido_top/top_target.h"
#include "tools/lido_top/top_terminal.h"
#include "tools/lido_top/top_view.h"

struct top_session {
  struct top_view view;
  struct top_target target;
  struct top_client client;
  bool asks_map;
  uint64_t next_ns; /* of the next sample */
  bool is_dirty;    /* the screen is to be drawn */
};

/* ---- Samples ---- */

static void complain(struct top_session *top, const char *why) {
  snprintf(top->view.message, sizeof top->view.message, "%s: %s; waiting for it to come again", top->target.path, why);
  top->is_dirty = true;
}

static uint64_t interval_ns(const struct top_session *top) { return (uint64_t)(top->view.interval * 1e9); }

static void begin_sample(struct top_session *top) {
  char request[NAME_ROOM + 32] = "snapshot\n";
  struct top_view *view = &top->view;
  top->asks_map = view->page == PAGE_MAP && strchr(view->selected, '\n') == NULL;
  if (top->asks_map) snprintf(request, sizeof request, "snapshot\nslabs %s\n", view->selected);
  view->wants_sample = false;
  top->next_ns = top_now_ns() + interval_ns(top);
  if (client_begin(&top->client, top->target.path, request, top->asks_map ? 2 : 1)) return;
  int error = errno;
  struct top_target other;
  if (top->target.is_found_anew && target_find(&other, NULL, NULL)) top->target = other; /* for the next time */
  complain(top, strerror(error));
}

static void take_answer(struct top_session *top) {
  char why[128];
  json_t *sample = NULL;
  const char *end = memchr(top->client.text, '\n', top->client.bytes); /* there may be a zero before it */
  size_t bytes = (size_t)(end - top->client.text);
  if (!sample_read(&sample, top->client.text, bytes, why, sizeof why)) {
    complain(top, why);
    return;
  }
  json_t *map = top->asks_map ? json_loads(end + 1, 0, NULL) : NULL;
  view_take(&top->view, sample, map);
  top->is_dirty = true;
}

static void step_client(struct top_session *top) {
  enum client_state state = client_step(&top->client);
  if (state == CLIENT_DONE) take_answer(top);
  if (state == CLIENT_FAILED) complain(top, strerror(errno));
}

static bool is_time(const struct top_session *top) {
  const struct top_view *view = &top->view;
  if (top->client.descriptor >= 0) return false;
  return view->wants_sample || (!view->is_paused && top_now_ns() >= top->next_ns);
}

/* ---- The loop ---- */

static int wait_ms(const struct top_session *top) {
  uint64_t now = top_now_ns();
  bool asks = top->client.descriptor >= 0;
  if (!asks && top->view.is_paused) return -1;
  uint64_t until = asks ? top->client.deadline_ns : top->next_ns;
  return until > now ? (int)((until - now) / 1000000) + 1 : 0;
}

static void wait_for_something(const struct top_session *top) {
  struct pollfd items[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = top->client.descriptor, .events = POLLIN}};
  poll(items, 2, wait_ms(top)); /* a signal, too, is something: of the window's size, or of the end */
}

/* The terminal may be gone without a signal: then every read is an end. */
static bool is_terminal_gone(void) {
  struct pollfd item = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&item, 1, 0) == 1 && (item.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void take_keys(struct top_session *top) {
  int key;
  while (!top->view.is_over && (key = getch()) != ERR) {
    view_key(&top->view, key, screen_page_rows());
    top->is_dirty = true;
  }
}

static void run(struct top_session *top) {
  while (!top->view.is_over && terminal_signal() == 0 && !is_terminal_gone()) {
    if (is_time(top)) begin_sample(top);
    if (top->is_dirty) screen_draw(&top->view);
    top->is_dirty = false;
    wait_for_something(top);
    take_keys(top);
    step_client(top);
  }
}

static int show(const struct top_options *options, const struct top_target *target) {
  struct top_session top = {.target = *target, .client = {.descriptor = -1}, .is_dirty = true};
  if (!terminal_begin()) return TOP_FAILED;
  view_begin(&top.view, options->sort, options->filter, options->interval);
  run(&top);
  terminal_end();
  client_end(&top.client);
  view_end(&top.view);
  if (terminal_signal() != 0) terminal_die_of(terminal_signal());
  return TOP_FINE;
}

int top_main(int argc, char **argv) {
  struct top_options options;
  struct top_target target;
  int status = TOP_FINE;
  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C");
  if (!top_options_parse(&options, argc, argv, &status)) return status;
  if (!target_find(&target, options.target, stderr)) return TOP_FAILED;
  if (options.json) return top_json(&target);
  return options.once ? top_once(&options, &target) : show(&options, &target);
}
