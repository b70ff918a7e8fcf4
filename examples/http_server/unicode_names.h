/* unicode_names.h: names of characters that the Unicode data file lists as ranges only.
 *
 * Rules NR1 (Hangul syllables, composed of the names of their letters) and NR2 (ideographs, by their number) of The
 * Unicode Standard, section 4.8.
 */
#ifndef LIDO_EXAMPLES_UNICODE_NAMES_H
#define LIDO_EXAMPLES_UNICODE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNICODE_NAME_MAX = 64 };

/* The name of `code`, which lies in the range with this label ("<CJK Ideograph, First>"). -> false if the characters
 * of such a range have no names (surrogates, private use). */
bool unicode_name_in_range(char name[UNICODE_NAME_MAX], const char *label, uint32_t code);

#endif
