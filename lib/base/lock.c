/* lock.c: see lock.h. */
#include "lib/base/lock.h"

#include "lib/base/assertion.h"

#ifdef NDEBUG

static void note_taken(enum lido_rank rank) { (void)rank; }
static void note_given(enum lido_rank rank) { (void)rank; }

#else

static __thread unsigned held_ranks; /* a bit for each */

static void note_taken(enum lido_rank rank) {
  LIDO_ASSERT(held_ranks >> rank == 0 && "a lock of this or a higher rank is already held");
  held_ranks |= 1u << rank;
}

static void note_given(enum lido_rank rank) {
  LIDO_ASSERT((held_ranks >> rank & 1) != 0);
  held_ranks &= ~(1u << rank);
}

#endif

void lido_lock_init(lido_lock *lock, enum lido_rank rank) {
  pthread_mutex_init(&lock->mutex, NULL); /* can't fail with default attributes (POSIX, glibc and musl) */
  lock->rank = rank;
}

void lido_lock_end(lido_lock *lock) { pthread_mutex_destroy(&lock->mutex); }

void lido_lock_take(lido_lock *lock) {
  note_taken(lock->rank);
  pthread_mutex_lock(&lock->mutex);
}

bool lido_lock_try(lido_lock *lock) {
  if (pthread_mutex_trylock(&lock->mutex) != 0) return false;
  note_taken(lock->rank);
  return true;
}

void lido_lock_give(lido_lock *lock) {
  pthread_mutex_unlock(&lock->mutex);
  note_given(lock->rank);
}

void lido_lock_take_for_fork(lido_lock *lock) { pthread_mutex_lock(&lock->mutex); }

void lido_lock_give_after_fork(lido_lock *lock) { pthread_mutex_unlock(&lock->mutex); }
