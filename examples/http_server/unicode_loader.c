/* unicode_loader.c: see unicode_loader.h. */
#include "examples/http_server/unicode_loader.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/http_server/unicode_names.h"

/* Its number stands in user_version, so that a database of another layout is not taken for one of ours. */
enum { LAYOUT = 1 };

static const char schema[] =
    "CREATE TABLE characters(code INTEGER PRIMARY KEY, name TEXT, category TEXT, combining INTEGER, bidi TEXT,"
    " decomposition TEXT, numeric TEXT, mirrored INTEGER, old_name TEXT, uppercase INTEGER, lowercase INTEGER,"
    " titlecase INTEGER);"
    "CREATE TABLE blocks(first INTEGER PRIMARY KEY, last INTEGER, name TEXT COLLATE NOCASE UNIQUE,"
    " characters INTEGER);";

static const char insert_character[] = "INSERT INTO characters VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";

static const char insert_block[] = "INSERT INTO blocks VALUES(?1,?2,?3,0)";

static const char count_characters[] =
    "UPDATE blocks SET characters = (SELECT count(*) FROM characters WHERE code BETWEEN first AND last);";

/* The columns of UnicodeData.txt. */
enum column {
  CODE,
  NAME,
  CATEGORY,
  COMBINING,
  BIDI,
  DECOMPOSITION,
  DECIMAL,
  DIGIT,
  NUMERIC,
  MIRRORED,
  OLD_NAME,
  COMMENT,
  UPPERCASE,
  LOWERCASE,
  TITLECASE,
  COLUMNS
};

struct loader {
  sqlite3 *database;
  sqlite3_stmt *insert;
  uint32_t range_first; /* of a range whose end has not come yet */
};

static bool execute(sqlite3 *database, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(database, sql, NULL, NULL, &message) == SQLITE_OK) return true;
  fprintf(stderr, "http_server: %s\n", message == NULL ? "no memory" : message);
  sqlite3_free(message);
  return false;
}

/* ---- Rows ---- */

static uint32_t number_of(const char *hex) { return (uint32_t)strtoul(hex, NULL, 16); }

/* An empty field is NULL in the table, which bindings are already. */
static void bind_text(sqlite3_stmt *insert, int parameter, const char *text) {
  if (*text != '\0') sqlite3_bind_text(insert, parameter, text, -1, SQLITE_STATIC);
}

static void bind_code(sqlite3_stmt *insert, int parameter, const char *hex) {
  if (*hex != '\0') sqlite3_bind_int64(insert, parameter, number_of(hex));
}

/* Run the insert; a binding that failed shows as a row that is refused or as an error here. */
static bool insert_row(struct loader *loader) {
  bool done = sqlite3_step(loader->insert) == SQLITE_DONE;
  if (!done) fprintf(stderr, "http_server: %s\n", sqlite3_errmsg(loader->database));
  sqlite3_reset(loader->insert);
  sqlite3_clear_bindings(loader->insert);
  return done;
}

static bool load_character(struct loader *loader, uint32_t code, const char *name, char *const fields[COLUMNS]) {
  sqlite3_stmt *insert = loader->insert;
  sqlite3_bind_int64(insert, 1, code);
  bind_text(insert, 2, name);
  bind_text(insert, 3, fields[CATEGORY]);
  sqlite3_bind_int(insert, 4, atoi(fields[COMBINING]));
  bind_text(insert, 5, fields[BIDI]);
  bind_text(insert, 6, fields[DECOMPOSITION]);
  bind_text(insert, 7, fields[NUMERIC]);
  sqlite3_bind_int(insert, 8, *fields[MIRRORED] == 'Y');
  bind_text(insert, 9, fields[OLD_NAME]);
  bind_code(insert, 10, fields[UPPERCASE]);
  bind_code(insert, 11, fields[LOWERCASE]);
  bind_code(insert, 12, fields[TITLECASE]);
  return insert_row(loader);
}

static bool load_range(struct loader *loader, uint32_t last, char *const fields[COLUMNS]) {
  char name[UNICODE_NAME_MAX];
  for (uint32_t code = loader->range_first; code <= last; code++) {
    if (!unicode_name_in_range(name, fields[NAME], code)) return true;
    if (!load_character(loader, code, name, fields)) return false;
  }
  return true;
}

/* ---- Lines ---- */

static bool ends_with(const char *text, const char *end) {
  size_t text_length = strlen(text);
  size_t end_length = strlen(end);
  return text_length >= end_length && strcmp(text + text_length - end_length, end) == 0;
}

static bool split(char *line, char *fields[COLUMNS]) {
  for (int i = 0; i < COLUMNS; i++) {
    fields[i] = strsep(&line, ";");
    if (fields[i] == NULL) return false;
  }
  return true;
}

static bool load_character_line(struct loader *loader, char *line) {
  char *fields[COLUMNS];
  if (!split(line, fields)) return false;
  uint32_t code = number_of(fields[CODE]);
  if (ends_with(fields[NAME], ", First>")) {
    loader->range_first = code;
    return true;
  }
  if (ends_with(fields[NAME], ", Last>")) return load_range(loader, code, fields);
  return load_character(loader, code, fields[NAME], fields);
}

/* "0000..007F; Basic Latin", or a comment. */
static bool load_block_line(struct loader *loader, char *line) {
  line[strcspn(line, "#")] = '\0';
  char *last = strstr(line, "..");
  char *name = strstr(line, "; ");
  if (last == NULL || name == NULL) return *line == '\0';
  sqlite3_bind_int64(loader->insert, 1, number_of(line));
  sqlite3_bind_int64(loader->insert, 2, number_of(last + strlen("..")));
  bind_text(loader->insert, 3, name + strlen("; "));
  return insert_row(loader);
}

/* ---- Files ---- */

static bool load_lines(struct loader *loader, FILE *file, bool (*load_line)(struct loader *, char *)) {
  char *line = NULL;
  size_t room = 0;
  bool ok = true;
  while (ok && getline(&line, &room, file) != -1) {
    line[strcspn(line, "\r\n")] = '\0';
    ok = load_line(loader, line);
  }
  free(line);
  return ok && ferror(file) == 0;
}

static FILE *open_file(const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    fprintf(stderr, "http_server: %s: cannot be read; Debian has it in the package unicode-data\n", path);
  return file;
}

static bool load_file(sqlite3 *database, const char *folder, const char *name, const char *sql,
                      bool (*load_line)(struct loader *, char *)) {
  struct loader loader = {.database = database};
  FILE *file = open_file(folder, name);
  if (file == NULL) return false;
  bool ok =
      sqlite3_prepare_v2(database, sql, -1, &loader.insert, NULL) == SQLITE_OK && load_lines(&loader, file, load_line);
  if (!ok) fprintf(stderr, "http_server: %s could not be loaded\n", name);
  sqlite3_finalize(loader.insert);
  fclose(file);
  return ok;
}

static int layout_of(sqlite3 *database) {
  sqlite3_stmt *query = NULL;
  int layout = -1;
  if (sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &query, NULL) == SQLITE_OK &&
      sqlite3_step(query) == SQLITE_ROW) {
    layout = sqlite3_column_int(query, 0);
  }
  sqlite3_finalize(query);
  return layout;
}

static bool load_tables(sqlite3 *database, const char *folder) {
  char mark[64];
  snprintf(mark, sizeof mark, "PRAGMA user_version = %d", LAYOUT);
  return execute(database, schema) &&
         load_file(database, folder, "UnicodeData.txt", insert_character, load_character_line) &&
         load_file(database, folder, "Blocks.txt", insert_block, load_block_line) &&
         execute(database, count_characters) && execute(database, mark);
}

bool unicode_load(sqlite3 *database, const char *folder) {
  if (layout_of(database) == LAYOUT) return true;
  if (!execute(database, "BEGIN")) return false;
  if (load_tables(database, folder)) return execute(database, "COMMIT");
  sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
  return false;
}
