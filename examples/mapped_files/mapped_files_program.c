/* mapped_files_program.c: many threads on the files of this machine, through one cache of mappings; README.md says what
 * it shows.
 *
 * The exit status is 0 if all that was compared was the same, and at the end nothing is mapped that was not at the
 * beginning.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/mapped_files/file_list.h"
#include "examples/mapped_files/file_readers.h"
#include "examples/mapped_files/mapping_count.h"

static const char *const usual_folders[] = {"/usr/include", "/usr/share", "/var/lib/dpkg", "/etc"};

static const char usage[] =
    "usage: mapped_files [--threads N] [--seconds S] [--keep N] [DIR...]\n"
    "\n"
    "  --threads N   that open and compare files: 8\n"
    "  --seconds S   how long: 2\n"
    "  --keep N      files that stay mapped though nobody uses them: 1000\n"
    "  DIR           where the files are: /usr/include /usr/share /var/lib/dpkg /etc\n";

struct options {
  double threads;
  double seconds;
  double keep;
};

/* ---- The command line ---- */

static bool parse(double *number, const char *name, const char *text, double least, double most, bool whole) {
  char *end;
  double value = strtod(text, &end);
  bool is_number = *text != '\0' && *end == '\0' && value >= least && value <= most;
  if (is_number && whole) is_number = value == (double)(uint64_t)value;
  if (is_number) {
    *number = value;
  } else {
    fprintf(stderr, "mapped_files: --%s: '%s' is not a number from %g to %g\n", name, text, least, most);
  }
  return is_number;
}

static bool take(struct options *options, int name) {
  if (name == 't') return parse(&options->threads, "threads", optarg, 1, READERS_MOST, true);
  if (name == 's') return parse(&options->seconds, "seconds", optarg, 0, 86400, false);
  if (name == 'k') return parse(&options->keep, "keep", optarg, 0, 1e9, true);
  return false;
}

/* -> false: the program ends now, with *status. */
static bool parse_options(struct options *options, int argc, char **argv, int *status) {
  static const struct option names[] = {{"threads", required_argument, NULL, 't'},
                                        {"seconds", required_argument, NULL, 's'},
                                        {"keep", required_argument, NULL, 'k'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  *options = (struct options){.threads = 8, .seconds = 2, .keep = 1000};
  for (;;) {
    int name = getopt_long(argc, argv, "", names, NULL);
    if (name == -1) return true;
    if (take(options, name)) continue;
    *status = name == 'h' ? 0 : 2;
    fputs(usage, name == 'h' ? stdout : stderr);
    return false;
  }
}

/* ---- The files ---- */

/* What was asked for must be there; what is usual need not. */
static bool find_files(struct file_list *list, char **folders) {
  size_t usual = sizeof usual_folders / sizeof *usual_folders;
  for (size_t i = 0; *folders == NULL && i < usual; i++) file_list_add(list, usual_folders[i]);
  for (; *folders != NULL; folders++) {
    int error = file_list_add(list, *folders);
    if (error == 0) continue;
    fprintf(stderr, "mapped_files: %s: %s\n", *folders, strerror(error));
    return false;
  }
  printf("%zu files", list->count);
  if (list->unreadable != 0) printf(", and %zu folders that can't be read", list->unreadable);
  printf("\n");
  if (list->count == 0) fprintf(stderr, "mapped_files: there is no file\n");
  return list->count != 0;
}

/* ---- Figures ---- */

static void print_line(const char *name, uint64_t number, const char *unit, const char *text) {
  printf("  %-13s %14" PRIu64 " %-9s %s\n", name, number, unit, text);
}

#define PRINT_FIGURE(name, unit, text) print_line(#name, figures->name, #unit, text);
#define PRINT_STATISTIC(name, kind, unit, text) print_line(#name, stats->name, #unit, text);

static void print_figures(const struct reader_figures *figures) {
  READER_FIGURES(PRINT_FIGURE)
  for (int error = 0; error < READER_ERRORS; error++) {
    if (figures->errors[error] == 0) continue;
    printf("                %14" PRIu64 " refused:  %s\n", figures->errors[error],
           error == 0 ? "Other errors" : strerror(error));
  }
}

static void print_stats(const char *when, const struct mapped_files_stats *stats) {
  printf("%s:\n", when);
  MAPPED_FILES_STATISTICS(PRINT_STATISTIC)
}

/* ---- The run ---- */

static bool is_all_unmapped(const struct mapped_files_stats *last, size_t held, size_t before) {
  size_t after = mapping_count("/");
  bool as_before = after == before;
  printf("at the end: %" PRIu64 " mappings made, %" PRIu64 " ended, %zu handles left", last->mapped, last->unmapped,
         held);
  if (before != SIZE_MAX) printf("; files mapped in this process before %zu, after %zu", before, after);
  printf("\n");
  return as_before && held == 0 && last->mapped == last->unmapped && last->mapped_bytes == 0;
}

static int run(const struct options *options, const struct file_list *list) {
  size_t before = mapping_count("/");
  struct reader_figures figures;
  struct mapped_files_stats stats;
  struct mapped_files *files = mapped_files_create(&(struct mapped_files_options){.keep_count = (size_t)options->keep});
  int error = files != NULL ? 0 : errno;
  if (error == 0) {
    error = file_readers_run(files, list, (size_t)options->threads, (uint64_t)(options->seconds * 1e9), &figures);
  }
  if (error != 0) {
    fprintf(stderr, "mapped_files: %s\n", strerror(error));
    mapped_files_destroy(files, NULL);
    return 1;
  }
  print_figures(&figures);
  mapped_files_stats_get(files, &stats);
  print_stats("when all threads have ended", &stats);
  size_t held = mapped_files_destroy(files, &stats);
  return is_all_unmapped(&stats, held, before) && figures.different == 0 && figures.opened != 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  struct options options;
  int status;
  if (!parse_options(&options, argc, argv, &status)) return status;
  struct file_list *list = file_list_create();
  if (list == NULL) return 1;
  status = find_files(list, argv + optind) ? run(&options, list) : 1;
  file_list_destroy(list);
  return status;
}
