/* list_test.c: the intrusive list. */
#include "lib/base/list.h"
#include "tests/support/objects.h"

typedef struct card {
  int number;
  lido_link link;
} card;

static int first_of(lido_link *list) { return LIDO_LIST_ITEM(list->next, card, link)->number; }
static int last_of(lido_link *list) { return LIDO_LIST_ITEM(list->previous, card, link)->number; }

TEST(list, is_empty_at_first) {
  lido_link list = LIDO_LIST_INITIAL(list);
  CHECK(lido_list_is_empty(&list));
}

TEST(list, keeps_the_order) {
  lido_link list = LIDO_LIST_INITIAL(list);
  card cards[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
  lido_list_append(&list, &cards[1].link);
  lido_list_append(&list, &cards[3].link);
  lido_list_prepend(&list, &cards[0].link);
  lido_list_insert_before(&cards[3].link, &cards[2].link);
  CHECK_EQ(first_of(&list), 0);
  CHECK_EQ(last_of(&list), 3);
  for (int i = 0; i < 4; i++) CHECK_EQ(LIDO_LIST_ITEM(lido_list_take_first(&list), card, link)->number, i);
  CHECK(lido_list_is_empty(&list));
}

TEST(list, what_is_removed_twice_is_removed_once) {
  lido_link list;
  lido_list_init(&list);
  card cards[2] = {{.number = 0}, {.number = 1}};
  lido_list_append(&list, &cards[0].link);
  lido_list_append(&list, &cards[1].link);
  lido_list_remove(&cards[0].link);
  lido_list_remove(&cards[0].link);
  CHECK_EQ(first_of(&list), 1);
  CHECK_EQ(last_of(&list), 1);
}
