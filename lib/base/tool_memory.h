/* tool_memory.h: what sanitizers and Valgrind are told of ranges of memory. Empty in ordinary builds.
 *
 * A closed range is nobody's: ASan and Valgrind report an access. A fresh one may be written, but what is read from it
 * before means nothing: MSan and Valgrind report a use. Starts are multiples of 8, ASan's granule.
 */
#ifndef LIDO_LIB_BASE_TOOL_MEMORY_H
#define LIDO_LIB_BASE_TOOL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "lido/base.h"

#if defined(LIDO_ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(LIDO_MSAN)
#include <sanitizer/msan_interface.h>
#endif

/* Does this process run under Valgrind? */
bool lido_tool_valgrind(void);

#if defined(LIDO_ASAN)
#define lido_tool_close_range(start, bytes) __asan_poison_memory_region(start, bytes)
#define lido_tool_open_range(start, bytes) __asan_unpoison_memory_region(start, bytes)
#else
#define lido_tool_close_range(start, bytes) ((void)(start), (void)(bytes))
#define lido_tool_open_range(start, bytes) ((void)(start), (void)(bytes))
#endif

/* Functions that this one called were left without returning (a thread that is cancelled): what ASan closed in their
 * frames is open again. */
enum { LIDO_TOOL_FRAMES_BYTES = 1 << 16 };
#define lido_tool_frames_are_gone() \
  lido_tool_open_range((char *)__builtin_frame_address(0) - LIDO_TOOL_FRAMES_BYTES, LIDO_TOOL_FRAMES_BYTES)

#if defined(LIDO_MSAN)
#define lido_tool_forget_range(start, bytes) __msan_allocated_memory(start, bytes)
#else
#define lido_tool_forget_range(start, bytes) ((void)(start), (void)(bytes))
#endif

#endif
