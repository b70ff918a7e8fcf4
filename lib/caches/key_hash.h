/* key_hash.h: the hash of keys, xxHash's XXH3, seeded, 64 bits, compiled in place; and their comparison.
 *
 * Why xxHash: well kept, in every distribution, and for the short keys of caches a few nanoseconds. Its seed keeps
 * chance collisions apart from table to table and from run to run; it is no message authentication code.
 */
#ifndef LIDO_LIB_CACHES_KEY_HASH_H
#define LIDO_LIB_CACHES_KEY_HASH_H

#define XXH_INLINE_ALL
#include <string.h>
#include <xxhash.h>

#include "lib/os/os.h"

static inline uint64_t lido_hash_bytes(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}

/* Keys of 8 to 16 bytes are compared in place, the first eight and the last, which may overlap: a call of memcmp costs
 * as much as the rest of a hit's walk. */
static inline bool lido_is_short(size_t count) { return count - 8 <= 8; }

static inline bool lido_same_short(const void *a, const void *b, size_t count) {
  uint64_t first[2];
  uint64_t last[2];
  memcpy(&first[0], a, 8);
  memcpy(&first[1], b, 8);
  memcpy(&last[0], (const char *)a + count - 8, 8);
  memcpy(&last[1], (const char *)b + count - 8, 8);
  return ((first[0] ^ first[1]) | (last[0] ^ last[1])) == 0;
}

static inline bool lido_same_bytes(const void *a, const void *b, size_t count) {
  return lido_is_short(count) ? lido_same_short(a, b, count) : count == 0 || memcmp(a, b, count) == 0;
}

/* Of a hash that may be poor in its high or low bits. */
static inline uint64_t lido_hash_mix(uint64_t hash) { return XXH3_64bits(&hash, sizeof hash); }

static inline uint64_t lido_hash_seed(uint64_t wanted) { return wanted != 0 ? wanted : lido_os_random(); }

#endif
