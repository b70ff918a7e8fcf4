/* top_options.c: see top_options.h. */
#include "tools/lido_top/top_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/lido_top/finish_output.h"
#include "tools/lido_top/top.h"
#include "tools/lido_top/top_table.h"
#include "tools/lido_top/top_view.h"

static const char usage[] =
    "usage: lido top [options] [PID | SOCKET]\n"
    "\n"
    "Shows what the manager of a running program has. The program has opened a snapshot socket (lido/socket.h). "
    "Without an\n"
    "argument: the only one of this user.\n"
    "\n"
    "  --once           print tables once, without a screen; with --interval two samples are taken, for the rates\n"
    "  --json           print the socket's answer and end\n"
    "  --interval S     seconds between samples, 0.1 to 3600: 1\n"
    "  --sort FIELD     the column that tables are sorted by, as far as they have it: name\n"
    "  --filter TEXT    only names that contain it\n"
    "  --help           this text, with all fields\n"
    "\n"
    "Exit status: 0; 1 when nothing could be shown; 2 when this text was needed.\n";

enum option_name { ONCE, JSON, INTERVAL, SORT, FILTER, HELP };

static const struct option long_options[] = {
    {"once", no_argument, NULL, ONCE},
    {"json", no_argument, NULL, JSON},
    {"interval", required_argument, NULL, INTERVAL},
    {"sort", required_argument, NULL, SORT},
    {"filter", required_argument, NULL, FILTER},
    {"help", no_argument, NULL, HELP},
    {0},
};

static bool take_interval(struct top_options *options, const char *text) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds >= INTERVAL_LEAST && seconds <= INTERVAL_MOST)) {
    fprintf(stderr, "lido top: '%s' is not a number of seconds from 0.1 to 3600\n", text);
    return false;
  }
  options->has_interval = true;
  options->interval = seconds;
  return true;
}

static bool take_sort(struct top_options *options, const char *text) {
  for (enum top_table_number table = 0; table < TOP_TABLES; table++) {
    if (top_column_by_key(&top_tables[table], text) < 0) continue;
    options->sort = text;
    return true;
  }
  fprintf(stderr, "lido top: there is no field '%s'\n", text);
  return false;
}

static bool take(struct top_options *options, int name, const char *value) {
  if (name == ONCE) options->once = true;
  if (name == JSON) options->json = true;
  if (name == FILTER) options->filter = value;
  if (name == INTERVAL) return take_interval(options, value);
  if (name == SORT) return take_sort(options, value);
  return name >= 0 && name < HELP; /* getopt_long has said why, if it is none of ours */
}

static void say_usage(FILE *out) {
  fputs(usage, out);
  for (enum top_table_number number = 0; number < TOP_TABLES; number++) {
    const struct top_table *table = &top_tables[number];
    fprintf(out, "%s%-7s", number == 0 ? "\nFields: " : "        ", table->title);
    for (int column = 0; column < table->column_count; column++) fprintf(out, " %s", table->columns[column].key);
    fputc('\n', out);
  }
}

static bool end_with(int *status, bool helped) {
  say_usage(helped ? stdout : stderr);
  *status = helped ? finish_output("lido top") : TOP_USAGE;
  return false;
}

bool top_options_parse(struct top_options *options, int argc, char **argv, int *status) {
  *options = (struct top_options){.interval = 1, .filter = ""};
  for (;;) {
    int name = getopt_long(argc, argv, "", long_options, NULL);
    if (name == -1) break;
    if (!take(options, name, optarg)) return end_with(status, name == HELP);
  }
  if (optind < argc) options->target = argv[optind++];
  return optind == argc ? true : end_with(status, false);
}
