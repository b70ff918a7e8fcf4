/* store_buffer.h: stores that other threads see later, for protocols of which the order of plain stores
 * matters.
 *
 * A thread's stores wait in its buffer, where only its own loads find them, until they drain to memory.
 * Oldest first is what x86 does. Any order that keeps those to one place is weaker than C11's relaxed stores
 * need it; a release store drains only when it is the oldest. That loads are done early is not modelled by
 * buffers: a protocol for which it matters has a variant with the load moved.
 */
#ifndef LIDO_TESTS_INTERLEAVINGS_STORE_BUFFER_H
#define LIDO_TESTS_INTERLEAVINGS_STORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_BUFFER_DEPTH = 2 };

typedef struct store_buffer {
  uint8_t count;
  uint8_t place[STORE_BUFFER_DEPTH];
  uint8_t value[STORE_BUFFER_DEPTH];
  uint8_t release[STORE_BUFFER_DEPTH];
} store_buffer;

/* false: the buffer is full, and the thread must wait. */
static inline bool store_buffer_put(store_buffer *buffer, uint8_t place, uint8_t value, bool release) {
  if (buffer->count == STORE_BUFFER_DEPTH) return false;
  buffer->place[buffer->count] = place;
  buffer->value[buffer->count] = value;
  buffer->release[buffer->count++] = release;
  return true;
}

static inline uint8_t store_buffer_load(const store_buffer *buffer, const uint8_t *memory, uint8_t place) {
  for (size_t i = buffer->count; i-- > 0;) {
    if (buffer->place[i] == place) return buffer->value[i];
  }
  return memory[place];
}

static inline bool store_buffer_may_drain(const store_buffer *buffer, size_t chosen) {
  for (size_t i = 0; i < chosen; i++) {
    if (buffer->release[chosen] || buffer->place[i] == buffer->place[chosen]) return false;
  }
  return true;
}

/* Entry `chosen` reaches memory. false: it can't, or there is none. */
static inline bool store_buffer_drain(store_buffer *buffer, uint8_t *memory, size_t chosen) {
  if (chosen >= buffer->count || !store_buffer_may_drain(buffer, chosen)) return false;
  memory[buffer->place[chosen]] = buffer->value[chosen];
  buffer->count--;
  for (size_t i = chosen; i < buffer->count; i++) {
    buffer->place[i] = buffer->place[i + 1];
    buffer->value[i] = buffer->value[i + 1];
    buffer->release[i] = buffer->release[i + 1];
  }
  buffer->place[buffer->count] = 0; /* equal states are equal bytes */
  buffer->value[buffer->count] = 0;
  buffer->release[buffer->count] = 0;
  return true;
}

#endif
