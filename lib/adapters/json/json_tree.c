/* json_tree.c: see json_tree.h. */
#include "lib/adapters/json/json_tree.h"

#include <errno.h>
#include <string.h>

#include "lib/adapters/json/json_text.h"

json_tree lido_json_tree_begin(void) {
  json_t *object = json_object();
  return (json_tree){.object = object, .failed = object == NULL};
}

void lido_json_tree_value(json_tree *tree, const char *name, json_t *value) {
  if (json_object_set_new(tree->object, name, value) != 0) tree->failed = true;
}

json_t *lido_json_number(uint64_t number) { return json_integer(number < INT64_MAX ? (json_int_t)number : INT64_MAX); }

void lido_json_tree_number(json_tree *tree, const char *name, uint64_t number) {
  lido_json_tree_value(tree, name, lido_json_number(number));
}

void lido_json_tree_bool(json_tree *tree, const char *name, bool value) {
  lido_json_tree_value(tree, name, json_boolean(value));
}

void lido_json_tree_text(json_tree *tree, const char *name, const char *text) {
  lido_json_tree_value(tree, name, lido_json_valid_text(text));
}

json_t *lido_json_tree_end(json_tree *tree) {
  if (!tree->failed) return tree->object;
  json_decref(tree->object);
  return NULL;
}

json_t *lido_json_array_of(const void *items, size_t count, json_t *(*make)(const void *items, size_t i)) {
  json_t *array = json_array();
  for (size_t i = 0; i < count && array != NULL; i++) {
    if (json_array_append_new(array, make(items, i)) == 0) continue;
    json_decref(array);
    array = NULL;
  }
  return array;
}

/* ---- Writing ---- */

/* jansson hands out some bytes at a time; a sink is better called for some hundred. */
typedef struct outlet {
  lido_text_sink sink;
  void *context;
  int error;
  bool began;
  size_t bytes;
  char text[2048];
} outlet;

static int flush(outlet *out) {
  if (out->error == 0 && out->bytes != 0) {
    out->began = true;
    out->error = out->sink(out->text, out->bytes, out->context);
  }
  out->bytes = 0;
  return out->error == 0 ? 0 : -1;
}

static int take(const char *text, size_t bytes, void *context) {
  outlet *out = context;
  while (bytes != 0) {
    size_t room = sizeof out->text - out->bytes;
    size_t part = bytes < room ? bytes : room;
    memcpy(out->text + out->bytes, text, part);
    out->bytes += part;
    text += part;
    bytes -= part;
    if (out->bytes == sizeof out->text && flush(out) != 0) return -1;
  }
  return 0;
}

int lido_json_tree_write(json_t *root, lido_text_sink sink, void *context, bool *began) {
  outlet out = {.sink = sink, .context = context};
  bool whole = root != NULL && json_dump_callback(root, take, &out, JSON_COMPACT) == 0 && take("\n", 1, &out) == 0 &&
               flush(&out) == 0;
  json_decref(root);
  if (began != NULL) *began = out.began;
  if (whole) return 0;
  return out.error != 0 ? out.error : ENOMEM;
}
