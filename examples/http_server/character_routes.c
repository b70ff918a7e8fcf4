/* character_routes.c: see character_routes.h. */
#include "examples/http_server/character_routes.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/http_server/character_database.h"
#include "examples/http_server/json_writer.h"

enum { CODE_LAST = 0x10FFFF, LIMIT_DEFAULT = 20, LIMIT_MAX = 1000 };

static enum http_status problem(struct exchange *exchange, enum http_status status, const char *text) {
  exchange->response.problem = text;
  return status;
}

/* After rows_end. */
static enum http_status rows_failed(void) {
  return errno == ENOMEM ? HTTP_STATUS_SERVICE_UNAVAILABLE : HTTP_STATUS_INTERNAL_SERVER_ERROR;
}

/* The end of an answer whose rows came from `rows`. */
static enum http_status finish(struct json_writer *json, database_rows *rows) {
  bool written = json_end(json);
  if (!rows_end(rows)) return rows_failed();
  return written ? HTTP_STATUS_OK : HTTP_STATUS_SERVICE_UNAVAILABLE;
}

/* ---- Pieces of JSON ---- */

static void write_code(struct json_writer *json, const char *key, int64_t code) {
  char text[16];
  snprintf(text, sizeof text, "%04" PRIX64, (uint64_t)code);
  json_text(json, key, code < 0 ? NULL : text);
}

static size_t encode_utf8(char text[4], uint32_t code) {
  if (code < 0x80) {
    text[0] = (char)code;
    return 1;
  }
  size_t count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = count - 1; i > 0; i--) {
    text[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  static const unsigned char leads[] = {[2] = 0xC0, [3] = 0xE0, [4] = 0xF0};
  text[0] = (char)(leads[count] | code);
  return count;
}

static void write_row(struct json_writer *json, const struct character_row *row) {
  char text[4];
  write_code(json, "code", row->code);
  json_text_counted(json, "character", text, encode_utf8(text, row->code));
  json_text(json, "name", row->name);
  json_text(json, "category", row->category);
}

static void write_rows(struct json_writer *json, database_rows *rows) {
  struct character_row row;
  json_array_open(json, "characters");
  while (next_character(rows, &row)) {
    json_object_open(json);
    write_row(json, &row);
    json_object_close(json);
  }
  json_array_close(json);
}

static void write_details(struct json_writer *json, const struct character_details *details) {
  json_object_open(json);
  write_row(json, &details->row);
  json_number(json, "combining", details->combining);
  json_text(json, "bidi", details->bidi);
  json_text(json, "decomposition", details->decomposition);
  json_text(json, "numeric", details->numeric);
  json_bool(json, "mirrored", details->mirrored);
  json_text(json, "old_name", details->old_name);
  write_code(json, "uppercase", details->uppercase);
  write_code(json, "lowercase", details->lowercase);
  write_code(json, "titlecase", details->titlecase);
  json_text(json, "block", details->block);
  json_object_close(json);
}

static void write_block(struct json_writer *json, const struct block_row *block) {
  write_code(json, "first", block->first);
  write_code(json, "last", block->last);
  json_text(json, "name", block->name);
}

/* ---- One character ---- */

static bool parse_code(uint32_t *code, const char *text) {
  size_t digits = strspn(text, "0123456789ABCDEFabcdef");
  if (digits == 0 || digits > 6 || text[digits] != '\0') return false;
  *code = (uint32_t)strtoul(text, NULL, 16);
  return *code <= CODE_LAST;
}

enum http_status answer_character(struct exchange *exchange, const struct sources *sources,
                                  const struct route_input *input) {
  uint32_t code;
  if (!parse_code(&code, input->item)) {
    return problem(exchange, HTTP_STATUS_BAD_REQUEST, "a code is a hexadecimal number up to 10FFFF");
  }
  database_rows *rows = character_by_code(sources->database, code);
  struct character_details details;
  if (!next_character_details(rows, &details)) {
    if (!rows_end(rows)) return rows_failed();
    char *text = request_printf(exchange->memory, "U+%04" PRIX32 " has no name", code);
    return problem(exchange, HTTP_STATUS_NOT_FOUND, text);
  }
  struct json_writer json;
  json_begin(&json, exchange->memory, &exchange->response.body);
  write_details(&json, &details);
  return finish(&json, rows);
}

/* ---- Search ---- */

/* 1 to LIMIT_MAX, or 0 if it is anything else. */
static uint32_t parse_limit(struct target_part text) {
  if (text.text == NULL) return LIMIT_DEFAULT;
  uint32_t limit = 0;
  for (size_t i = 0; i < text.count; i++) {
    if (text.text[i] < '0' || text.text[i] > '9') return 0;
    limit = limit * 10 + (uint32_t)(text.text[i] - '0');
    if (limit > LIMIT_MAX) return 0;
  }
  return limit;
}

/* Names are written in capital letters. */
static void capitalize(char *text) {
  for (; *text != '\0'; text++) *text = (char)toupper((unsigned char)*text);
}

enum http_status answer_search(struct exchange *exchange, const struct sources *sources,
                               const struct route_input *input) {
  struct target_part name = query_field(input->query, "name");
  uint32_t limit = parse_limit(query_field(input->query, "limit"));
  if (name.count == 0) return problem(exchange, HTTP_STATUS_BAD_REQUEST, "name=WORD is missing");
  if (limit == 0) return problem(exchange, HTTP_STATUS_BAD_REQUEST, "limit is a number from 1 to 1000");
  char *part = decode_field(exchange->memory, name);
  if (part == NULL) return errno == ENOMEM ? HTTP_STATUS_SERVICE_UNAVAILABLE : HTTP_STATUS_BAD_REQUEST;
  capitalize(part);

  database_rows *rows = characters_by_name(sources->database, part, limit);
  struct json_writer json;
  json_begin(&json, exchange->memory, &exchange->response.body);
  json_object_open(&json);
  json_number(&json, "limit", limit);
  write_rows(&json, rows);
  json_object_close(&json);
  return finish(&json, rows);
}

/* ---- Blocks ---- */

enum http_status answer_blocks(struct exchange *exchange, const struct sources *sources,
                               const struct route_input *input) {
  (void)input;
  database_rows *rows = blocks_all(sources->database);
  struct block_row block;
  struct json_writer json;
  json_begin(&json, exchange->memory, &exchange->response.body);
  json_object_open(&json);
  json_array_open(&json, "blocks");
  while (next_block(rows, &block)) {
    json_object_open(&json);
    write_block(&json, &block);
    json_number(&json, "characters", block.characters);
    json_object_close(&json);
  }
  json_array_close(&json);
  json_object_close(&json);
  return finish(&json, rows);
}

/* Two questions at once: the block's row holds until the first one is ended. */
static enum http_status write_block_and_characters(struct exchange *exchange, const struct sources *sources,
                                                   const struct block_row *block) {
  database_rows *rows = characters_between(sources->database, block->first, block->last);
  struct json_writer json;
  json_begin(&json, exchange->memory, &exchange->response.body);
  json_object_open(&json);
  write_block(&json, block);
  write_rows(&json, rows);
  json_object_close(&json);
  return finish(&json, rows);
}

enum http_status answer_block(struct exchange *exchange, const struct sources *sources,
                              const struct route_input *input) {
  database_rows *rows = block_by_name(sources->database, input->item);
  struct block_row block;
  bool found = next_block(rows, &block);
  enum http_status status = found ? write_block_and_characters(exchange, sources, &block) : HTTP_STATUS_NOT_FOUND;
  if (!rows_end(rows)) return rows_failed();
  return found ? status : problem(exchange, status, "no block has this name");
}
