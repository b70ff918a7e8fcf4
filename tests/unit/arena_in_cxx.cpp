// arena_in_cxx.cpp: the face of arenas used from C++17.
#include "tests/unit/arena_in_cxx.h"

#include <cstring>
#include <new>

namespace {

struct alignas(128) Wide {
  double values[20];
};

struct Counted {
  explicit Counted(int *counter) : count(counter) { ++*count; }
  ~Counted() { --*count; }
  int *count;
};

void end_counted(void *object) { static_cast<Counted *>(object)->~Counted(); }

} // namespace

#define EXPECT(condition) \
  if (!(condition)) return __LINE__

extern "C" int cxx_use_pieces(lido_arena *arena) {
  auto *wide = LIDO_ARENA_NEW(arena, Wide);
  EXPECT(wide != nullptr && reinterpret_cast<uintptr_t>(wide) % 128 == 0);
  for (double value : wide->values) EXPECT(value == 0);
  auto *row = LIDO_ARENA_ARRAY(arena, int, 1000);
  EXPECT(row != nullptr && row[999] == 0);
  int count = 0;
  for (int i = 0; i < 10; i++) {
    void *place = lido_arena_alloc_aligned(arena, sizeof(Counted), alignof(Counted));
    EXPECT(place != nullptr);
    EXPECT(lido_arena_on_reset(arena, end_counted, new (place) Counted(&count)) == 0);
  }
  EXPECT(count == 10);
  lido_arena_reset(arena);
  EXPECT(count == 0);
  return 0;
}

extern "C" int cxx_use_text(lido_arena *arena) {
  lido_bytes line = lido_bytes_begin(arena, 0);
  EXPECT(lido_bytes_add(&line, "GET ", 4));
  EXPECT(lido_bytes_add_byte(&line, '/'));
  EXPECT(lido_bytes_printf(&line, "%d", 17));
  EXPECT(std::strcmp(lido_bytes_end(&line), "GET /17") == 0);
  EXPECT(std::strcmp(lido_arena_printf(arena, "%s", "text"), "text") == 0);
  lido_scratch scratch = lido_scratch_begin(&arena, 1);
  EXPECT(scratch.arena != nullptr && scratch.arena != arena);
  lido_scratch_end(scratch);
  return 0;
}

extern "C" int cxx_use_life(void) {
  lido_arena_options options = {};
  options.name = "cxx";
  options.retain = LIDO_ARENA_RETAIN_ALL;
  lido_arena_class *cls = lido_arena_class_create(&options);
  EXPECT(cls != nullptr);
  lido_arena *arena = lido_arena_acquire(cls);
  EXPECT(arena != nullptr && std::strcmp(lido_arena_name(arena), "cxx") == 0);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  EXPECT(lido_arena_alloc(arena, 5000) != nullptr);
  lido_arena_rewind(arena, mark);
  lido_arena_stats stats = {};
  lido_arena_stats_get(arena, &stats);
  EXPECT(stats.used == 0);
  EXPECT(lido_arena_check(arena) == nullptr);
  lido_arena_release(arena);
  EXPECT(lido_arena_class_destroy(cls) == 0);
  return 0;
}
