/* character_database.h: the characters and blocks of Unicode in SQLite, and the questions that the routes ask.
 *
 * A question is asked by a function that gives its rows; they are fetched one by one, and ended before the same
 * question is asked again. Statements are prepared once, at open. Texts of a row hold until the next one is fetched;
 * parameters must hold until the rows are ended.
 */
#ifndef LIDO_EXAMPLES_CHARACTER_DATABASE_H
#define LIDO_EXAMPLES_CHARACTER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

struct character_database;
struct sqlite3_stmt;

/* Rows to be fetched: a statement with its parameters bound. */
typedef struct sqlite3_stmt database_rows;

struct character_row {
  uint32_t code;
  const char *name;
  const char *category;
};

/* All about one character. Texts are NULL, and numbers of other characters negative, where there is nothing to say. */
struct character_details {
  struct character_row row;
  int combining;
  const char *bidi;
  const char *decomposition;
  const char *numeric;
  bool mirrored;
  const char *old_name;
  int64_t uppercase;
  int64_t lowercase;
  int64_t titlecase;
  const char *block;
};

struct block_row {
  uint32_t first;
  uint32_t last;
  const char *name;
  uint32_t characters;
};

/* file: ":memory:" or a path. folder: where Unicode's files are, if the database has to be filled. NULL: said why on
 * standard error. */
struct character_database *character_database_open(const char *file, const char *folder);
void character_database_close(struct character_database *database);

database_rows *character_by_code(struct character_database *database, uint32_t code);
database_rows *characters_by_name(struct character_database *database, const char *part, uint32_t limit);
database_rows *characters_between(struct character_database *database, uint32_t first, uint32_t last);
database_rows *blocks_all(struct character_database *database);
database_rows *block_by_name(struct character_database *database, const char *name);

/* The next row. -> false after the last one, and after an error. */
bool next_character(database_rows *rows, struct character_row *row);
bool next_character_details(database_rows *rows, struct character_details *details);
bool next_block(database_rows *rows, struct block_row *block);

/* -> false if an error ended the rows: errno is ENOMEM or EIO. */
bool rows_end(database_rows *rows);

#endif
