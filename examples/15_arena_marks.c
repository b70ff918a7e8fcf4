/* 15_arena_marks.c: try something, and if it leads nowhere take back all that it took. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>

static size_t used_by(const lido_arena *arena) {
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  return (size_t)stats.used;
}

/* A list of numbers between brackets; NULL if it is none, and then the arena is as it was. */
static const char *parse_list(lido_arena *arena, const char *text) {
  lido_arena_mark before = lido_arena_mark_get(arena);
  char *numbers = lido_arena_strdup(arena, text);
  if (numbers != NULL && text[0] == '[' && text[strlen(text) - 1] == ']') return numbers;
  lido_arena_rewind(arena, before);
  return NULL;
}

static const char *parse(lido_arena *arena, const char *text) {
  const char *list = parse_list(arena, text);
  return list != NULL ? list : lido_arena_printf(arena, "word %s", text);
}

int main(void) {
  lido_arena *arena = lido_arena_create(NULL);
  if (arena == NULL) return 1;

  size_t used = used_by(arena);
  if (parse_list(arena, "salt") != NULL || used_by(arena) != used) return 1; /* it left nothing */

  const char *word = parse(arena, "salt");
  const char *list = parse(arena, "[1, 2]");
  if (word == NULL || strcmp(word, "word salt") != 0) return 1;
  if (list == NULL || strcmp(list, "[1, 2]") != 0) return 1;
  printf("%s; list %s\n", word, list);
  lido_arena_destroy(arena);
  return 0;
}
