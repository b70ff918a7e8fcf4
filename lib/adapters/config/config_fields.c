/* config_fields.c: see config_fields.h. */
#include "lib/adapters/config/config_fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words ---- */

#define POLICY_WORD(constant, name, text) {#name, constant},
static const config_word policies[] = {LIDO_POLICIES(POLICY_WORD){NULL, 0}};
#undef POLICY_WORD

static const config_word exhausted[] = {
    {"fail", LIDO_EXHAUSTED_FAIL}, {"fallback", LIDO_EXHAUSTED_FALLBACK}, {"wait", LIDO_EXHAUSTED_WAIT}, {NULL, 0}};

static const config_word pool_flags[] = {{"zero", LIDO_POOL_ZERO},
                                         {"single_thread", LIDO_POOL_SINGLE_THREAD},
                                         {"spread", LIDO_POOL_SPREAD},
                                         {"huge_pages", LIDO_POOL_HUGE_PAGES},
                                         {"passthrough", LIDO_POOL_PASSTHROUGH},
                                         {"handles", LIDO_POOL_HANDLES},
                                         {"handles_53", LIDO_POOL_HANDLES_53},
                                         {"guarded", LIDO_POOL_GUARDED},
                                         {"populate", LIDO_POOL_POPULATE},
                                         {NULL, 0}};

static const config_word arena_flags[] = {
    {"reuse", LIDO_ARENA_REUSE}, {"passthrough", LIDO_ARENA_PASSTHROUGH}, {NULL, 0}};

static const config_word retains[] = {
    {"auto", LIDO_ARENA_RETAIN_AUTO}, {"all", LIDO_ARENA_RETAIN_ALL}, {"none", LIDO_ARENA_RETAIN_NONE}, {NULL, 0}};

static const config_word no_cache[] = {{"none", SIZE_MAX}, {NULL, 0}};
static const config_word as_long_as_it_takes[] = {{"forever", UINT64_MAX}, {NULL, 0}};

/* ---- Fields ---- */

#define FIELD(options, member, kind, words, least, most) \
  { #member, kind, words, offsetof(options, member), sizeof(((options *)0)->member), least, most }

/* The ranges are those of lido/manager.h, lido/pool.h and lido/arena.h. */
static const config_field program_fields[] = {
    {"name", CONFIG_TEXT, NULL, offsetof(config_program, manager.name), sizeof(char *), 1, 63},
    {"soft_bytes", CONFIG_BYTES, NULL, offsetof(config_program, manager.soft_bytes), sizeof(size_t), 1, SIZE_MAX},
    {"hard_bytes", CONFIG_BYTES, NULL, offsetof(config_program, manager.hard_bytes), sizeof(size_t), 1, SIZE_MAX},
    {"retain_percent", CONFIG_PERCENT, NULL, offsetof(config_program, manager.retain_percent), sizeof(unsigned), 1,
     1000},
    {"policy", CONFIG_CHOICE, policies, offsetof(config_program, manager.policy), sizeof(lido_policy), 0, 0},
    {"samples", CONFIG_COUNT, NULL, offsetof(config_program, manager.samples), sizeof(size_t), 2, 1000000},
    FIELD(config_program, interval_ns, CONFIG_NANOSECONDS, NULL, 1000000, UINT64_MAX),
    FIELD(config_program, passthrough, CONFIG_BOOLEAN, NULL, 0, 1),
};

static const config_field pool_fields[] = {
    FIELD(lido_pool_options, object_size, CONFIG_BYTES, NULL, 1, 1 << 20),
    FIELD(lido_pool_options, align, CONFIG_ALIGNMENT, NULL, 1, 4096),
    FIELD(lido_pool_options, max_objects, CONFIG_COUNT, NULL, 1, SIZE_MAX),
    FIELD(lido_pool_options, prealloc, CONFIG_COUNT, NULL, 1, SIZE_MAX),
    FIELD(lido_pool_options, growth_factor, CONFIG_FACTOR, NULL, 1, 16),
    FIELD(lido_pool_options, flags, CONFIG_FLAGS, pool_flags, 0, 0),
    FIELD(lido_pool_options, on_exhausted, CONFIG_CHOICE, exhausted, 0, 0),
    FIELD(lido_pool_options, wait_ns, CONFIG_NANOSECONDS, as_long_as_it_takes, 1, UINT64_MAX),
    FIELD(lido_pool_options, cache_bytes, CONFIG_BYTES, no_cache, 1, SIZE_MAX),
    FIELD(lido_pool_options, retain_bytes, CONFIG_BYTES, NULL, 1, SIZE_MAX),
};

static const config_field arena_fields[] = {
    FIELD(lido_arena_options, chunk_bytes, CONFIG_BYTES, NULL, 256, 1 << 30),
    FIELD(lido_arena_options, chunk_bytes_max, CONFIG_BYTES, NULL, 256, 1 << 30),
    FIELD(lido_arena_options, max_bytes, CONFIG_BYTES, NULL, 1, SIZE_MAX),
    FIELD(lido_arena_options, retain, CONFIG_BYTES, retains, 1, LIDO_ARENA_RETAIN_NONE - 1),
    FIELD(lido_arena_options, reserve_bytes, CONFIG_BYTES, NULL, 1, SIZE_MAX),
    FIELD(lido_arena_options, flags, CONFIG_FLAGS, arena_flags, 0, 0),
};

#define SHAPE(name, fields) \
  { name, fields, sizeof(fields) / sizeof *(fields) }
const config_shape lido_config_shape_program = SHAPE("", program_fields);
const config_shape lido_config_shape_pool = SHAPE("pool", pool_fields);
const config_shape lido_config_shape_arena = SHAPE("arena", arena_fields);

_Static_assert(sizeof pool_fields / sizeof *pool_fields <= CONFIG_FIELDS_MAX, "a section has a line for each field");
_Static_assert(sizeof(lido_arena_options) <= sizeof(((config_section *)0)->values.bytes), "the bytes are all of them");
_Static_assert(offsetof(config_program, interval_ns) >= sizeof(lido_manager_options), "the manager's come first");

size_t lido_config_field_find(const config_shape *shape, const char *name) {
  size_t i = 0;
  while (i < shape->count && strcmp(shape->fields[i].name, name) != 0) i++;
  return i;
}

/* ---- Names that are nearly right ---- */

enum { NEAR_NAME_MAX = 40 };

static size_t least_of(size_t a, size_t b, size_t c) {
  size_t least = a < b ? a : b;
  return least < c ? least : c;
}

/* Letters to put in, leave out or replace (Levenshtein), row by row. */
static size_t distance(const char *left, const char *right) {
  size_t row[NEAR_NAME_MAX + 1];
  size_t length = strlen(right);
  for (size_t j = 0; j <= length; j++) row[j] = j;
  for (size_t i = 0; left[i] != '\0'; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < length; j++) {
      size_t above = row[j + 1];
      row[j + 1] = least_of(above + 1, row[j] + 1, diagonal + (left[i] != right[j]));
      diagonal = above;
    }
  }
  return row[length];
}

const char *lido_config_field_near(const config_shape *shape, const char *name, size_t distance_most) {
  const char *nearest = NULL;
  if (strlen(name) > NEAR_NAME_MAX) return NULL;
  for (size_t i = 0; i < shape->count; i++) {
    size_t far = distance(shape->fields[i].name, name);
    /* Most of the letters must be right. */
    if (far > distance_most || far * 2 >= strlen(shape->fields[i].name)) continue;
    nearest = shape->fields[i].name;
    distance_most = far - (far != 0);
  }
  return nearest;
}

/* ---- Sections ---- */

config_section *lido_config_section_create(const config_shape *shape, const char *title, const char *place) {
  config_section *section = calloc(1, sizeof *section);
  if (section == NULL) return NULL;
  section->shape = shape;
  if (title != NULL) section->title = strdup(title);
  if (place != NULL) section->place = strdup(place);
  if ((title != NULL && section->title == NULL) || (place != NULL && section->place == NULL)) {
    lido_config_section_destroy(section);
    return NULL;
  }
  return section;
}

bool lido_config_section_gives(const config_section *section, size_t field) {
  return (section->given >> field & 1) != 0;
}

static void *value_of(config_section *section, size_t field) {
  return section->values.bytes + section->shape->fields[field].offset;
}

static const void *value_in(const config_section *section, size_t field) {
  return section->values.bytes + section->shape->fields[field].offset;
}

static void forget_text(config_section *section, size_t field) {
  char *text;
  if (section->shape->fields[field].kind != CONFIG_TEXT || !lido_config_section_gives(section, field)) return;
  memcpy(&text, value_in(section, field), sizeof text);
  free(text);
}

void lido_config_section_destroy(config_section *section) {
  if (section == NULL) return;
  for (size_t i = 0; i < section->shape->count; i++) forget_text(section, i);
  free(section->title);
  free(section->place);
  free(section);
}

/* An unsigned number of any width, as C lays it out. */
static void number_write(void *at, size_t width, uint64_t number) {
  uint32_t narrow = (uint32_t)number;
  if (width == sizeof number) {
    memcpy(at, &number, sizeof number);
  } else if (width == sizeof narrow) {
    memcpy(at, &narrow, sizeof narrow);
  } else {
    *(bool *)at = number != 0;
  }
}

static uint64_t number_read(const void *at, size_t width) {
  uint64_t number;
  uint32_t narrow;
  if (width == sizeof number) {
    memcpy(&number, at, sizeof number);
    return number;
  }
  if (width == sizeof narrow) {
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
  }
  return *(const bool *)at;
}

static uint64_t number_of(const config_section *section, size_t field) {
  if (!lido_config_section_gives(section, field)) return 0;
  return number_read(value_in(section, field), section->shape->fields[field].width);
}

/* ---- Complaints ---- */

enum { VALUE_SHOWN = 36 };

static void complain(char complaint[CONFIG_COMPLAINT_MAX], const config_field *field, const char *text,
                     const char *wrong) {
  const char *more = strlen(text) > VALUE_SHOWN ? "..." : "";
  snprintf(complaint, CONFIG_COMPLAINT_MAX, "%s: \"%.*s%s\" is %s", field->name, VALUE_SHOWN, text, more, wrong);
}

static void complain_of_words(char complaint[CONFIG_COMPLAINT_MAX], const config_field *field, const char *text) {
  complain(complaint, field, text, "none of");
  for (const config_word *word = field->words; word->name != NULL; word++) {
    size_t length = strlen(complaint);
    snprintf(complaint + length, CONFIG_COMPLAINT_MAX - length, "%s %s", word == field->words ? "" : ",", word->name);
  }
}

static void complain_of_range(char complaint[CONFIG_COMPLAINT_MAX], const config_field *field, const char *text) {
  char wrong[96];
  snprintf(wrong, sizeof wrong, "out of range: %llu to %llu", (unsigned long long)field->least,
           (unsigned long long)field->most);
  complain(complaint, field, text, wrong);
}

/* ---- Setting a field ---- */

static const char *number_from(const config_field *field, const char *text, uint64_t *out) {
  switch (field->kind) {
    case CONFIG_BYTES:
    case CONFIG_ALIGNMENT:
      return lido_config_bytes_of(text, out);
    case CONFIG_NANOSECONDS:
      return lido_config_nanoseconds_of(text, out);
    case CONFIG_PERCENT:
      return lido_config_percent_of(text, out);
    case CONFIG_BOOLEAN:
      return lido_config_boolean_of(text, out);
    default:
      return lido_config_count_of(text, out);
  }
}

static int set_number(config_section *section, size_t index, const char *text, char *complaint) {
  const config_field *field = &section->shape->fields[index];
  uint64_t number = 0;
  if (field->words == NULL || !lido_config_word_of(field->words, text, &number)) {
    const char *wrong = number_from(field, text, &number);
    if (wrong == NULL && field->kind == CONFIG_ALIGNMENT && (number & (number - 1)) != 0) wrong = "no power of two";
    if (wrong != NULL) {
      complain(complaint, field, text, wrong);
      return EINVAL;
    }
    if (number != 0 && (number < field->least || number > field->most)) {
      complain_of_range(complaint, field, text);
      return EINVAL;
    }
  }
  number_write(value_of(section, index), field->width, number);
  return 0;
}

static int set_factor(config_section *section, size_t index, const char *text, char *complaint) {
  const config_field *field = &section->shape->fields[index];
  double factor = 0;
  const char *wrong = lido_config_factor_of(text, &factor);
  if (wrong != NULL) {
    complain(complaint, field, text, wrong);
    return EINVAL;
  }
  if (factor > 0 && (factor < (double)field->least || factor > (double)field->most)) {
    complain_of_range(complaint, field, text);
    return EINVAL;
  }
  memcpy(value_of(section, index), &factor, sizeof factor);
  return 0;
}

static int set_words(config_section *section, size_t index, const char *text, char *complaint) {
  const config_field *field = &section->shape->fields[index];
  uint64_t number = 0;
  if (!lido_config_word_of(field->words, text, &number)) {
    complain_of_words(complaint, field, text);
    return EINVAL;
  }
  if (field->kind == CONFIG_FLAGS) number |= number_of(section, index);
  number_write(value_of(section, index), field->width, number);
  return 0;
}

static int set_text(config_section *section, size_t index, const char *text, char *complaint) {
  const config_field *field = &section->shape->fields[index];
  size_t length = strlen(text);
  if (length < field->least || length > field->most) {
    complain(complaint, field, text, length == 0 ? "empty" : "too long");
    return EINVAL;
  }
  char *copy = strdup(text);
  if (copy == NULL) return ENOMEM;
  forget_text(section, index);
  memcpy(value_of(section, index), &copy, sizeof copy);
  return 0;
}

int lido_config_section_set(config_section *section, size_t field, const char *text,
                            char complaint[CONFIG_COMPLAINT_MAX]) {
  int error;
  switch (section->shape->fields[field].kind) {
    case CONFIG_TEXT:
      error = set_text(section, field, text, complaint);
      break;
    case CONFIG_CHOICE:
    case CONFIG_FLAGS:
      error = set_words(section, field, text, complaint);
      break;
    case CONFIG_FACTOR:
      error = set_factor(section, field, text, complaint);
      break;
    default:
      error = set_number(section, field, text, complaint);
  }
  if (error == 0) section->given |= UINT32_C(1) << field;
  return error;
}

void lido_config_section_set_empty(config_section *section, size_t field) {
  number_write(value_of(section, field), section->shape->fields[field].width, 0);
  section->given |= UINT32_C(1) << field;
}

/* ---- Fields that must go together ---- */

/* Both are given and `small` is the larger one. */
static bool is_beyond(const config_section *section, const char *small, const char *large, size_t *field,
                      char complaint[CONFIG_COMPLAINT_MAX]) {
  size_t first = lido_config_field_find(section->shape, small);
  *field = lido_config_field_find(section->shape, large);
  uint64_t low = number_of(section, first);
  uint64_t high = number_of(section, *field);
  if (low == 0 || high == 0 || low <= high) return false;
  snprintf(complaint, CONFIG_COMPLAINT_MAX, "%s: %llu is less than %s, %llu", large, (unsigned long long)high, small,
           (unsigned long long)low);
  return true;
}

int lido_config_section_check(const config_section *section, size_t *field, char complaint[CONFIG_COMPLAINT_MAX]) {
  bool wrong;
  if (section->shape == &lido_config_shape_pool) {
    wrong = is_beyond(section, "prealloc", "max_objects", field, complaint);
  } else if (section->shape == &lido_config_shape_arena) {
    wrong = is_beyond(section, "chunk_bytes", "chunk_bytes_max", field, complaint);
  } else {
    wrong = is_beyond(section, "soft_bytes", "hard_bytes", field, complaint);
  }
  return wrong ? EINVAL : 0;
}

/* ---- Merging and applying ---- */

/* Give `section` what `from` has; flags replace those that were there. */
static int take_all(config_section *section, const config_section *from) {
  for (size_t i = 0; i < from->shape->count; i++) {
    const config_field *field = &from->shape->fields[i];
    if (!lido_config_section_gives(from, i)) continue;
    if (field->kind == CONFIG_TEXT) {
      const char *text;
      memcpy(&text, value_in(from, i), sizeof text);
      if (set_text(section, i, text, (char[CONFIG_COMPLAINT_MAX]){0}) != 0) return ENOMEM;
    } else {
      memcpy(value_of(section, i), value_in(from, i), field->width);
    }
    section->given |= UINT32_C(1) << i;
  }
  return 0;
}

config_section *lido_config_section_merged(const config_section *section, const config_section *over) {
  const config_section *named = over->place != NULL ? over : section;
  config_section *merged = lido_config_section_create(section->shape, section->title, named->place);
  if (merged == NULL) return NULL;
  if (take_all(merged, section) != 0 || take_all(merged, over) != 0) {
    lido_config_section_destroy(merged);
    return NULL;
  }
  return merged;
}

void lido_config_section_apply(const config_section *section, void *options, size_t bytes) {
  for (size_t i = 0; i < section->shape->count; i++) {
    const config_field *field = &section->shape->fields[i];
    if (!lido_config_section_gives(section, i) || field->offset >= bytes) continue;
    unsigned char *to = (unsigned char *)options + field->offset;
    if (field->kind == CONFIG_FLAGS) {
      number_write(to, field->width, number_read(to, field->width) | number_of(section, i));
    } else {
      memcpy(to, value_in(section, i), field->width);
    }
  }
}
