/* 12_zlib_arena.c: zlib with its memory in the arena of a request. Its hooks have a context and never resize: nothing
 * is needed but the arena. A first block that holds a stream saves it a block for each large piece. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static void *hook_alloc(void *arena, unsigned count, unsigned bytes) {
  return lido_arena_alloc_array(arena, count, bytes);
}

/* Everything goes with the reset. */
static void hook_free(void *arena, void *piece) { (void)arena, (void)piece; }

typedef struct text {
  unsigned char *data; /* NULL: it could not be made */
  size_t bytes;
} text;

static text pack(lido_arena *arena, text plain) {
  z_stream stream = {.zalloc = hook_alloc, .zfree = hook_free, .opaque = arena};
  if (deflateInit(&stream, Z_BEST_COMPRESSION) != Z_OK) return (text){0};
  size_t room = deflateBound(&stream, plain.bytes);
  text packed = {.data = lido_arena_alloc(arena, room)};
  if (packed.data == NULL) return packed;
  stream.next_in = plain.data;
  stream.avail_in = (unsigned)plain.bytes;
  stream.next_out = packed.data;
  stream.avail_out = (unsigned)room;
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return (text){0};
  packed.bytes = stream.total_out;
  return packed; /* without deflateEnd: it would only free */
}

static text unpack(lido_arena *arena, text packed, size_t bytes) {
  z_stream stream = {.zalloc = hook_alloc, .zfree = hook_free, .opaque = arena};
  text plain = {.data = lido_arena_alloc(arena, bytes), .bytes = bytes};
  if (plain.data == NULL || inflateInit(&stream) != Z_OK) return (text){0};
  stream.next_in = packed.data;
  stream.avail_in = (unsigned)packed.bytes;
  stream.next_out = plain.data;
  stream.avail_out = (unsigned)bytes;
  return inflate(&stream, Z_FINISH) == Z_STREAM_END ? plain : (text){0};
}

int main(void) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "answer", .chunk_bytes = 512 << 10});
  if (arena == NULL) return 1;
  for (int request = 0; request < 10; request++) {
    text plain = {.data = lido_arena_alloc(arena, 10000), .bytes = 10000};
    if (plain.data == NULL) return 1;
    memset(plain.data, 'a' + request, plain.bytes);
    text packed = pack(arena, plain);
    text again = packed.data == NULL ? packed : unpack(arena, packed, plain.bytes);
    if (again.data == NULL || memcmp(again.data, plain.data, plain.bytes) != 0) return 1;
    if (request == 0) printf("%zu bytes became %zu and %zu again\n", plain.bytes, packed.bytes, again.bytes);
    lido_arena_reset(arena);
  }
  lido_arena_destroy(arena);
  return 0;
}
