/* text_out.c: see text_out.h. */
#include "lib/report/text_out.h"

#include "lib/base/bits.h"
#include "lib/os/os.h"

enum { BILLION = 1000000000, NINE_DIGITS = 9 };

void lido_text_begin(lido_text_out *out, lido_text_sink sink, void *context) {
  out->sink = sink;
  out->context = context;
  out->error = 0;
  out->used = 0;
}

/* T1, T2 */
static void flush(lido_text_out *out) {
  if (out->error == 0 && out->used != 0) out->error = out->sink(out->buffer, out->used, out->context);
  out->used = 0;
}

int lido_text_end(lido_text_out *out) {
  flush(out);
  return out->error;
}

int lido_text_to_descriptor(const char *text, size_t bytes, void *context) {
  return lido_os_write_all(*(const int *)context, text, bytes);
}

void lido_text_put_slow(lido_text_out *out, const char *text, size_t bytes) {
  while (bytes != 0 && out->error == 0) {
    size_t now = lido_min(bytes, sizeof out->buffer - out->used);
    memcpy(out->buffer + out->used, text, now);
    out->used += now;
    text += now;
    bytes -= now;
    if (out->used == sizeof out->buffer) flush(out);
  }
}

void lido_text_spaces(lido_text_out *out, size_t count) {
  static const char spaces[] = "                ";
  for (; count >= sizeof spaces; count -= sizeof spaces - 1) lido_text_put(out, spaces, sizeof spaces - 1);
  lido_text_put(out, spaces, count);
}

/* ---- Numbers ---- */

size_t lido_number_write(char *room, uint64_t number) {
  char digits[LIDO_NUMBER_ROOM];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  size_t bytes = sizeof digits - first;
  memcpy(room, digits + first, bytes);
  room[bytes] = '\0';
  return bytes;
}

/* whole + billionths / 10^9 */
static size_t write_decimal(char *room, uint64_t whole, uint64_t billionths) {
  size_t bytes = lido_number_write(room, whole);
  if (billionths == 0) return bytes;
  room[bytes++] = '.';
  for (size_t i = NINE_DIGITS; i-- > 0; billionths /= 10) room[bytes + i] = (char)('0' + billionths % 10);
  bytes += NINE_DIGITS;
  while (room[bytes - 1] == '0') bytes--;
  room[bytes] = '\0';
  return bytes;
}

size_t lido_number_write_seconds(char *room, uint64_t ns) { return write_decimal(room, ns / BILLION, ns % BILLION); }

size_t lido_number_write_ratio(char *room, uint64_t part, uint64_t whole) {
  uint64_t billionths = (uint64_t)((lido_uint128)part * BILLION / whole);
  return write_decimal(room, billionths / BILLION, billionths % BILLION);
}
