/* server_options.c: see server_options.h. */
#include "examples/http_server/server_options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char usage[] =
    "usage: http_server [options]\n"
    "\n"
    "  --host ADDRESS             where to listen: 127.0.0.1\n"
    "  --port N                   0, the default: any port that is free\n"
    "  --max-connections N        at once: 1024\n"
    "  --max-header BYTES         of a request's target, and of its header fields together: 8192\n"
    "  --max-body BYTES           of a request's body: 65536\n"
    "  --max-request-bytes BYTES  of memory for one request and its answer: 0, no limit\n"
    "  --send-buffer SIZE         what the system may hold of answers that a client has not read; else some MiB\n"
    "  --idle-timeout-ms N        without a byte from or to the client: 10000\n"
    "  --request-timeout-ms N     for a request to come in: 30000\n"
    "  --database FILE            kept for the next start; else it is in memory\n"
    "  --unicode-data FOLDER      with UnicodeData.txt and Blocks.txt: " UNICODE_DATA_FOLDER
    "\n"
    "\n"
    "memory, in sizes as 4096, 64KiB, 1.5MB (not on malloc):\n"
    "  --soft-bytes SIZE          beyond it, what is free goes back\n"
    "  --hard-bytes SIZE          beyond it, requests and connections get a 503\n"
    "  --policy NAME              none, low_latency, high_throughput, memory_efficient, adaptive\n"
    "  --retain-percent N         free memory that is kept, as a share of what is used: 1 to 1000\n"
    "  --config FILE              the same and more, as docs/config.md says\n"
    "  --alert-above SIZE         a line on standard error when more is in use, and when no more\n"
    "  --top-socket PATH          a socket for `lido top`; 'default': where it looks by itself\n"
    "  --profile                  sample allocations, for /debug/profile\n"
    "  --profile-mean SIZE        the same, with a sample each so many bytes: 512KiB\n"
    "  --tick-ms N                between two looks at the memory: 1000\n"
    "\n"
    "  --verbose                  a line on standard error for each request\n";

enum option_name {
  HOST,
  PORT,
  MAX_CONNECTIONS,
  MAX_HEADER,
  MAX_BODY,
  MAX_REQUEST_BYTES,
  SEND_BUFFER,
  IDLE_TIMEOUT,
  REQUEST_TIMEOUT,
  DATABASE,
  UNICODE_DATA,
  SOFT_BYTES,
  HARD_BYTES,
  POLICY,
  RETAIN_PERCENT,
  CONFIG,
  ALERT_ABOVE,
  TOP_SOCKET,
  PROFILE,
  PROFILE_MEAN,
  TICK_MS,
  VERBOSE,
  HELP,
  NAMES
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, HOST},
    {"port", required_argument, NULL, PORT},
    {"max-connections", required_argument, NULL, MAX_CONNECTIONS},
    {"max-header", required_argument, NULL, MAX_HEADER},
    {"max-body", required_argument, NULL, MAX_BODY},
    {"max-request-bytes", required_argument, NULL, MAX_REQUEST_BYTES},
    {"send-buffer", required_argument, NULL, SEND_BUFFER},
    {"idle-timeout-ms", required_argument, NULL, IDLE_TIMEOUT},
    {"request-timeout-ms", required_argument, NULL, REQUEST_TIMEOUT},
    {"database", required_argument, NULL, DATABASE},
    {"unicode-data", required_argument, NULL, UNICODE_DATA},
    {"soft-bytes", required_argument, NULL, SOFT_BYTES},
    {"hard-bytes", required_argument, NULL, HARD_BYTES},
    {"policy", required_argument, NULL, POLICY},
    {"retain-percent", required_argument, NULL, RETAIN_PERCENT},
    {"config", required_argument, NULL, CONFIG},
    {"alert-above", required_argument, NULL, ALERT_ABOVE},
    {"top-socket", required_argument, NULL, TOP_SOCKET},
    {"profile", no_argument, NULL, PROFILE},
    {"profile-mean", required_argument, NULL, PROFILE_MEAN},
    {"tick-ms", required_argument, NULL, TICK_MS},
    {"verbose", no_argument, NULL, VERBOSE},
    {"help", no_argument, NULL, HELP},
    {0},
};

static bool parse_number(uint64_t *number, const char *text, uint64_t least, uint64_t most) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < least || value > most) {
    fprintf(stderr, "http_server: '%s' is not a number from %llu to %llu\n", text, (unsigned long long)least,
            (unsigned long long)most);
    return false;
  }
  *number = value;
  return true;
}

/* ---- Sizes ---- */

struct size_unit {
  const char *name;
  uint64_t bytes;
};

static const struct size_unit size_units[] = {
    {"", 1},          {"B", 1},         {"kB", 1000},     {"MB", 1000000}, {"GB", 1000000000},
    {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
};

static const struct size_unit *size_unit(const char *name) {
  for (size_t i = 0; i < sizeof size_units / sizeof size_units[0]; i++) {
    if (strcasecmp(size_units[i].name, name) == 0) return &size_units[i];
  }
  return NULL;
}

/* A fraction of a byte is left away. */
static bool parse_size(uint64_t *size, const char *text, uint64_t most) {
  char *end = NULL;
  double value = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
  const struct size_unit *unit = end == NULL ? NULL : size_unit(end);
  double bytes = unit == NULL ? 0 : value * (double)unit->bytes;
  if (!(bytes >= 1) || !(bytes < (double)most)) {
    fprintf(stderr, "http_server: '%s' is no size from 1 to %llu: 4096, 64KiB, 1.5MB\n", text,
            (unsigned long long)most);
    return false;
  }
  *size = (uint64_t)bytes;
  return true;
}

/* ---- The options ---- */

struct number_option {
  size_t offset; /* of a uint64_t in the options */
  uint64_t least;
  uint64_t most;
  bool is_size;
};

enum { DAY_MS = 86400000 };

static const struct number_option number_options[NAMES] = {
    [PORT] = {offsetof(struct server_options, port), 0, UINT16_MAX},
    [MAX_CONNECTIONS] = {offsetof(struct server_options, max_connections), 1, 1000000},
    [MAX_HEADER] = {offsetof(struct server_options, max_header), 64, 1 << 24},
    [MAX_BODY] = {offsetof(struct server_options, max_body), 0, 1 << 30},
    [MAX_REQUEST_BYTES] = {offsetof(struct server_options, max_request_bytes), 0, SIZE_MAX / 2},
    [SEND_BUFFER] = {offsetof(struct server_options, send_buffer), 1, 1 << 30, true},
    [IDLE_TIMEOUT] = {offsetof(struct server_options, idle_timeout_ms), 1, DAY_MS},
    [SOFT_BYTES] = {offsetof(struct server_options, memory.soft_bytes), 1, SIZE_MAX / 2, true},
    [HARD_BYTES] = {offsetof(struct server_options, memory.hard_bytes), 1, SIZE_MAX / 2, true},
    [RETAIN_PERCENT] = {offsetof(struct server_options, memory.retain_percent), 1, 1000},
    [ALERT_ABOVE] = {offsetof(struct server_options, memory.alert_above), 1, SIZE_MAX / 2, true},
    [PROFILE_MEAN] = {offsetof(struct server_options, memory.profile_mean), 1, SIZE_MAX / 2, true},
    [TICK_MS] = {offsetof(struct server_options, tick_ms), 1, DAY_MS},
    [REQUEST_TIMEOUT] = {offsetof(struct server_options, request_timeout_ms), 1, DAY_MS},
};

static bool take_number(struct server_options *options, const struct number_option *option, const char *value) {
  uint64_t *number = (uint64_t *)((char *)options + option->offset);
  if (option->is_size) return parse_size(number, value, option->most);
  return parse_number(number, value, option->least, option->most);
}

static void take_memory(struct memory_options *memory, int name, const char *value) {
  if (name == POLICY) memory->policy = value;
  if (name == CONFIG) memory->config = value;
  if (name == TOP_SOCKET) memory->top_socket = value;
  if (name == PROFILE || name == PROFILE_MEAN) memory->profile = true;
}

static bool take(struct server_options *options, int name, const char *value) {
  if (name == HOST) options->host = value;
  if (name == DATABASE) options->database = value;
  if (name == UNICODE_DATA) options->unicode_data = value;
  if (name == VERBOSE) options->verbose = true;
  take_memory(&options->memory, name, value);
  if (name < 0 || name >= HELP) return false; /* getopt_long has said why, if it is none of ours */
  const struct number_option *option = &number_options[name];
  return option->most == 0 || take_number(options, option, value);
}

bool server_options_parse(struct server_options *options, int argc, char **argv, int *status) {
  *options = (struct server_options){
      .host = "127.0.0.1",
      .max_header = 8192,
      .max_body = 65536,
      .idle_timeout_ms = 10000,
      .request_timeout_ms = 30000,
      .database = ":memory:",
      .unicode_data = UNICODE_DATA_FOLDER,
  };
  for (;;) {
    int name = getopt_long(argc, argv, "", long_options, NULL);
    if (name == -1 && optind == argc) return true;
    if (name == -1 || !take(options, name, optarg)) {
      *status = name == HELP ? 0 : 2;
      fputs(usage, name == HELP ? stdout : stderr);
      return false;
    }
  }
}
