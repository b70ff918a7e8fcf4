/* parsers/parser_yajl.h: JSON by yajl, from a new handle to the freed one, and a tree of its values. */
#include <yajl/yajl_parse.h>

#include "parser_tree.h"

#define JOB_ROW "yajl"

static void *hook_alloc(void *context, size_t bytes) {
  (void)context;
  return memory_alloc(bytes);
}

static void *hook_realloc(void *context, void *piece, size_t bytes) {
  (void)context;
  return memory_realloc(piece, bytes);
}

static void hook_free(void *context, void *piece) {
  (void)context;
  memory_free(piece);
}

static int on_open(void *context) {
  tree_node **at = context;
  *at = tree_add(*at, NULL, 0);
  return 1;
}

static int on_close(void *context) {
  tree_node **at = context;
  *at = (*at)->parent;
  return 1;
}

static int on_null(void *context) { return tree_add(*(tree_node **)context, "null", 4) != NULL; }

static int on_boolean(void *context, int yes) { return tree_add(*(tree_node **)context, yes ? "y" : "n", 1) != NULL; }

static int on_number(void *context, const char *text, size_t length) {
  return tree_add(*(tree_node **)context, text, length) != NULL;
}

static int on_string(void *context, const unsigned char *text, size_t length) {
  return tree_add(*(tree_node **)context, (const char *)text, length) != NULL;
}

static uint64_t job_document(const char *data, size_t length, bool checked) {
  static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                           .yajl_boolean = on_boolean,
                                           .yajl_number = on_number,
                                           .yajl_string = on_string,
                                           .yajl_map_key = on_string,
                                           .yajl_start_map = on_open,
                                           .yajl_end_map = on_close,
                                           .yajl_start_array = on_open,
                                           .yajl_end_array = on_close};
  yajl_alloc_funcs hooks = {.malloc = hook_alloc, .realloc = hook_realloc, .free = hook_free};
  tree_node *root = tree_add(NULL, NULL, 0), *at = root;
  yajl_handle parser = yajl_alloc(&callbacks, &hooks, &at);
  if (parser == NULL) bench_die("no parser");
  bool parsed = yajl_parse(parser, (const unsigned char *)data, length) == yajl_status_ok &&
                yajl_complete_parse(parser) == yajl_status_ok;
  if (!parsed) bench_die("yajl cannot parse this");
  uint64_t sum = checked ? tree_checksum(root) : 0;
  if (!MEMORY_FORGETS) yajl_free(parser);
  tree_free(root);
  return sum;
}
