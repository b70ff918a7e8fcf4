/* list.h: an intrusive doubly linked list in a ring.
 *
 * A link is a member of what is listed; LIDO_LIST_ITEM leads back. The list itself is a link, so that nothing is
 * special about the first and the last. A link that is in no list points to itself, which makes removing twice
 * harmless.
 * Threads: whoever holds the lock of the list.
 */
#ifndef LIDO_LIB_BASE_LIST_H
#define LIDO_LIB_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lido_link {
  struct lido_link *next;
  struct lido_link *previous;
} lido_link;

/* The struct that has `link` as its `member`. */
#define LIDO_LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#define LIDO_LIST_INITIAL(list) \
  { &(list), &(list) }

static inline void lido_list_init(lido_link *link) { *link = (lido_link){link, link}; }

static inline bool lido_list_is_empty(const lido_link *list) { return list->next == list; }

/* pre: `link` is in no list. */
static inline void lido_list_insert_before(lido_link *place, lido_link *link) {
  *link = (lido_link){.next = place, .previous = place->previous};
  place->previous->next = link;
  place->previous = link;
}

static inline void lido_list_append(lido_link *list, lido_link *link) { lido_list_insert_before(list, link); }
static inline void lido_list_prepend(lido_link *list, lido_link *link) { lido_list_insert_before(list->next, link); }

static inline void lido_list_remove(lido_link *link) {
  link->next->previous = link->previous;
  link->previous->next = link->next;
  lido_list_init(link);
}

/* The first, which is then in no list. pre: not empty. */
static inline lido_link *lido_list_take_first(lido_link *list) {
  lido_link *first = list->next;
  lido_list_remove(first);
  return first;
}

#endif
