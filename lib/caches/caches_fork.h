/* caches_fork.h: the list of everything in this room that has locks, for fork.
 *
 * Threads: any. Lock: rank CACHES, held around a fork.
 */
#ifndef LIDO_LIB_CACHES_CACHES_FORK_H
#define LIDO_LIB_CACHES_CACHES_FORK_H

#include "lib/base/list.h"

typedef struct lido_caches_member {
  lido_link link;
  void (*lock_for_fork)(struct lido_caches_member *member);
  void (*unlock_after_fork)(struct lido_caches_member *member);
  void (*in_child)(struct lido_caches_member *member); /* or NULL */
} lido_caches_member;

/* 0, or ENOMEM. */
int lido_caches_join(lido_caches_member *member);
void lido_caches_leave(lido_caches_member *member);

/* The list's lock, for other lists of the room: so they are whole in the child, too. */
void lido_caches_lock(void);
void lido_caches_unlock(void);

#endif
