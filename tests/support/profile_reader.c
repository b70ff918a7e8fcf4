/* profile_reader.c: see profile_reader.h. */
#include "tests/support/profile_reader.h"

#include <stdlib.h>
#include <zlib.h>

#include "tests/support/testing.h"

/* A field of a message: a number, or bytes. */
typedef struct field {
  unsigned number;
  uint64_t value;
  const unsigned char *bytes; /* NULL: a number */
  size_t length;
} field;

typedef struct span {
  const unsigned char *at;
  const unsigned char *end;
} span;

static uint64_t varint(span *in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    CHECK(in->at < in->end);
    unsigned char byte = *in->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  TESTING_FAIL("a number of more than ten bytes");
  return 0;
}

static bool next_field(span *in, field *out) {
  if (in->at == in->end) return false;
  uint64_t tag = varint(in);
  *out = (field){.number = (unsigned)(tag >> 3)};
  if ((tag & 7) == 0) {
    out->value = varint(in);
    return true;
  }
  CHECK_EQ(tag & 7, 2);
  out->length = varint(in);
  CHECK_LE(out->length, in->end - in->at);
  out->bytes = in->at;
  in->at += out->length;
  return true;
}

static span inside(const field *message) { return (span){message->bytes, message->bytes + message->length}; }

/* Numbers one by one, or packed. */
static void add_numbers(const field *part, uint64_t *out, size_t room, size_t *count) {
  span in = inside(part);
  if (part->bytes == NULL) {
    CHECK_LT(*count, room);
    out[(*count)++] = part->value;
    return;
  }
  while (in.at < in.end) {
    CHECK_LT(*count, room);
    out[(*count)++] = varint(&in);
  }
}

/* A message whose fields are all numbers: field i goes to out[i - 1]. */
static void read_numbers(const field *message, uint64_t *out, unsigned count) {
  span in = inside(message);
  field part;
  while (next_field(&in, &part)) {
    if (part.bytes == NULL && part.number >= 1 && part.number <= count) out[part.number - 1] = part.value;
  }
}

static void read_one_sample(const field *message, read_sample *out) {
  span in = inside(message);
  field part;
  uint64_t values[READ_TYPES];
  while (next_field(&in, &part)) {
    if (part.number == 1) add_numbers(&part, out->locations, READ_FRAMES, &out->location_count);
    if (part.number == 2) add_numbers(&part, values, READ_TYPES, &out->value_count);
    if (part.number == 3) {
      uint64_t label[2] = {0};
      read_numbers(&part, label, 2);
      out->label_key = label[0];
      out->label_text = label[1];
      out->label_count++;
    }
  }
  for (size_t i = 0; i < out->value_count; i++) out->values[i] = (int64_t)values[i];
}

static void read_one_location(const field *message, read_location *out) {
  span in = inside(message);
  field part;
  uint64_t numbers[3] = {0};
  read_numbers(message, numbers, 3);
  *out = (read_location){.id = numbers[0], .mapping = numbers[1], .address = numbers[2]};
  while (next_field(&in, &part)) {
    if (part.number == 4) read_numbers(&part, &out->function, 1);
  }
}

static void read_text(const field *text, char **out) {
  *out = malloc(text->length + 1);
  CHECK_NOT_NULL(*out);
  memcpy(*out, text->bytes, text->length);
  (*out)[text->length] = '\0';
}

#define NEXT_OF(profile, list) CHECK_LT((profile)->list##_count, sizeof(profile)->list##s / sizeof *(profile)->list##s)

static void take_repeated(read_profile *profile, const field *part) {
  uint64_t numbers[6] = {0};
  switch (part->number) {
    case 1:
      NEXT_OF(profile, type);
      read_numbers(part, numbers, 2);
      profile->types[profile->type_count++] = (read_type){numbers[0], numbers[1]};
      break;
    case 2:
      NEXT_OF(profile, sample);
      read_one_sample(part, &profile->samples[profile->sample_count++]);
      break;
    case 3:
      NEXT_OF(profile, mapping);
      read_numbers(part, numbers, 6);
      profile->mappings[profile->mapping_count++] =
          (read_mapping){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
      break;
    case 4:
      NEXT_OF(profile, location);
      read_one_location(part, &profile->locations[profile->location_count++]);
      break;
    case 5:
      NEXT_OF(profile, function);
      read_numbers(part, numbers, 2);
      profile->functions[profile->function_count++] = (read_function){numbers[0], numbers[1]};
      break;
    case 6:
      NEXT_OF(profile, text);
      read_text(part, &profile->texts[profile->text_count++]);
      break;
    default:
      CHECK_EQ(part->number, 11);
      read_numbers(part, numbers, 2);
      profile->period_type = (read_type){numbers[0], numbers[1]};
  }
}

static void take_number(read_profile *profile, const field *part) {
  if (part->number == 7) profile->drop_frames = part->value;
  if (part->number == 9) profile->time = part->value;
  if (part->number == 10) profile->duration = part->value;
  if (part->number == 12) profile->period = part->value;
  if (part->number == 14) profile->default_type = part->value;
}

/* Exactly one gzip file. */
static unsigned char *gunzip(const void *gzip, size_t bytes, size_t *length) {
  enum { ROOM = 4 << 20 };
  unsigned char *out = malloc(ROOM);
  CHECK_NOT_NULL(out);
  z_stream stream = {
      .next_in = (unsigned char *)(uintptr_t)gzip, .avail_in = (uInt)bytes, .next_out = out, .avail_out = ROOM};
  CHECK_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  CHECK_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  CHECK_EQ(stream.avail_in, 0);
  *length = stream.total_out;
  inflateEnd(&stream);
  return out;
}

read_profile *profile_read(const void *gzip, size_t bytes) {
  size_t length;
  unsigned char *plain = gunzip(gzip, bytes, &length);
  read_profile *profile = calloc(1, sizeof *profile);
  CHECK_NOT_NULL(profile);
  span in = {plain, plain + length};
  field part;
  while (next_field(&in, &part)) {
    if (part.bytes != NULL) {
      take_repeated(profile, &part);
    } else {
      take_number(profile, &part);
    }
  }
  free(plain);
  return profile;
}

void profile_end(read_profile *profile) {
  for (size_t i = 0; i < profile->text_count; i++) free(profile->texts[i]);
  free(profile);
}

const char *profile_text(const read_profile *profile, uint64_t number) {
  CHECK_LT(number, profile->text_count);
  return profile->texts[number];
}
