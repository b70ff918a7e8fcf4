/* checked_copy.h: copying out of mapped files, with an errno value where else there would be SIGBUS.
 *
 * Whoever reads a page of a mapping that the file no longer reaches, since somebody has truncated it, or that the disk
 * does not give, gets SIGBUS, which ends the process. A checked copy notes in its thread what it is about to read; a
 * handler for the whole process looks whether the address is there, and jumps back into the copy.
 * Invariants
 *   B1  `present` of a thread leads to the copies that it is in, innermost first; it is NULL outside.
 *   B2  the handler leaves by a jump only for a fault of the kernel's own, in a page that the innermost copy reads.
 *       Every other SIGBUS goes to who had the signal before: a handler gets the same arguments and the signals it
 *       wants blocked; a fault without a handler happens again with the default action, and ends the process where it
 *       happened, as if nobody had looked.
 * Threads: copies in any. Setup while no other thread changes the action of SIGBUS. A thread must not block SIGBUS: the
 * kernel then ends the process without asking anybody. Copies may be made in signal handlers, also in one that has
 * interrupted a copy.
 * The handler stays until the process ends: who else has put one on top of it may call it at any time. Who does so must
 * pass on what is not theirs, too, or copies are no longer checked. Of a handler that was there before, SA_RESETHAND is
 * not heeded.
 * Cost: some twenty nanoseconds more than memcpy, and no system call: sigsetjmp saves no mask of signals, for the
 * handler finds it in what it has interrupted.
 * Method: sigsetjmp and siglongjmp out of a synchronous signal, which POSIX allows, for it interrupts nothing but the
 * copy itself.
 * Not done, and why: running the program's own function under the same protection. It would be left in the middle, with
 * whatever it had locked or allocated; a copy holds nothing.
 */
#ifndef LIDO_EXAMPLES_CHECKED_COPY_H
#define LIDO_EXAMPLES_CHECKED_COPY_H

#include <stddef.h>

/* Before the first copy; later calls do nothing. 0, or what sigaction said. */
int checked_copy_setup(void);

/* 0; EIO: not all of `from` could be read, and what is in `to` is anything. A fault of writing to `to` is not
 * caught. */
int checked_copy(void *to, const void *from, size_t bytes);

#endif
