/* name_text.h: names that a program gave, as text that is safe for who reads it.
 *
 * Idea: a name may be any bytes. In a label's value, \, " and the end of a line are escaped, as the formats want it,
 * and bytes that are no UTF-8 become U+FFFD and their two hexadecimal digits: names that differ stay different, for two
 * samples with equal labels spoil a scrape. In a table for people everything that would move the cursor becomes U+FFFD.
 */
#ifndef LIDO_LIB_REPORT_NAME_TEXT_H
#define LIDO_LIB_REPORT_NAME_TEXT_H

#include "lib/report/text_out.h"

/* As a label's value, without its quotes. */
void lido_name_put_label(lido_text_out *out, const char *name);

/* For people. -> how many characters. `out` NULL: only counts. */
size_t lido_name_put_visible(lido_text_out *out, const char *name);

#endif
