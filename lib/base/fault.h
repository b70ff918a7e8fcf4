/* fault.h: making memory run out on purpose. In the library that tests link (LIDO_FAULT_INJECTION), every
 * request for memory, to the system or to a backing, asks here first; elsewhere these are
 * empty and cost nothing.
 *
 * Threads: any; the counters are atomic.
 */
#ifndef LIDO_LIB_BASE_FAULT_H
#define LIDO_LIB_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef LIDO_FAULT_INJECTION

/* From now on the nth request (1 = the next) fails; with for_ever that one and all later ones. */
void lido_fault_arm(uint64_t nth, bool for_ever);
/* Stop. -> requests that failed since arm. */
uint64_t lido_fault_disarm(void);
/* Bytes that Lido holds from the system and the backings. */
int64_t lido_fault_bytes(void);

/* Must this request fail? Asked once for each request. */
bool lido_fault_here(void);
/* A request succeeded (bytes > 0) or memory went back (bytes < 0). */
void lido_fault_account(int64_t bytes);

#else

static inline bool lido_fault_here(void) { return false; }
static inline void lido_fault_account(int64_t bytes) { (void)bytes; }

#endif

#endif
