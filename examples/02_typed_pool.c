/* 02_typed_pool.c: a pool for one type, inlined, made at the first use. The fastest there is. */
#include <lido/pool.h>
#include <stdio.h>

struct node {
  struct node *next;
  int value;
};

LIDO_POOL_DEFINE(node, struct node, .max_objects = 100000)

static struct node *push(struct node *list, int value) {
  struct node *node = node_alloc();
  if (node == NULL) return NULL;
  node->next = list;
  node->value = value;
  return node;
}

int main(void) {
  struct node *list = NULL;
  for (int i = 1; i <= 1000; i++) {
    struct node *longer = push(list, i);
    if (longer == NULL) return 1;
    list = longer;
  }
  long sum = 0;
  while (list != NULL) {
    struct node *next = list->next;
    sum += list->value;
    node_free(list);
    list = next;
  }
  printf("the sum of 1 to 1000 is %ld\n", sum);
  return sum == 500500 ? 0 : 1;
}
