/* config_values.c: see config_values.h. */
#include "lib/adapters/config/config_values.h"

#include <string.h>

enum { FRACTION_DIGITS_MAX = 6 };

#define SECOND UINT64_C(1000000000)

static const char too_large[] = "too large";

/* whole + fraction / scale */
typedef struct decimal {
  uint64_t whole;
  uint64_t fraction;
  uint64_t scale;   /* a power of ten */
  const char *rest; /* what follows, without blanks before it */
} decimal;

static bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

static bool add_digit(uint64_t *number, char digit) {
  return !__builtin_mul_overflow(*number, 10u, number) &&
         !__builtin_add_overflow(*number, (uint64_t)(digit - '0'), number);
}

static const char *read_fraction(decimal *out) {
  const char *at = out->rest + 1;
  const char *first = at;
  for (; is_digit(*at); at++) {
    if (at - first == FRACTION_DIGITS_MAX) return "no number: it has more than six digits behind the point";
    add_digit(&out->fraction, *at);
    out->scale *= 10;
  }
  out->rest = at;
  return at == first ? "no number: there is nothing behind the point" : NULL;
}

static const char *read_decimal(const char *text, decimal *out) {
  *out = (decimal){.scale = 1};
  if (*text == '\0') return "empty";
  if (*text == '-') return "negative";
  if (!is_digit(*text)) return "no number";
  for (; is_digit(*text); text++) {
    if (!add_digit(&out->whole, *text)) return too_large;
  }
  out->rest = text;
  const char *wrong = *text == '.' ? read_fraction(out) : NULL;
  out->rest += strspn(out->rest, " ");
  return wrong;
}

/* The number times `unit`, if that is whole. */
static const char *in_units(const decimal *number, uint64_t unit, uint64_t *out) {
  uint64_t fraction;
  if (__builtin_mul_overflow(number->whole, unit, out) || __builtin_mul_overflow(number->fraction, unit, &fraction)) {
    return too_large;
  }
  if (fraction % number->scale != 0) return "not whole";
  return __builtin_add_overflow(*out, fraction / number->scale, out) ? too_large : NULL;
}

int lido_config_small_letter(char letter) { return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter; }

int lido_config_capital_letter(char letter) { return letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter; }

static bool is_same_word(const char *a, const char *b) {
  for (; *a != '\0' && lido_config_small_letter(*a) == lido_config_small_letter(*b); b++) a++;
  return *a == *b;
}

bool lido_config_word_of(const config_word *words, const char *text, uint64_t *out) {
  for (; words->name != NULL; words++) {
    if (is_same_word(words->name, text)) {
      *out = words->value;
      return true;
    }
  }
  return false;
}

static const char *with_unit(const char *text, const config_word *units, const char *strange, uint64_t *out) {
  decimal number;
  const char *wrong = read_decimal(text, &number);
  if (wrong != NULL) return wrong;
  uint64_t unit = 1;
  if (*number.rest != '\0' && !lido_config_word_of(units, number.rest, &unit)) return strange;
  return in_units(&number, unit, out);
}

const char *lido_config_bytes_of(const char *text, uint64_t *out) {
  static const config_word units[] = {{"B", 1},
                                      {"KiB", UINT64_C(1) << 10},
                                      {"MiB", UINT64_C(1) << 20},
                                      {"GiB", UINT64_C(1) << 30},
                                      {"TiB", UINT64_C(1) << 40},
                                      {"kB", 1000},
                                      {"MB", 1000000},
                                      {"GB", 1000000000},
                                      {"TB", UINT64_C(1000000000000)},
                                      {NULL, 0}};
  return with_unit(text, units, "no size: its unit is none of B, KiB to TiB, kB to TB", out);
}

const char *lido_config_nanoseconds_of(const char *text, uint64_t *out) {
  static const config_word units[] = {{"ns", 1},
                                      {"us", 1000},
                                      {"ms", 1000000},
                                      {"s", SECOND},
                                      {"min", 60 * SECOND},
                                      {"h", 3600 * SECOND},
                                      {"d", 86400 * SECOND},
                                      {NULL, 0}};
  return with_unit(text, units, "no time: its unit is none of ns, us, ms, s, min, h, d", out);
}

const char *lido_config_percent_of(const char *text, uint64_t *out) {
  static const config_word units[] = {{"%", 1}, {NULL, 0}};
  return with_unit(text, units, "no share: only a % may follow the number", out);
}

const char *lido_config_count_of(const char *text, uint64_t *out) {
  static const config_word none[] = {{NULL, 0}};
  return with_unit(text, none, "no number", out);
}

const char *lido_config_factor_of(const char *text, double *out) {
  decimal number;
  const char *wrong = read_decimal(text, &number);
  if (wrong != NULL) return wrong;
  if (*number.rest != '\0') return "no number";
  *out = (double)number.whole + (double)number.fraction / (double)number.scale;
  return NULL;
}

const char *lido_config_boolean_of(const char *text, uint64_t *out) {
  static const config_word words[] = {{"true", 1}, {"yes", 1}, {"on", 1}, {"1", 1}, {"false", 0},
                                      {"no", 0},   {"off", 0}, {"0", 0},  {NULL, 0}};
  if (*text == '\0') return "empty";
  return lido_config_word_of(words, text, out) ? NULL : "neither true nor false";
}
