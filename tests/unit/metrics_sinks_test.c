/* metrics_sinks_test.c: where metrics go: sinks that fail, buffers that are too small, descriptors that take little. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fault.h"
#include "lib/os/os.h"
#include "tests/unit/made_snapshot.h"

/* ---- Sinks ---- */

typedef struct failing_sink {
  size_t calls;
  size_t fails_at; /* 0: never */
  size_t bytes;
} failing_sink;

static int take(const char *text, size_t bytes, void *context) {
  failing_sink *sink = context;
  (void)text;
  sink->bytes += bytes;
  return ++sink->calls == sink->fails_at ? EPIPE : 0;
}

typedef int (*writer)(const lido_snapshot *snapshot, lido_text_sink sink, void *context);

static int write_prometheus(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  return lido_metrics_write(snapshot, LIDO_METRICS_PROMETHEUS, sink, context);
}

static int write_openmetrics(const lido_snapshot *snapshot, lido_text_sink sink, void *context) {
  return lido_metrics_write(snapshot, LIDO_METRICS_OPENMETRICS, sink, context);
}

static void check_failures_of(writer write_all) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", MADE_MEMBERS);
  failing_sink whole = {0};
  CHECK_EQ(write_all(snapshot, take, &whole), 0);
  CHECK_GT(whole.calls, 2);
  for (size_t nth = 1; nth <= whole.calls; nth++) {
    failing_sink sink = {.fails_at = nth};
    CHECK_EQ(write_all(snapshot, take, &sink), EPIPE);
    CHECK_EQ(sink.calls, nth);
  }
  failing_sink spared = {.fails_at = whole.calls + 1};
  CHECK_EQ(write_all(snapshot, take, &spared), 0);
  CHECK_EQ(spared.bytes, whole.bytes);
}

TEST(metrics_sinks, a_sink_that_fails_is_not_called_again_and_its_error_is_returned) {
  check_failures_of(write_prometheus);
  check_failures_of(write_openmetrics);
  check_failures_of(lido_snapshot_print);
}

TEST(metrics_sinks, there_are_two_formats) {
  made_snapshot made;
  failing_sink sink = {0};
  CHECK_EQ(lido_metrics_write(made_with_all(&made), (lido_metrics_format)2, take, &sink), EINVAL);
  CHECK_EQ(sink.calls, 0);
  CHECK_EQ(lido_metrics_write_fd(&made.snapshot, (lido_metrics_format)2, -1), EINVAL);
  CHECK_TEXT(lido_metrics_content_type(LIDO_METRICS_PROMETHEUS), "text/plain; version=0.0.4; charset=utf-8");
  CHECK_TEXT(lido_metrics_content_type(LIDO_METRICS_OPENMETRICS),
             "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST(metrics_sinks, no_memory_is_asked_for) {
  made_snapshot made;
  failing_sink sink = {0};
  made_with_all(&made);
  lido_fault_arm(1, true);
  CHECK_EQ(write_prometheus(&made.snapshot, take, &sink), 0);
  CHECK_EQ(write_openmetrics(&made.snapshot, take, &sink), 0);
  CHECK_EQ(lido_snapshot_print(&made.snapshot, take, &sink), 0);
  CHECK_EQ(lido_fault_disarm(), 0);
}

/* ---- Buffers ---- */

TEST(metrics_sinks, a_buffer_that_is_too_small_by_one_lacks_the_last_byte) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  char *text = made_text(snapshot, LIDO_METRICS_OPENMETRICS);
  size_t bytes = strlen(text);
  char *small = malloc(bytes + 1);
  CHECK_NOT_NULL(small);
  small[bytes] = '!';
  CHECK_EQ(lido_metrics_write_buffer(snapshot, LIDO_METRICS_OPENMETRICS, small, bytes), bytes);
  CHECK_EQ(strlen(small), bytes - 1);
  CHECK_EQ(strncmp(small, text, bytes - 1), 0);
  CHECK_EQ(small[bytes], '!');
  free(small);
  free(text);
}

TEST(metrics_sinks, a_buffer_of_one_byte_or_none_tells_how_large_it_should_be) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  char one = '!';
  size_t bytes = lido_metrics_write_buffer(snapshot, LIDO_METRICS_PROMETHEUS, NULL, 0);
  CHECK_GT(bytes, 1000);
  CHECK_EQ(lido_metrics_write_buffer(snapshot, LIDO_METRICS_PROMETHEUS, &one, 1), bytes);
  CHECK_EQ(one, '\0');
}

/* ---- Descriptors ---- */

TEST(metrics_sinks, what_write_says_is_returned_and_errno_is_left_alone) {
  made_snapshot made;
  errno = 1234;
  CHECK_EQ(lido_metrics_write_fd(made_with_all(&made), LIDO_METRICS_PROMETHEUS, -1), EBADF);
  CHECK_EQ(errno, 1234);
}

/* A file that may not grow beyond `most` takes a part of one write, and refuses the next. */
TEST(metrics_sinks, a_short_write_is_gone_on_with) {
  made_snapshot made;
  enum { MOST = 5000 };
  struct rlimit before;
  char path[] = "metrics_sinks_XXXXXX";
  int file = mkstemp(path);
  CHECK_GE(file, 0);
  unlink(path);
  CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit low = {.rlim_cur = MOST, .rlim_max = before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
  int error = lido_metrics_write_fd(made_with_all(&made), LIDO_METRICS_PROMETHEUS, file);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  CHECK_EQ(error, EFBIG);
  char *text = made_text(&made.snapshot, LIDO_METRICS_PROMETHEUS);
  char written[MOST + 1] = "";
  CHECK_EQ(pread(file, written, sizeof written, 0), MOST);
  CHECK_EQ(strncmp(written, text, MOST), 0);
  close(file);
  free(text);
}

/* A reader that waits until the pipe is full, disturbs the writer, and takes what there is. */
typedef struct disturber {
  int pipe;
  pthread_t writer;
  char *text;
  size_t bytes;
  size_t signals;
} disturber;

static void do_nothing(int number) { (void)number; }

static void *disturb(void *argument) {
  disturber *self = argument;
  for (;;) {
    int waiting = 0;
    for (int looks = 0; looks < 1000 && waiting < 4096; looks++) {
      ioctl(self->pipe, FIONREAD, &waiting);
      lido_os_yield();
    }
    if (waiting >= 4096) {
      pthread_kill(self->writer, SIGUSR1);
      self->signals++;
      lido_os_yield();
    }
    ssize_t got = read(self->pipe, self->text + self->bytes, 4096);
    if (got <= 0) return NULL;
    self->bytes += (size_t)got;
  }
}

TEST(metrics_sinks, signals_do_not_end_a_write) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "conns", MADE_MEMBERS);
  char *text = made_text(snapshot, LIDO_METRICS_PROMETHEUS);
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  struct sigaction action = {.sa_handler = do_nothing}, before; /* no SA_RESTART */
  CHECK_EQ(sigaction(SIGUSR1, &action, &before), 0);
  disturber reader = {.pipe = ends[0], .writer = pthread_self(), .text = calloc(1, strlen(text) + 4096)};
  CHECK_NOT_NULL(reader.text);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, disturb, &reader), 0);
  int error = lido_metrics_write_fd(snapshot, LIDO_METRICS_PROMETHEUS, ends[1]);
  close(ends[1]);
  pthread_join(thread, NULL);
  close(ends[0]);
  sigaction(SIGUSR1, &before, NULL);
  CHECK_EQ(error, 0);
  CHECK_GT(reader.signals, 0);
  CHECK_TEXT(reader.text, text);
  free(reader.text);
  free(text);
}
