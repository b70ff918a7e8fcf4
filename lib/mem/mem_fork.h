/* mem_fork.h: the locks of lib/base and lib/mem around a fork (lib/os/os.h). */
#ifndef LIDO_LIB_MEM_MEM_FORK_H
#define LIDO_LIB_MEM_MEM_FORK_H

/* 0, or ENOMEM. Later calls are cheap. */
int lido_mem_fork_join(void);

#endif
