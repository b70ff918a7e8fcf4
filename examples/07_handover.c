/* 07_handover.c: a thread that only frees hands whole magazines of free objects to one that only allocs. */
#include <lido/pool.h>
#include <pthread.h>
#include <stdio.h>

enum { OBJECTS = 200 };

struct mail {
  lido_pool *pool;
  void *objects[OBJECTS];
  lido_magazine *magazine; /* the answer */
};

static void *consumer(void *argument) {
  struct mail *mail = argument;
  lido_pool_free_batch(mail->pool, mail->objects, OBJECTS);
  mail->magazine = lido_pool_magazine_detach(mail->pool);
  return NULL;
}

int main(void) {
  struct mail mail = {0};
  mail.pool = lido_pool_create(&(lido_pool_options){.name = "messages", .object_size = 128});
  if (mail.pool == NULL) return 1;
  if (lido_pool_alloc_batch(mail.pool, mail.objects, OBJECTS) != OBJECTS) return 1;

  pthread_t thread;
  if (pthread_create(&thread, NULL, consumer, &mail) != 0) return 1;
  pthread_join(thread, NULL); /* what makes the pointer ours to read */

  if (mail.magazine == NULL) {
    puts("no magazine: the consumer's cache was empty"); /* under Valgrind, where pools keep nothing in caches */
  } else {
    printf("%zu objects came back by one pointer\n", lido_magazine_count(mail.magazine));
    lido_pool_magazine_attach(mail.pool, mail.magazine);
  }
  return lido_pool_destroy(mail.pool) == 0 ? 0 : 1;
}
