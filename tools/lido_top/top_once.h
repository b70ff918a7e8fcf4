/* top_once.h: tables on standard output, without a screen. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_ONCE_H
#define LIDO_TOOLS_LIDO_TOP_TOP_ONCE_H

#include "tools/lido_top/top_options.h"
#include "tools/lido_top/top_target.h"

/* -> exit status. */
int top_once(const struct top_options *options, const struct top_target *target);
int top_json(const struct top_target *target);

#endif
