/* arena_backings_test.c: where arenas get their memory. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/arenas.h"

static arena_pieces pieces;

static void use_everything(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  for (size_t round = 0; round < 5; round++) {
    pieces.count = 0;
    for (size_t i = 0; i < 100; i++) arena_pieces_add(&pieces, arena, i * (round + 1) * 7);
    lido_arena_mark mark = lido_arena_mark_get(arena);
    arena_piece(arena, 60000, 1);
    lido_arena_free(arena, arena_piece(arena, 40000, 2), 40000);
    CHECK_TEXT(lido_arena_printf(arena, "%d", 17), "17");
    lido_arena_rewind(arena, mark);
    CHECK(arena_pieces_hold(&pieces, arena));
    CHECK_ARENA(arena);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_backings, every_built_in_one_serves) {
  use_everything(&(lido_arena_options){.backing = lido_backing_default()});
  use_everything(&(lido_arena_options){.backing = lido_backing_pages()});
  if (lido_backing_mimalloc() != NULL && !testing_on_valgrind()) {
    use_everything(&(lido_arena_options){.backing = lido_backing_mimalloc()});
  }
}

TEST(arena_backings, functions_of_the_callers_get_everything_back) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  static const unsigned flags[] = {0, LIDO_ARENA_REUSE, LIDO_ARENA_PASSTHROUGH};
  for (size_t i = 0; i < 3; i++) use_everything(&(lido_arena_options){.backing = backing, .flags = flags[i]});
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  CHECK_EQ(lido_backing_destroy(backing), EBUSY);
  lido_arena_destroy(arena);
  CHECK_EQ(source.overlaps, 0);
  arena_source_end(&source, backing);
}

TEST(arena_backings, a_buffer_serves_arenas_until_it_is_full) {
  static _Alignas(64) char memory[512 * KIB];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  for (int round = 0; round < 3; round++) {
    lido_arena *arenas[4];
    for (int i = 0; i < 4; i++) {
      arenas[i] = arena_with(&(lido_arena_options){.backing = backing});
      CHECK((char *)arenas[i] >= memory && (char *)arenas[i] < memory + sizeof memory);
    }
    size_t taken = 0;
    char *piece = NULL;
    while ((piece = lido_arena_alloc(arenas[taken / 1000 % 4], 1000)) != NULL) {
      CHECK(piece >= memory && piece + 1000 <= memory + sizeof memory);
      memset(piece, 1, 1000);
      taken += 1000;
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_GE(taken, sizeof memory / 4);
    CHECK_EQ(lido_backing_destroy(backing), EBUSY);
    for (int i = 0; i < 4; i++) CHECK_ARENA(arenas[i]);
    for (int i = 0; i < 4; i++) lido_arena_destroy(arenas[i]);
  }
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(arena_backings, pools_and_arenas_stand_on_one_backing) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 100, .backing = backing});
  CHECK_NOT_NULL(pool);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  void *object = lido_pool_alloc(pool);
  arena_piece(arena, 5000, 1);
  CHECK(!lido_arena_owns(arena, object));
  lido_pool_free(pool, object);
  lido_arena_destroy(arena);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  arena_source_end(&source, backing);
}

/* ---- One call at a time ---- */

enum { THREADS = 4 };

static lido_backing *shared;
static pthread_barrier_t start;

static void *make_arenas(void *argument) {
  size_t *wrong = argument;
  pthread_barrier_wait(&start);
  size_t rounds = testing_scaled(200) + 5;
  for (size_t i = 0; i < rounds; i++) {
    lido_arena *arena = lido_arena_create(&(lido_arena_options){.backing = shared});
    if (arena == NULL || lido_arena_alloc(arena, 100) == NULL || lido_arena_alloc(arena, 50000) == NULL) ++*wrong;
    if (arena != NULL) *wrong += lido_arena_check(arena) != NULL;
    lido_arena_destroy(arena);
  }
  return NULL;
}

TEST(arena_backings, functions_of_the_callers_are_called_one_at_a_time) {
  arena_source source;
  shared = arena_source_backing(&source);
  pthread_t threads[THREADS];
  size_t wrong[THREADS] = {0};
  CHECK_EQ(pthread_barrier_init(&start, NULL, THREADS), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, make_arenas, &wrong[i]), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  pthread_barrier_destroy(&start);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(wrong[i], 0);
  CHECK_EQ(source.overlaps, 0);
  arena_source_end(&source, shared);
}

/* ---- Fork ---- */

TEST(arena_backings, the_child_of_a_fork_may_use_every_arena) {
  lido_arena_class *cls = lido_arena_class_create(NULL);
  CHECK_NOT_NULL(cls);
  lido_arena_release(lido_arena_acquire(cls));
  lido_arena *arena = arena_with(NULL);
  lido_arena *contiguous = arena_with(&(lido_arena_options){.reserve_bytes = MEBIBYTE});
  char *before = arena_piece(arena, 1000, 1);
  fflush(NULL);
  pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    bool right = objects_hold(before, 1000, 1) && lido_arena_alloc(arena, 50000) != NULL;
    right = right && lido_arena_alloc(contiguous, 100000) != NULL && lido_arena_check(arena) == NULL;
    lido_arena_reset(arena);
    lido_arena_destroy(arena);
    lido_arena_destroy(contiguous);
    lido_arena *acquired = lido_arena_acquire(cls);
    right = right && acquired != NULL && lido_arena_alloc(acquired, 100) != NULL;
    lido_arena_release(acquired);
    right = right && lido_arena_class_destroy(cls) == 0;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(objects_hold(before, 1000, 1));
  lido_arena_destroy(arena);
  lido_arena_destroy(contiguous);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}
