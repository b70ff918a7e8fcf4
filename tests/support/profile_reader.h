/* profile_reader.h: reads what lido/pprof.h writes, by the numbers of pprof's format and nothing of ours: gunzip, then
 * fields of messages.
 *
 * What does not fit into these arrays, or is no profile, fails the test.
 */
#ifndef LIDO_TESTS_SUPPORT_PROFILE_READER_H
#define LIDO_TESTS_SUPPORT_PROFILE_READER_H

#include <stddef.h>
#include <stdint.h>

enum {
  READ_SAMPLES = 2048,
  READ_FRAMES = 64,
  READ_LOCATIONS = 4096,
  READ_MAPPINGS = 256,
  READ_FUNCTIONS = 512,
  READ_TEXTS = 4096,
  READ_TYPES = 8
};

typedef struct read_sample {
  uint64_t locations[READ_FRAMES];
  size_t location_count;
  int64_t values[READ_TYPES];
  size_t value_count;
  uint64_t label_key;
  uint64_t label_text;
  size_t label_count;
} read_sample;

typedef struct read_location {
  uint64_t id, mapping, address, function;
} read_location;

typedef struct read_mapping {
  uint64_t id, start, limit, offset, file, build_id;
} read_mapping;

typedef struct read_function {
  uint64_t id, name;
} read_function;

typedef struct read_type {
  uint64_t type, unit;
} read_type;

typedef struct read_profile {
  read_type types[READ_TYPES];
  read_sample samples[READ_SAMPLES];
  read_location locations[READ_LOCATIONS];
  read_mapping mappings[READ_MAPPINGS];
  read_function functions[READ_FUNCTIONS];
  char *texts[READ_TEXTS];
  size_t type_count, sample_count, location_count, mapping_count, function_count, text_count;
  read_type period_type;
  uint64_t drop_frames, time, duration, period, default_type;
} read_profile;

/* To be ended with profile_end. */
read_profile *profile_read(const void *gzip, size_t bytes);
void profile_end(read_profile *profile);

const char *profile_text(const read_profile *profile, uint64_t number);

#endif
