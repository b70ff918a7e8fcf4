/* tool_notes.h: what sanitizers, Valgrind and the full checks are told. Empty in ordinary builds.
 *
 * Between free and alloc an object is closed: ASan reports an access, MSan sees new contents as
 * uninitialised, and with LIDO_CHECKS=full the object and the padding behind it are filled with
 * patterns that the next alloc and free verify (not in pools with construct or ZERO, whose objects
 * keep their contents). Under Valgrind pools are direct, and each object is announced like a block
 * of malloc. Per object, inlined: lido_note_alloc and lido_note_free of lido/inline/pool_inline.h.
 */
#ifndef LIDO_POOLS_TOOL_NOTES_H
#define LIDO_POOLS_TOOL_NOTES_H

#include "pools/pool_core.h"

/* A slab's objects are built: close them all. */
void lido_note_slab(const lido_pool_core *core, void *start, size_t objects);

/* A slab goes; objects that are still live go with it. */
void lido_tool_slab_gone(const lido_slab *slab);

/* The memory is plain again, for whoever gets it next. */
void lido_tool_open(uintptr_t start, size_t bytes);

/* One object, where no cache is at hand. */
void lido_tool_alloc(const lido_pool_core *core, void *object);
void lido_tool_free(const lido_pool_core *core, void *object);

#endif
