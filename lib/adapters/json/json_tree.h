/* json_tree.h: jansson's values, with errors that can be told at the end.
 *
 * Idea: a value that could not be made is NULL, and jansson refuses to enter a NULL; so a tree is built without looking
 * at each step: json_enter() notes in the object's builder that something is missing, and the whole is given up once.
 * Failure: `failed` is the only error, and means ENOMEM.
 */
#ifndef LIDO_LIB_ADAPTERS_JSON_JSON_TREE_H
#define LIDO_LIB_ADAPTERS_JSON_JSON_TREE_H

#include <jansson.h>

#include "lido/snapshot.h"

typedef struct json_tree {
  json_t *object;
  bool failed;
} json_tree;

json_tree lido_json_tree_begin(void);

/* Enter a value that is given away; NULL: there was no memory for it. */
void lido_json_tree_value(json_tree *tree, const char *name, json_t *value);
void lido_json_tree_number(json_tree *tree, const char *name, uint64_t number);
void lido_json_tree_bool(json_tree *tree, const char *name, bool value);
/* Any bytes; made UTF-8. */
void lido_json_tree_text(json_tree *tree, const char *name, const char *text);

/* The object, or NULL when something is missing. */
json_t *lido_json_tree_end(json_tree *tree);

/* 2^63 - 1 at most. */
json_t *lido_json_number(uint64_t number);

/* An array of make(items, i) for each i below `count`, or NULL. */
json_t *lido_json_array_of(const void *items, size_t count, json_t *(*make)(const void *items, size_t i));

/* Write on one line, and give the tree back. NULL is ENOMEM. `began`, if not NULL, tells whether the sink was
 * called. */
int lido_json_tree_write(json_t *root, lido_text_sink sink, void *context, bool *began);

#endif
