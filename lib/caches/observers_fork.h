/* observers_fork.h: subjects around a fork.
 *
 * All locks are held during the fork, so the child's lists and arrays are whole. Notifications of other threads lie on stacks that nobody goes
 * on with: the child takes them out of the lists and gives back their references to arrays; theirs to the subject, and those of threads that
 * waited, are given back when the subject is ended, for the pools are not yet to be used in the hook. The observer that such a thread was
 * just calling keeps its reference, as with all references of lost threads, and the last words that it had not said are not said.
 */
#ifndef LIDO_LIB_CACHES_OBSERVERS_FORK_H
#define LIDO_LIB_CACHES_OBSERVERS_FORK_H

void lido_observers_lock_for_fork(void);
void lido_observers_unlock_after_fork(void);
void lido_observers_in_child(void);

/* Once; later calls are cheap. 0, or ENOMEM. */
int lido_observers_fork_join(void);

/* ---- subject.c: the lock of all subjects ---- */

void lido_subjects_lock_for_fork(void);
void lido_subjects_unlock_after_fork(void);

#endif
