/* tool_memory.c: see tool_memory.h. */
#include "lib/base/tool_memory.h"

#ifdef LIDO_VALGRIND

#include <valgrind/valgrind.h>

bool lido_tool_valgrind(void) { return RUNNING_ON_VALGRIND != 0; }

#else

bool lido_tool_valgrind(void) { return false; }

#endif
