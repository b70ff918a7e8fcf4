/* 18_builder.c: a text of unknown length, built at the end of an arena, where it grows in place. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>

struct item {
  const char *name;
  int count;
};

static const char *as_json(lido_arena *arena, const struct item *items, size_t count) {
  lido_bytes json = lido_bytes_begin(arena, 0);
  lido_bytes_add_byte(&json, '{');
  for (size_t i = 0; i < count; i++) {
    if (i > 0) lido_bytes_add(&json, ", ", 2);
    lido_bytes_printf(&json, "\"%s\": %d", items[i].name, items[i].count);
  }
  lido_bytes_add_byte(&json, '}');
  return lido_bytes_end(&json); /* NULL if any of it found no memory: one question is enough */
}

int main(void) {
  static const struct item items[] = {{"bread", 2}, {"salt", 1}, {"oil", 3}};
  static const char expected[] = "{\"bread\": 2, \"salt\": 1, \"oil\": 3}";
  static char memory[LIDO_ARENA_BUFFER_MIN];
  lido_arena *arena = lido_arena_create(NULL);
  lido_arena *full = lido_arena_create(&(lido_arena_options){
      .name = "full", .buffer = memory, .buffer_bytes = sizeof memory, .flags = LIDO_ARENA_FIXED});
  if (arena == NULL || full == NULL) return 1;

  const char *json = as_json(arena, items, 3);
  if (json == NULL || strcmp(json, expected) != 0) return 1;
  puts(json);

  while (lido_arena_alloc(full, 16) != NULL) continue;
  if (as_json(full, items, 3) != NULL || !lido_arena_failed(full)) return 1;
  lido_arena_destroy(full);
  lido_arena_destroy(arena);
  return 0;
}
