/* unicode_names.c: see unicode_names.h. */
#include "examples/http_server/unicode_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HANGUL_FIRST = 0xAC00, VOWELS = 21, TRAILERS = 28 };

static const char *const leaders[] = {"G",  "GG", "N", "D",  "DD", "R", "M", "B", "BB", "S",
                                      "SS", "",   "J", "JJ", "C",  "K", "T", "P", "H"};

static const char *const vowels[VOWELS] = {"A",  "AE", "YA", "YAE", "EO", "E",  "YEO", "YE", "O",  "WA", "WAE",
                                           "OE", "YO", "U",  "WEO", "WE", "WI", "YU",  "EU", "YI", "I"};

static const char *const trailers[TRAILERS] = {"",   "G",  "GG", "GS", "N",  "NJ", "NH", "D", "L",  "LG",
                                               "LM", "LB", "LS", "LT", "LP", "LH", "M",  "B", "BS", "S",
                                               "SS", "NG", "J",  "C",  "K",  "T",  "P",  "H"};

static void name_hangul(char name[UNICODE_NAME_MAX], uint32_t code) {
  uint32_t syllable = code - HANGUL_FIRST;
  snprintf(name, UNICODE_NAME_MAX, "HANGUL SYLLABLE %s%s%s", leaders[syllable / (VOWELS * TRAILERS)],
           vowels[syllable / TRAILERS % VOWELS], trailers[syllable % TRAILERS]);
}

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

bool unicode_name_in_range(char name[UNICODE_NAME_MAX], const char *label, uint32_t code) {
  if (starts_with(label, "<CJK Ideograph")) {
    snprintf(name, UNICODE_NAME_MAX, "CJK UNIFIED IDEOGRAPH-%04" PRIX32, code);
  } else if (starts_with(label, "<Tangut Ideograph")) {
    snprintf(name, UNICODE_NAME_MAX, "TANGUT IDEOGRAPH-%04" PRIX32, code);
  } else if (starts_with(label, "<Hangul Syllable")) {
    name_hangul(name, code);
  } else {
    return false;
  }
  return true;
}
