/* 13_yajl_arena.c: yajl with its memory, and what it reads, in the arena of a request. Its hooks have a context;
 * realloc is not told the old size, so each piece has it in a header. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { HEADER = LIDO_ARENA_ALIGN };

static size_t *header_of(void *piece) { return (size_t *)(void *)((char *)piece - HEADER); }

static void *with_header(size_t *header, size_t bytes) {
  if (header == NULL) return NULL;
  *header = bytes;
  return (char *)header + HEADER;
}

static void *hook_alloc(void *arena, size_t bytes) {
  if (bytes > SIZE_MAX - HEADER) return NULL;
  return with_header(lido_arena_alloc(arena, HEADER + bytes), bytes);
}

static void *hook_realloc(void *arena, void *piece, size_t bytes) {
  if (piece == NULL) return hook_alloc(arena, bytes);
  if (bytes > SIZE_MAX - HEADER) return NULL;
  size_t *header = header_of(piece);
  return with_header(lido_arena_realloc(arena, header, HEADER + *header, HEADER + bytes), bytes);
}

static void hook_free(void *arena, void *piece) {
  if (piece != NULL) lido_arena_free(arena, header_of(piece), HEADER + *header_of(piece));
}

struct words {
  lido_arena *arena;
  const char *last;
  int count;
};

static int on_string(void *context, const unsigned char *text, size_t length) {
  struct words *words = context;
  words->last = lido_arena_strndup(words->arena, (const char *)text, length);
  words->count++;
  return words->last != NULL; /* 0 ends the parse */
}

/* The handle is not freed: it goes with the arena. */
static bool read_words(struct words *words, const char *json) {
  static const yajl_callbacks callbacks = {.yajl_string = on_string};
  yajl_alloc_funcs hooks = {.malloc = hook_alloc, .realloc = hook_realloc, .free = hook_free, .ctx = words->arena};
  yajl_handle parser = yajl_alloc(&callbacks, &hooks, words);
  if (parser == NULL) return false;
  return yajl_parse(parser, (const unsigned char *)json, strlen(json)) == yajl_status_ok &&
         yajl_complete_parse(parser) == yajl_status_ok;
}

int main(void) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "json"});
  if (arena == NULL) return 1;
  for (int request = 0; request < 100; request++) {
    struct words words = {.arena = arena};
    if (!read_words(&words, "[\"bread\", \"salt\", {\"and\": \"oil\"}]")) return 1;
    if (words.count != 3 || strcmp(words.last, "oil") != 0) return 1;
    lido_arena_reset(arena);
  }
  puts("100 documents of 3 words, the last one \"oil\"");
  lido_arena_destroy(arena);
  return 0;
}
