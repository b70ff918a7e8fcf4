/* lido/inline/atomic_inline.h: the atomic operations that inlined code needs, for C and C++ alike.
 *
 * The memory order is part of the name. They work on plain fields, because C11's _Atomic is not C++.
 * The library's own code uses lib/base/atomic.h, which adds the rest to these.
 */
#ifndef LIDO_INLINE_ATOMIC_INLINE_H
#define LIDO_INLINE_ATOMIC_INLINE_H

#define lido_load_relaxed(field) __atomic_load_n(field, __ATOMIC_RELAXED)
#define lido_store_relaxed(field, value) __atomic_store_n(field, value, __ATOMIC_RELAXED)
#define lido_load_acquire(field) __atomic_load_n(field, __ATOMIC_ACQUIRE)
#define lido_store_release(field, value) __atomic_store_n(field, value, __ATOMIC_RELEASE)
#define lido_sub_release(field, value) __atomic_fetch_sub(field, value, __ATOMIC_RELEASE)

/* True, and `desired` is stored, if the field was `*expected`; else *expected is what it was. May fail for no
 * reason. */
#define lido_cas_weak_acquire(field, expected, desired) \
  __atomic_compare_exchange_n(field, expected, desired, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define lido_cas_weak_release(field, expected, desired) \
  __atomic_compare_exchange_n(field, expected, desired, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)

/* What comes before is seen by all before what comes after. In words that ThreadSanitizer lets pass; it learns nothing
 * from fences. */
#if defined(__x86_64__)
#define lido_fence_full() __asm__ volatile("mfence" : : : "memory")
#else
#define lido_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#define lido_compiler_barrier() __asm__ volatile("" : : : "memory")

/* Add one, or some, to a statistic that only the calling thread writes and others read relaxed. On x86-64
 * that is one instruction on memory, which is what keeps counting off the pair's critical path; a
 * relaxed load and store compile to three. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(LIDO_TSAN)
#define lido_count_owned(field) __asm__("incq %0" : "+m"(*(field)))
#define lido_add_owned(field, value) __asm__("addq %1, %0" : "+m"(*(field)) : "re"(value))
#define lido_subtract_owned(field, value) __asm__("subq %1, %0" : "+m"(*(field)) : "re"(value))
#else
#define lido_count_owned(field) lido_store_relaxed(field, lido_load_relaxed(field) + 1)
#define lido_add_owned(field, value) lido_store_relaxed(field, lido_load_relaxed(field) + (value))
#define lido_subtract_owned(field, value) lido_store_relaxed(field, lido_load_relaxed(field) - (value))
#endif

#endif
