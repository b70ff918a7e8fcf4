/* lido/base.h: what every public header needs: visibility, attributes, the level of checking.
 *
 * Lido compiles as C11 and as C++17 with GCC or Clang. Nothing here calls the library.
 */
#ifndef LIDO_BASE_H
#define LIDO_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define LIDO_BEGIN extern "C" {
#define LIDO_END }
#else
#define LIDO_BEGIN
#define LIDO_END
#endif

#define LIDO_API __attribute__((visibility("default")))
#define LIDO_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define LIDO_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#ifdef __cplusplus
#define LIDO_ALIGNOF(type) alignof(type)
#else
#define LIDO_ALIGNOF(type) _Alignof(type)
#endif

/* A fast path: inlined into its caller even where the compiler's own budget says no. */
#define LIDO_FAST static inline __attribute__((always_inline, unused))
/* A slow path: out of the way of the code that calls it. */
#define LIDO_SLOW __attribute__((noinline, cold))

/* How much is checked at each alloc and free. The level is chosen when the library is configured
 * (-DLIDO_CHECKS=none|default|full) and a program must be compiled with the same one: a program
 * compiled with another does not link (the guard symbol below is missing).
 *   none     nothing: for measuring what the checks cost
 *   default  double free, foreign, interior and wrong-pool pointers, exactly
 *   full     also writes after free and past the end, simultaneous double frees, wrong threads */
#define LIDO_CHECKS_NONE 0
#define LIDO_CHECKS_DEFAULT 1
#define LIDO_CHECKS_FULL 2

#ifndef LIDO_CHECKS
#define LIDO_CHECKS LIDO_CHECKS_DEFAULT
#endif

#if LIDO_CHECKS == LIDO_CHECKS_NONE
#define LIDO_CHECKS_NAME none
#elif LIDO_CHECKS == LIDO_CHECKS_DEFAULT
#define LIDO_CHECKS_NAME default
#elif LIDO_CHECKS == LIDO_CHECKS_FULL
#define LIDO_CHECKS_NAME full
#else
#error "LIDO_CHECKS is LIDO_CHECKS_NONE, LIDO_CHECKS_DEFAULT or LIDO_CHECKS_FULL"
#endif

/* Poisoning must be on in both halves of the inlined code or in neither, so it is part of the guard. */
#if defined(__SANITIZE_ADDRESS__)
#define LIDO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIDO_ASAN 1
#endif
#if __has_feature(memory_sanitizer)
#define LIDO_MSAN 1
#endif
#if __has_feature(thread_sanitizer)
#define LIDO_TSAN 1
#endif
#endif

#if defined(LIDO_ASAN)
#define LIDO_POISON_NAME _asan
#elif defined(LIDO_MSAN)
#define LIDO_POISON_NAME _msan
#else
#define LIDO_POISON_NAME
#endif

#define LIDO_JOIN_3(a, b, c) a##b##c
#define LIDO_JOIN_3_EXPANDED(a, b, c) LIDO_JOIN_3(a, b, c)
#define LIDO_GUARD_SYMBOL LIDO_JOIN_3_EXPANDED(lido_built_with_checks_, LIDO_CHECKS_NAME, LIDO_POISON_NAME)

LIDO_BEGIN
/* Defined by the library under the name of its own level; every file that includes Lido refers to it. */
extern LIDO_API const char LIDO_GUARD_SYMBOL;
__attribute__((used)) static const char *const lido_guard = &LIDO_GUARD_SYMBOL;
LIDO_END

#endif
