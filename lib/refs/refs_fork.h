/* refs_fork.h: the room's locks around a fork. */
#ifndef LIDO_LIB_REFS_REFS_FORK_H
#define LIDO_LIB_REFS_REFS_FORK_H

/* Once; later calls are cheap. 0, or ENOMEM. */
int lido_refs_fork_join(void);

#endif
