/* assertion.h: what the library believes of itself. Checked in builds without NDEBUG; a failure is a bug of
 * Lido's, never of its caller's: those are misuses (misuse_report.h).
 */
#ifndef LIDO_LIB_BASE_ASSERTION_H
#define LIDO_LIB_BASE_ASSERTION_H

#include <assert.h>

#define LIDO_ASSERT(condition) assert(condition)
#define LIDO_STATIC_ASSERT(condition, text) _Static_assert(condition, text)

#endif
