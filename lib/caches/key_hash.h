/* key_hash.h: the hash of keys: xxHash's XXH3, seeded, 64 bits, compiled in place.
 *
 * Why xxHash: well kept, in every distribution, and for the short keys of caches a few nanoseconds. Its seed keeps chance collisions apart from
 * table to table and from run to run; it is no message authentication code.
 */
#ifndef LIDO_LIB_CACHES_KEY_HASH_H
#define LIDO_LIB_CACHES_KEY_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/os/os.h"

static inline uint64_t lido_hash_bytes(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}

/* Of a hash that may be poor in its high or low bits. */
static inline uint64_t lido_hash_mix(uint64_t hash) { return XXH3_64bits(&hash, sizeof hash); }

static inline uint64_t lido_hash_seed(uint64_t wanted) { return wanted != 0 ? wanted : lido_os_random(); }

#endif
