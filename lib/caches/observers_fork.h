/* observers_fork.h: subjects around a fork.
 *
 * Each subject is a member of the room's list (caches_fork.h): its lock is held during the fork, so the child's lists
 * and arrays are whole. Notifications of other threads lie on stacks that nobody goes on with: the child takes them out
 * of the lists and gives back their references to arrays; theirs to the subject, and those of its guests (O7), are
 * given back when the subject is ended, for the pools are not yet to be used in the hook. A thread that was just about
 * to enter or had just left had a reference that is written down nowhere under a lock (a number outside of one may be
 * newer or older in the child than the count): it is left, and then the subject's block is, when it has ended. So are
 * tokens that such threads had acquired. The observer that a lost thread was just calling keeps its reference, as with
 * all references of such threads, and the last words that it had not said are not said.
 */
#ifndef LIDO_LIB_CACHES_OBSERVERS_FORK_H
#define LIDO_LIB_CACHES_OBSERVERS_FORK_H

#include "lib/caches/subject.h"

/* A subject comes and goes. 0, or ENOMEM. */
int lido_subject_fork_join(lido_subject *subject);
void lido_subject_fork_leave(lido_subject *subject);

#endif
