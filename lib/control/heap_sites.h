/* heap_sites.h: samples and what pools know exactly, joined.
 *
 * Idea: a profile is read in two copies: the pools with what is live in them, then the sites with their samples. The
 * live samples of a pool are scaled by one factor, so that they add up to what the pool says; what is live in a pool
 * without live samples is a site of its own, without a stack. Pools of one name are one. Arenas have no such count by
 * class and name; their estimates stand as they are. The two copies are not of one moment: exact when nobody allocates
 * meanwhile.
 * Threads: any; no lock is held between the two. Failure: ENOMEM, nothing kept.
 */
#ifndef LIDO_LIB_CONTROL_HEAP_SITES_H
#define LIDO_LIB_CONTROL_HEAP_SITES_H

#include "lib/mem/heap_samples.h"
#include "pools/pool_uses.h"

typedef struct lido_heap_sites {
  lido_heap_records records;
  lido_pool_uses pools; /* by name; those of one name are one */
} lido_heap_sites;

/* 0, or ENOMEM. errno stays. */
int lido_heap_sites_copy(lido_heap_sites *sites);
void lido_heap_sites_free(lido_heap_sites *sites);

/* As the program sees it. Good as long as the record. */
lido_heap_site lido_heap_site_of(const lido_heap_record *record);

#endif
