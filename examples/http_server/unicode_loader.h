/* unicode_loader.h: UnicodeData.txt and Blocks.txt of the Unicode Character Database, read into two tables of SQLite.
 *
 *     characters(code, name, category, combining, bidi, decomposition, numeric, mirrored, old_name, uppercase,
 *                lowercase, titlecase)
 *     blocks(first, last, name, characters)
 *
 * Ranges of characters with names are written out one by one; surrogates and private use are left out.
 */
#ifndef LIDO_EXAMPLES_UNICODE_LOADER_H
#define LIDO_EXAMPLES_UNICODE_LOADER_H

#include <stdbool.h>

struct sqlite3;

/* In one transaction: all of it, or nothing. Does nothing if the tables are there. -> false after it said on standard
 * error what is wrong. */
bool unicode_load(struct sqlite3 *database, const char *folder);

#endif
