/* parser_tree.h: what a program makes of a document: a tree of texts, node by node from the parser's own memory. */
#ifndef LIDO_BENCHMARKS_PARSER_TREE_H
#define LIDO_BENCHMARKS_PARSER_TREE_H

#include "parser_memory.h"

typedef struct tree_node {
  struct tree_node *parent;
  struct tree_node *first;
  struct tree_node *last;
  struct tree_node *next;
  char *text; /* NULL: none */
  size_t length;
} tree_node;

static inline char *tree_text(const char *text, size_t length) {
  char *copy = memory_alloc_plain(length + 1);
  if (copy == NULL) bench_die("no memory for a text");
  memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

static inline tree_node *tree_add(tree_node *parent, const char *text, size_t length) {
  tree_node *node = memory_alloc_plain(sizeof *node);
  if (node == NULL) bench_die("no memory for a node");
  *node = (tree_node){.parent = parent, .length = length};
  if (text != NULL) node->text = tree_text(text, length);
  if (parent == NULL) return node;
  if (parent->last != NULL) parent->last->next = node;
  else parent->first = node;
  parent->last = node;
  return node;
}

/* The node after this one and those below it, on the way up. */
static inline tree_node *tree_after(tree_node *node) {
  while (node != NULL && node->next == NULL) node = node->parent;
  return node == NULL ? NULL : node->next;
}

/* FNV-1a of all texts and the shape. */
static inline uint64_t tree_checksum(tree_node *root) {
  uint64_t sum = UINT64_C(0xcbf29ce484222325);
  for (tree_node *node = root; node != NULL; node = node->first != NULL ? node->first : tree_after(node)) {
    for (size_t i = 0; i < node->length && node->text != NULL; i++)
      sum = (sum ^ (unsigned char)node->text[i]) * UINT64_C(0x100000001b3);
    sum = (sum ^ node->length ^ (node->first != NULL)) * UINT64_C(0x100000001b3);
  }
  return sum;
}

static inline tree_node *tree_leaf(tree_node *node) {
  while (node->first != NULL) node = node->first;
  return node;
}

/* Node by node, those below first; where memory goes all at once there is nothing to do. */
static inline void tree_free(tree_node *root) {
  if (MEMORY_FORGETS != 0 || root == NULL) return;
  for (tree_node *node = tree_leaf(root); node != NULL;) {
    tree_node *after = node->next != NULL ? tree_leaf(node->next) : node->parent;
    if (node->text != NULL) memory_free_plain(node->text);
    memory_free_plain(node);
    node = after;
  }
}

#endif
