/* character_database.c: see character_database.h. */
#include "examples/http_server/character_database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/http_server/unicode_loader.h"

enum question { BY_CODE, BY_NAME, BETWEEN, BLOCKS, BLOCK_BY_NAME, QUESTIONS };

static const char *const questions[QUESTIONS] = {
    [BY_CODE] =
        "SELECT code, name, category, combining, bidi, decomposition, numeric, mirrored, old_name, uppercase,"
        " lowercase, titlecase, (SELECT name FROM blocks WHERE first <= ?1 ORDER BY first DESC LIMIT 1)"
        " FROM characters WHERE code = ?1",
    [BY_NAME] = "SELECT code, name, category FROM characters WHERE instr(name, ?1) > 0 ORDER BY code LIMIT ?2",
    [BETWEEN] = "SELECT code, name, category FROM characters WHERE code BETWEEN ?1 AND ?2 ORDER BY code",
    [BLOCKS] = "SELECT first, last, name, characters FROM blocks ORDER BY first",
    [BLOCK_BY_NAME] = "SELECT first, last, name, characters FROM blocks WHERE name = ?1",
};

struct character_database {
  sqlite3 *connection;
  sqlite3_stmt *statements[QUESTIONS];
};

/* ---- Open and close ---- */

static bool prepare(struct character_database *database) {
  for (int i = 0; i < QUESTIONS; i++) {
    if (sqlite3_prepare_v3(database->connection, questions[i], -1, SQLITE_PREPARE_PERSISTENT, &database->statements[i],
                           NULL) != SQLITE_OK) {
      return false;
    }
  }
  return true;
}

static bool open_and_load(struct character_database *database, const char *file, const char *folder) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX; /* one thread: no locks */
  if (sqlite3_open_v2(file, &database->connection, flags, NULL) == SQLITE_OK &&
      unicode_load(database->connection, folder) && prepare(database)) {
    return true;
  }
  fprintf(stderr, "http_server: database %s: %s\n", file, sqlite3_errmsg(database->connection));
  return false;
}

struct character_database *character_database_open(const char *file, const char *folder) {
  struct character_database *database = calloc(1, sizeof *database);
  if (database == NULL) return NULL;
  if (open_and_load(database, file, folder)) return database;
  character_database_close(database);
  return NULL;
}

void character_database_close(struct character_database *database) {
  for (int i = 0; i < QUESTIONS; i++) sqlite3_finalize(database->statements[i]);
  sqlite3_close(database->connection);
  free(database);
}

/* ---- Questions ---- */

database_rows *character_by_code(struct character_database *database, uint32_t code) {
  sqlite3_stmt *rows = database->statements[BY_CODE];
  sqlite3_bind_int64(rows, 1, code);
  return rows;
}

database_rows *characters_by_name(struct character_database *database, const char *part, uint32_t limit) {
  sqlite3_stmt *rows = database->statements[BY_NAME];
  sqlite3_bind_text(rows, 1, part, -1, SQLITE_STATIC);
  sqlite3_bind_int64(rows, 2, limit);
  return rows;
}

database_rows *characters_between(struct character_database *database, uint32_t first, uint32_t last) {
  sqlite3_stmt *rows = database->statements[BETWEEN];
  sqlite3_bind_int64(rows, 1, first);
  sqlite3_bind_int64(rows, 2, last);
  return rows;
}

database_rows *blocks_all(struct character_database *database) { return database->statements[BLOCKS]; }

database_rows *block_by_name(struct character_database *database, const char *name) {
  sqlite3_stmt *rows = database->statements[BLOCK_BY_NAME];
  sqlite3_bind_text(rows, 1, name, -1, SQLITE_STATIC);
  return rows;
}

/* ---- Rows ---- */

static const char *text(sqlite3_stmt *rows, int column) { return (const char *)sqlite3_column_text(rows, column); }

static uint32_t number(sqlite3_stmt *rows, int column) { return (uint32_t)sqlite3_column_int64(rows, column); }

static int64_t number_or_none(sqlite3_stmt *rows, int column) {
  return sqlite3_column_type(rows, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(rows, column);
}

bool next_character(database_rows *rows, struct character_row *row) {
  if (sqlite3_step(rows) != SQLITE_ROW) return false;
  *row = (struct character_row){.code = number(rows, 0), .name = text(rows, 1), .category = text(rows, 2)};
  return true;
}

bool next_character_details(database_rows *rows, struct character_details *details) {
  struct character_row row;
  if (!next_character(rows, &row)) return false;
  *details = (struct character_details){
      .row = row,
      .combining = sqlite3_column_int(rows, 3),
      .bidi = text(rows, 4),
      .decomposition = text(rows, 5),
      .numeric = text(rows, 6),
      .mirrored = sqlite3_column_int(rows, 7) != 0,
      .old_name = text(rows, 8),
      .uppercase = number_or_none(rows, 9),
      .lowercase = number_or_none(rows, 10),
      .titlecase = number_or_none(rows, 11),
      .block = text(rows, 12),
  };
  return true;
}

bool next_block(database_rows *rows, struct block_row *block) {
  if (sqlite3_step(rows) != SQLITE_ROW) return false;
  *block = (struct block_row){
      .first = number(rows, 0), .last = number(rows, 1), .name = text(rows, 2), .characters = number(rows, 3)};
  return true;
}

bool rows_end(database_rows *rows) {
  int error = sqlite3_reset(rows); /* also of a text that found no memory */
  sqlite3_clear_bindings(rows);
  if (error != SQLITE_OK) errno = error == SQLITE_NOMEM ? ENOMEM : EIO;
  return error == SQLITE_OK;
}
