/* flow_test.c: objects that flow one way, from threads that alloc to threads that free: memory stays bounded,
 * whichever way they are passed: one by one, or as whole magazines.
 */
#include "tests/stress/crew.h"

enum { BYTES = 128, CHANNEL = 256, RETAIN = 64 << 10, CACHE = 16 << 10 };

/* A queue with a lock: what a program would use. */
typedef struct channel {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  void *items[CHANNEL];
  size_t first;
  size_t count;
  bool closed;
} channel;

static void channel_init(channel *c) {
  *c = (channel){0};
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
}

static void channel_end(channel *c) {
  pthread_cond_destroy(&c->changed);
  pthread_mutex_destroy(&c->lock);
}

static void channel_send(channel *c, void *item) {
  pthread_mutex_lock(&c->lock);
  while (c->count == CHANNEL) pthread_cond_wait(&c->changed, &c->lock);
  c->items[(c->first + c->count++) % CHANNEL] = item;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

/* -> how many; 0: closed and empty. */
static size_t channel_receive(channel *c, void **items, size_t most) {
  size_t got = 0;
  pthread_mutex_lock(&c->lock);
  while (c->count == 0 && !c->closed) pthread_cond_wait(&c->changed, &c->lock);
  for (; got < most && c->count != 0; c->count--) {
    items[got++] = c->items[c->first];
    c->first = (c->first + 1) % CHANNEL;
  }
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  return got;
}

static void channel_close(channel *c) {
  pthread_mutex_lock(&c->lock);
  c->closed = true;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

/* ---- One by one ---- */

typedef struct river {
  lido_pool *pool;
  size_t rounds;
  size_t producers;
  int producing;       /* atomic */
  uint64_t most_slabs; /* atomic */
  channel channel;
} river;

static void note_slabs(river *r) {
  uint64_t slabs = objects_stats(r->pool).slabs;
  uint64_t most = __atomic_load_n(&r->most_slabs, __ATOMIC_RELAXED);
  while (slabs > most &&
         !__atomic_compare_exchange_n(&r->most_slabs, &most, slabs, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

static void produce(crew_member *me) {
  river *r = me->shared;
  for (size_t round = 0; round < r->rounds; round++) {
    void *object = lido_pool_alloc(r->pool);
    if (!CREW_HOLDS(me->crew, object != NULL)) break;
    stamp_put(object, BYTES, me->index, round);
    channel_send(&r->channel, object);
    if (round % 1024 == 0) note_slabs(r);
  }
  if (__atomic_sub_fetch(&r->producing, 1, __ATOMIC_ACQ_REL) == 0) channel_close(&r->channel);
}

static void consume(crew_member *me) {
  river *r = me->shared;
  void *objects[32];
  size_t count = 0;
  while ((count = channel_receive(&r->channel, objects, 32)) != 0) {
    for (size_t i = 0; i < count; i++) CREW_HOLDS(me->crew, stamp_is_whole(objects[i], BYTES));
    lido_pool_free_batch(r->pool, objects, count);
  }
}

static void produce_or_consume(crew_member *me) {
  river *r = me->shared;
  if (me->index < r->producers) {
    produce(me);
  } else {
    consume(me);
  }
}

static void let_flow(size_t producers, size_t consumers) {
  static crew team;
  static river r;
  r = (river){.rounds = testing_scaled(1200000) / producers + 1, .producers = producers, .producing = (int)producers};
  channel_init(&r.channel);
  r.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = RETAIN, .cache_bytes = CACHE});
  CHECK_NOT_NULL(r.pool);
  crew_start(&team, producers + consumers, testing_seed(), produce_or_consume, &r);
  CHECK_CREW(&team);
  channel_end(&r.channel);
  CHECK_EQ(objects_stats(r.pool).live, 0);
  CHECK_SOUND(r.pool);
  /* In the channel and in hands; in caches with a magazine under way each; in the depot and in empty slabs,
   * which may also be a quarter of the others; and a slab for each thread that grew the pool at the same
   * moment. */
  size_t threads = producers + consumers;
  size_t bytes = (CHANNEL + threads * 64) * BYTES + 2 * CACHE * threads + 2 * RETAIN;
  size_t slab_bytes = (size_t)1 << 16;
  CHECK_LE(r.most_slabs, bytes * 5 / 4 / slab_bytes + 2 + threads);
  CHECK_EQ(lido_pool_destroy(r.pool), 0);
}

TEST(flow, one_allocs_and_one_frees) { let_flow(1, 1); }
TEST(flow, many_alloc_and_one_frees) { let_flow(3, 1); }
TEST(flow, one_allocs_and_many_free) { let_flow(1, 3); }

/* ---- Whole magazines flow back ---- */

typedef struct loop {
  lido_pool *pool;
  size_t rounds;
  channel there; /* live objects */
  void *back;    /* a magazine, or NULL */
} loop;

static void alloc_with_magazines_that_come_back(crew_member *me) {
  loop *l = me->shared;
  for (size_t round = 0; round < l->rounds; round++) {
    if (round % 32 == 0) lido_pool_magazine_attach(l->pool, slot_exchange(&l->back, NULL));
    void *object = lido_pool_alloc(l->pool);
    if (!CREW_HOLDS(me->crew, object != NULL)) break;
    stamp_put(object, BYTES, me->index, round);
    channel_send(&l->there, object);
  }
  channel_close(&l->there);
}

static void free_and_send_magazines_back(crew_member *me) {
  loop *l = me->shared;
  void *objects[32];
  size_t count = 0;
  while ((count = channel_receive(&l->there, objects, 32)) != 0) {
    for (size_t i = 0; i < count; i++) CREW_HOLDS(me->crew, stamp_is_whole(objects[i], BYTES));
    lido_pool_free_batch(l->pool, objects, count);
    lido_magazine *other = slot_exchange(&l->back, lido_pool_magazine_detach(l->pool));
    lido_pool_magazine_attach(l->pool, other); /* one that was not fetched */
  }
}

static void go_round(crew_member *me) {
  if (me->index == 0) {
    alloc_with_magazines_that_come_back(me);
  } else {
    free_and_send_magazines_back(me);
  }
}

TEST(flow, magazines_flow_back) {
  static crew team;
  static loop l;
  l = (loop){.rounds = testing_scaled(800000)};
  channel_init(&l.there);
  l.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = RETAIN});
  CHECK_NOT_NULL(l.pool);
  crew_start(&team, 2, testing_seed(), go_round, &l);
  CHECK_CREW(&team);
  channel_end(&l.there);
  lido_pool_magazine_attach(l.pool, slot_exchange(&l.back, NULL));
  CHECK_EQ(objects_stats(l.pool).live, 0);
  CHECK_LE(objects_stats(l.pool).slabs, 16);
  CHECK_SOUND(l.pool);
  CHECK_EQ(lido_pool_destroy(l.pool), 0);
}
