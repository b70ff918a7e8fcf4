/* cleanups.h: the cleanups of one object, as its death sees them. */
#ifndef LIDO_LIB_REFS_CLEANUPS_H
#define LIDO_LIB_REFS_CLEANUPS_H

#include "lib/refs/span.h"

/* In a slot's side: the list takes no more. */
#define LIDO_CLEANUPS_CLOSED UINT32_MAX

/* The list is closed and taken. -> its newest node, 0: there is none. pre: the word says dying. */
uint32_t lido_cleanups_close(lido_slot *slot);

/* All of a list that was closed: each is run, newest first, or goes to its queue. No lock is held. */
void lido_cleanups_run(uint32_t newest, lido_refs_owner *owner);

/* A new life begins. */
void lido_cleanups_open(lido_slot *slot);

/* After deaths, with nothing of Lido's going on in this thread: run some of what waits on queues that have too much. */
void lido_cleanups_assist(void);

void lido_cleanups_count(lido_weak_stats *stats);
const char *lido_cleanups_check(void);
void lido_cleanups_lock_for_fork(void);
void lido_cleanups_unlock_after_fork(void);
void lido_cleanups_in_child(void);

#endif
