/* memory_options.h: what the command line says about memory as a whole. */
#ifndef LIDO_EXAMPLES_MEMORY_OPTIONS_H
#define LIDO_EXAMPLES_MEMORY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Zero: not said. */
struct memory_options {
  uint64_t soft_bytes;
  uint64_t hard_bytes;
  uint64_t retain_percent;
  const char *policy;
  const char *config;     /* a file (lido/config.h); the other options go before it */
  const char *top_socket; /* an absolute path, or MEMORY_TOP_DEFAULT */
  bool profile;
  uint64_t profile_mean; /* bytes from sample to sample */
  uint64_t alert_above;  /* bytes in use */
};

/* Where `lido top` looks for programs by itself. */
#define MEMORY_TOP_DEFAULT "default"

#endif
