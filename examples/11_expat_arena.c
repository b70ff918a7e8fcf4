/* 11_expat_arena.c: Expat with its memory in the arena of a request. Its hooks have no context, so they find the arena
 * in a thread-local; realloc is not told the old size, so each piece has it in a header. */
#include <expat.h>
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>

enum { HEADER = LIDO_ARENA_ALIGN };

static _Thread_local lido_arena *current;

static size_t *header_of(void *piece) { return (size_t *)(void *)((char *)piece - HEADER); }

static void *with_header(size_t *header, size_t bytes) {
  if (header == NULL) return NULL;
  *header = bytes;
  return (char *)header + HEADER;
}

static void *hook_alloc(size_t bytes) {
  if (bytes > SIZE_MAX - HEADER) return NULL;
  return with_header(lido_arena_alloc(current, HEADER + bytes), bytes);
}

static void *hook_realloc(void *piece, size_t bytes) {
  if (piece == NULL) return hook_alloc(bytes);
  if (bytes > SIZE_MAX - HEADER) return NULL;
  size_t *header = header_of(piece);
  return with_header(lido_arena_realloc(current, header, HEADER + *header, HEADER + bytes), bytes);
}

/* Gives the newest piece back, or with LIDO_ARENA_REUSE any. */
static void hook_free(void *piece) {
  if (piece != NULL) lido_arena_free(current, header_of(piece), HEADER + *header_of(piece));
}

static void on_start(void *count, const char *name, const char **attributes) {
  (void)name, (void)attributes;
  ++*(int *)count;
}

/* -> elements, or -1. The parser is not freed: it goes with the arena. */
static int count_elements(lido_arena *arena, const char *text) {
  static const XML_Memory_Handling_Suite hooks = {hook_alloc, hook_realloc, hook_free};
  int count = 0;
  current = arena;
  XML_Parser parser = XML_ParserCreate_MM(NULL, &hooks, NULL);
  if (parser == NULL) return -1;
  XML_SetUserData(parser, &count);
  XML_SetElementHandler(parser, on_start, NULL);
  return XML_Parse(parser, text, (int)strlen(text), XML_TRUE) == XML_STATUS_OK ? count : -1;
}

int main(void) {
  static const char text[] = "<order id='7'><item>bread</item><item>salt</item></order>";
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "xml"});
  lido_arena *tight = lido_arena_create(&(lido_arena_options){.name = "tight", .max_bytes = 4096});
  if (arena == NULL || tight == NULL) return 1;
  for (int request = 0; request < 100; request++) {
    if (count_elements(arena, text) != 3) return 1;
    lido_arena_reset(arena);
  }
  if (count_elements(tight, text) != -1 || !lido_arena_failed(tight)) return 1; /* a limit, not a crash */
  puts("100 documents of 3 elements; 4 KiB are too few for one");
  lido_arena_destroy(tight);
  lido_arena_destroy(arena);
  return 0;
}
