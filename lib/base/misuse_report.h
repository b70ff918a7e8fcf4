/* misuse_report.h: how the rooms report a broken contract (lido/misuse.h). */
#ifndef LIDO_LIB_BASE_MISUSE_REPORT_H
#define LIDO_LIB_BASE_MISUSE_REPORT_H

#include "lido/misuse.h"

/* Fill in `what` and call the handler. Called with no lock held; returns only if the handler does. */
void lido_misuse_report(lido_misuse misuse);

void lido_misuse_lock_for_fork(void);
void lido_misuse_unlock_after_fork(void);

#endif
