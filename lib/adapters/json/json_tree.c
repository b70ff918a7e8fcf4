/* json_tree.c: see json_tree.h. */
#include "lib/adapters/json/json_tree.h"

#include "lib/adapters/json/json_outlet.h"
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

int lido_json_tree_write(json_t *root, lido_text_sink sink, void *context, bool *began) {
  json_outlet out;
  lido_json_outlet_begin(&out, sink, context);
  lido_json_outlet_value(&out, root);
  return lido_json_outlet_end(&out, began);
}
