/* request_target.c: see request_target.h. */
#include "examples/http_server/request_target.h"

#include <errno.h>
#include <http_parser.h>
#include <string.h>

static struct target_part field_of(const struct http_parser_url *url, enum http_parser_url_fields field,
                                   const char *text) {
  if ((url->field_set & (1U << field)) == 0) return (struct target_part){0};
  return (struct target_part){.text = text + url->field_data[field].off, .count = url->field_data[field].len};
}

bool request_target_parse(struct request_target *target, const char *text, size_t count) {
  struct http_parser_url url;
  http_parser_url_init(&url);
  if (count == 0 || http_parser_parse_url(text, count, 0, &url) != 0) return false;
  target->path = field_of(&url, UF_PATH, text);
  target->query = field_of(&url, UF_QUERY, text);
  return true;
}

/* ---- Fields of the query ---- */

/* Cuts everything up to `end` off the rest, and gives it. */
static struct target_part cut(struct target_part *rest, char end) {
  const char *found = memchr(rest->text, end, rest->count);
  struct target_part part = {.text = rest->text, .count = found == NULL ? rest->count : (size_t)(found - rest->text)};
  size_t used = part.count + (found == NULL ? 0 : 1);
  rest->text += used;
  rest->count -= used;
  return part;
}

struct target_part query_field(struct target_part query, const char *name) {
  while (query.count > 0) {
    struct target_part value = cut(&query, '&');
    struct target_part found = cut(&value, '=');
    if (found.count == strlen(name) && memcmp(found.text, name, found.count) == 0) return value;
  }
  return (struct target_part){0};
}

/* ---- Decoding ---- */

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/* The byte behind "%XY", or -1; a NUL would end the text before its time. */
static int escaped_byte(const char *escape, size_t left) {
  if (left < 3) return -1;
  int high = hex_value(escape[1]);
  int low = hex_value(escape[2]);
  return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

static char *decode(request_memory *memory, struct target_part part, char space) {
  char *decoded = request_alloc(memory, part.count + 1);
  if (decoded == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  char *end = decoded;
  for (size_t i = 0; i < part.count; i++) {
    int byte = (unsigned char)part.text[i];
    if (byte == '%') {
      byte = escaped_byte(part.text + i, part.count - i);
      if (byte < 0) {
        errno = EINVAL;
        return NULL;
      }
      i += 2;
    } else if (byte == space) {
      byte = ' ';
    }
    *end++ = (char)byte;
  }
  *end = '\0';
  return decoded;
}

char *decode_path(request_memory *memory, struct target_part part) { return decode(memory, part, ' '); }

char *decode_field(request_memory *memory, struct target_part part) { return decode(memory, part, '+'); }
