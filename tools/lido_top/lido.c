/* lido.c: the program `lido`: a word for each thing that it can do. */
#include <stdio.h>
#include <string.h>

#include "lido/version.h"
#include "tools/lido_top/finish_output.h"
#include "tools/lido_top/top.h"

static const char usage[] =
    "usage: lido top [options] [PID | SOCKET]   what a running program's manager has; lido top --help says more\n"
    "       lido --version\n";

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  if (strcmp(word, "top") == 0) return top_main(argc - 1, argv + 1);
  if (strcmp(word, "--version") == 0) {
    printf("lido %s\n", lido_version());
    return finish_output("lido");
  }
  bool wants_help = strcmp(word, "--help") == 0 || strcmp(word, "help") == 0;
  fputs(usage, wants_help ? stdout : stderr);
  return wants_help ? finish_output("lido") : TOP_USAGE;
}
