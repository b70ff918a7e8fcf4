/* stack_posix.c: stacks by the unwinder of libgcc, names by the dynamic linker.
 *
 * The unwinder is the one that C++ exceptions use, so it is wherever GCC or Clang compile for; it needs the unwind
 * tables that x86-64 and AArch64 have by default, and no frame pointers. Function names come from the dynamic symbol
 * table: a program's own functions are named only if it is linked with -rdynamic; the module and offset are right in
 * any case.
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stdio.h>
#include <unwind.h>

#include "lib/os/os.h"

typedef struct unwinding {
  void **frames;
  size_t room;
  size_t count;
  size_t skip;
} unwinding;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg) {
  unwinding *u = arg;
  void *address = (void *)_Unwind_GetIP(context);
  if (address == NULL) return _URC_END_OF_STACK;
  if (u->skip != 0) {
    u->skip--;
    return _URC_NO_REASON;
  }
  if (u->count == u->room) return _URC_END_OF_STACK;
  u->frames[u->count++] = address;
  return _URC_NO_REASON;
}

__attribute__((noinline)) size_t lido_os_stack(void **frames, size_t count, size_t skip) {
  unwinding u = {.frames = frames, .room = count, .skip = skip + 1};
  _Unwind_Backtrace(note_frame, &u);
  return u.count;
}

void lido_os_symbol(const void *address, char *text, size_t bytes) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
    snprintf(text, bytes, "%p", address);
  } else if (info.dli_sname != NULL) {
    snprintf(text, bytes, "%s+0x%zx", info.dli_sname, (size_t)((uintptr_t)address - (uintptr_t)info.dli_saddr));
  } else {
    snprintf(text, bytes, "%s+0x%zx", info.dli_fname, (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase));
  }
}
