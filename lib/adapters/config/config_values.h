/* config_values.h: a value's text as a number: sizes, times, shares, factors, words.
 *
 * Idea: one reader of decimal numbers, "12" or "1.5", and a table of units for each kind. The fraction must come out
 * whole: 1.5GiB is a number of bytes, 1.5B is not.
 * Method: no strtod and no strtoull: they know signs, hexadecimal, inf and nan, blanks, and the locale's comma.
 * Words are compared by the letters A to Z alone: in a Turkish locale, i is not the small letter of I to tolower.
 * Threads: any; there is no state. Failure: a text that ends the sentence `"VALUE" is ...`, constant.
 */
#ifndef LIDO_ADAPTERS_CONFIG_CONFIG_VALUES_H
#define LIDO_ADAPTERS_CONFIG_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A word that stands for a number; a table of them ends with the name NULL. */
typedef struct config_word {
  const char *name;
  uint64_t value;
} config_word;

/* Each gives NULL and `out`, or what is wrong. */
const char *lido_config_bytes_of(const char *text, uint64_t *out);
const char *lido_config_nanoseconds_of(const char *text, uint64_t *out);
const char *lido_config_percent_of(const char *text, uint64_t *out);
const char *lido_config_count_of(const char *text, uint64_t *out);
const char *lido_config_factor_of(const char *text, double *out);
const char *lido_config_boolean_of(const char *text, uint64_t *out);

int lido_config_small_letter(char letter);
int lido_config_capital_letter(char letter);

/* Capitals or not. */
bool lido_config_word_of(const config_word *words, const char *text, uint64_t *out);

#endif
