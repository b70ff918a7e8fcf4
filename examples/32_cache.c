/* 32_cache.c: glyphs that are drawn once however many ask for them. The cache keeps two alive on its own, those that
 * were asked for lately; any that somebody uses is found too, and what nobody needs is gone. */
#include <errno.h>
#include <lido/lido.h>
#include <stdio.h>

struct glyph {
  char letter;
  unsigned width;
};

static lido_pool *glyphs;
static unsigned drawn, let_go;

/* Takes its time: no lock is held, and of many threads that ask for a letter one draws it. */
static int draw(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key_bytes, (void)arg;
  char letter = *(const char *)key;
  if (letter < 'a' || letter > 'z') return EILSEQ; /* for all who asked, and not remembered */
  struct glyph *glyph = lido_pool_alloc(glyphs);
  if (glyph == NULL) return ENOMEM;
  *glyph = (struct glyph){.letter = letter, .width = letter == 'i' ? 1 : 5};
  drawn++;
  *value = glyph; /* with the one reference that alloc gave */
  return 0;
}

static void say_goodbye(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  (void)key, (void)key_bytes, (void)context;
  printf("no longer kept: %c%s\n", ((struct glyph *)value)->letter, reason == LIDO_CACHE_ENDED ? ", at the end" : "");
  let_go++;
}

static struct glyph *ask(lido_cache *cache, char letter) {
  void *glyph;
  int error = lido_cache_get_or_create(cache, &letter, 1, draw, NULL, &glyph);
  return error == 0 ? glyph : NULL;
}

/* Asked for and not held. -> whether it had to be drawn. */
static bool is_drawn_anew(lido_cache *cache, char letter) {
  unsigned before = drawn;
  lido_release(ask(cache, letter));
  return drawn != before;
}

int main(void) {
  glyphs = lido_pool_create(
      &(lido_pool_options){.name = "glyph", .object_size = sizeof(struct glyph), .flags = LIDO_POOL_HANDLES});
  lido_cache *cache =
      lido_cache_create(&(lido_cache_options){.name = "glyphs", .keep_count = 2, .on_evict = say_goodbye});
  if (glyphs == NULL || cache == NULL) return 1;

  bool right = is_drawn_anew(cache, 'a') && is_drawn_anew(cache, 'b');
  right &= !is_drawn_anew(cache, 'a');                                 /* kept, and noted as asked for */
  right &= is_drawn_anew(cache, 'c') && !is_drawn_anew(cache, 'a');    /* so b made room for c */
  struct glyph *held = ask(cache, 'b');                                /* drawn again; ours as well */
  right &= held != NULL && lido_cache_evict(cache, SIZE_MAX) == 2;     /* all that is kept is let go */
  right &= ask(cache, 'b') == held && is_drawn_anew(cache, 'a');       /* what is held was found all the same */
  right &= ask(cache, '?') == NULL && lido_reference_count(held) == 3; /* ours, twice, and the cache's */
  lido_release_n(held, 2);

  lido_cache_stats stats;
  lido_cache_stats_get(cache, &stats);
  printf("%u drawn, %llu hits, %llu misses\n", drawn, (unsigned long long)stats.hits, (unsigned long long)stats.misses);
  right &= stats.hits == 3 && stats.misses == 6 && drawn == 5 && stats.flights_failed == 1;
  lido_cache_destroy(cache); /* lets go of the last two, of which b has been kept twice */
  return lido_pool_destroy(glyphs) == 0 && right && let_go == drawn + 1 ? 0 : 1;
}
