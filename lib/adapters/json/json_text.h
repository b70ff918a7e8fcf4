/* json_text.h: any bytes as a JSON text. */
#ifndef LIDO_LIB_ADAPTERS_JSON_JSON_TEXT_H
#define LIDO_LIB_ADAPTERS_JSON_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* Each byte that is not part of a character becomes U+FFFD and its two digits, and so do those of U+FFFD itself: texts
 * that differ stay different (lido/inline/utf8_inline.h). NULL: no memory. */
json_t *lido_json_valid_text(const char *text);

/* The way back: the bytes that such a text stands for, in its place. -> whether it has any. */
bool lido_json_text_restore(char *text);

#endif
