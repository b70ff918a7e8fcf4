/* 17_scratch.c: memory for the length of a function. A result that is to outlive it goes to the caller's arena, which
 * is named as a conflict: the caller's may itself be a scratch arena. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>

/* The words of `text` in reverse order, in `out`. */
static const char *reversed(lido_arena *out, const char *text) {
  lido_scratch scratch = lido_scratch_begin(&out, 1);
  if (scratch.arena == NULL) return NULL;
  const char *result = "";
  char *words = lido_arena_strdup(scratch.arena, text);
  for (char *rest = words, *word = NULL; result != NULL && (word = strtok_r(rest, " ", &rest)) != NULL;) {
    result = lido_arena_printf(scratch.arena, "%s%s%s", word, *result == '\0' ? "" : " ", result);
  }
  if (words == NULL) result = NULL;
  result = lido_arena_strdup(out, result); /* NULL of NULL */
  lido_scratch_end(scratch);               /* all the drafts are gone */
  return result;
}

/* A caller whose own arena is a scratch arena. */
static bool is_palindrome(const char *text) {
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  const char *other = scratch.arena == NULL ? NULL : reversed(scratch.arena, text);
  bool same = other != NULL && strcmp(other, text) == 0;
  lido_scratch_end(scratch);
  return same;
}

int main(void) {
  lido_arena *arena = lido_arena_create(NULL);
  if (arena == NULL) return 1;
  const char *text = reversed(arena, "salt and bread");
  if (text == NULL || strcmp(text, "bread and salt") != 0) return 1;
  if (!is_palindrome("all for one for all") || is_palindrome("one for all")) return 1;
  puts(text);
  lido_arena_destroy(arena);
  return 0;
}
