/* json_writer.c: see json_writer.h. */
#include "examples/http_server/json_writer.h"

#include <string.h>

/* ---- yajl's hooks ---- */

/* The generator itself may fail to come, but yajl does not look whether the small buffer after it did. */
static void *take(void *context, size_t bytes) {
  struct json_writer *json = context;
  void *block = request_alloc(json->memory, bytes);
  if (block != NULL) return block;
  return bytes <= sizeof json->spare ? json->spare : NULL;
}

/* Only for yajl's own buffer, which is never written to. */
static void *retake(void *context, void *block, size_t bytes) {
  (void)context, (void)block, (void)bytes;
  return NULL;
}

/* It goes with the request. */
static void give(void *context, void *block) { (void)context, (void)block; }

static void print(void *context, const char *text, size_t count) { request_bytes_add(context, text, count); }

/* ---- Documents ---- */

void json_begin(struct json_writer *json, request_memory *memory, request_bytes *out) {
  *json = (struct json_writer){.memory = memory, .out = out};
  json->functions = (yajl_alloc_funcs){.malloc = take, .realloc = retake, .free = give, .ctx = json};
  json->generator = yajl_gen_alloc(&json->functions);
  json->ok = json->generator != NULL && yajl_gen_config(json->generator, yajl_gen_print_callback, print, out) != 0;
}

bool json_end(struct json_writer *json) {
  if (json->generator != NULL) yajl_gen_free(json->generator);
  request_bytes_add(json->out, "\n", 1);
  return json->ok && !json->out->failed;
}

static void note(struct json_writer *json, yajl_gen_status status) {
  if (status != yajl_gen_status_ok) json->ok = false;
}

/* The common start of a value. -> false if there is no sense in going on. */
static bool key_written(struct json_writer *json, const char *key) {
  if (json->ok && key != NULL) json_text(json, NULL, key);
  return json->ok;
}

void json_object_open(struct json_writer *json) {
  if (json->ok) note(json, yajl_gen_map_open(json->generator));
}

void json_object_close(struct json_writer *json) {
  if (json->ok) note(json, yajl_gen_map_close(json->generator));
}

void json_array_open(struct json_writer *json, const char *key) {
  if (key_written(json, key)) note(json, yajl_gen_array_open(json->generator));
}

void json_array_close(struct json_writer *json) {
  if (json->ok) note(json, yajl_gen_array_close(json->generator));
}

void json_text_counted(struct json_writer *json, const char *key, const char *text, size_t count) {
  if (!key_written(json, key)) return;
  note(json, text == NULL ? yajl_gen_null(json->generator)
                          : yajl_gen_string(json->generator, (const unsigned char *)text, count));
}

void json_text(struct json_writer *json, const char *key, const char *text) {
  json_text_counted(json, key, text, text == NULL ? 0 : strlen(text));
}

void json_number(struct json_writer *json, const char *key, long long number) {
  if (key_written(json, key)) note(json, yajl_gen_integer(json->generator, number));
}

void json_bool(struct json_writer *json, const char *key, bool value) {
  if (key_written(json, key)) note(json, yajl_gen_bool(json->generator, value));
}
