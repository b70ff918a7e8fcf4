/* config_fields.h: which keys there are, and a section: the values of some of them.
 *
 * Idea: a shape is a table of fields; a field knows where in an options struct its value lies, how it is written, and
 * what it may be. A section holds a whole options struct and one bit for each field that was given. Reading a file,
 * reading the environment, merging and applying are loops over these tables: a new option is one line.
 * Invariants
 *   S1  the bytes of a field in `values` mean something only if its bit in `given` is set.
 *   S2  a text field that is given points to memory of the section's own.
 * Threads: as lido_config. Failure: ENOMEM or EINVAL; the section is as it was.
 */
#ifndef LIDO_ADAPTERS_CONFIG_CONFIG_FIELDS_H
#define LIDO_ADAPTERS_CONFIG_CONFIG_FIELDS_H

#include "lib/adapters/config/config_values.h"
#include "lido/arena.h"
#include "lido/manager.h"
#include "lido/pool.h"

enum { CONFIG_FIELDS_MAX = 16, CONFIG_COMPLAINT_MAX = 192 };

typedef enum config_kind {
  CONFIG_TEXT,
  CONFIG_BYTES,
  CONFIG_ALIGNMENT, /* bytes, a power of two */
  CONFIG_COUNT,
  CONFIG_PERCENT,
  CONFIG_NANOSECONDS,
  CONFIG_FACTOR,
  CONFIG_CHOICE, /* one word */
  CONFIG_FLAGS,  /* a list of words */
  CONFIG_BOOLEAN,
} config_kind;

typedef struct config_field {
  const char *name;
  config_kind kind;
  const config_word *words; /* of choices and flags; of other kinds, words that may stand for a number; NULL = none */
  size_t offset;            /* in the options */
  size_t width;             /* bytes */
  uint64_t least;           /* of numbers; 0 itself, the default, is always allowed */
  uint64_t most;            /* of numbers; of texts, their length */
} config_field;

/* What a section of one kind can hold. */
typedef struct config_shape {
  const char *name;
  const config_field *fields;
  size_t count;
} config_shape;

/* What stands outside of all sections. */
typedef struct config_program {
  lido_manager_options manager;
  uint64_t interval_ns;
  bool passthrough;
} config_program;

extern const config_shape lido_config_shape_program;
extern const config_shape lido_config_shape_pool;
extern const config_shape lido_config_shape_arena;

typedef struct config_section {
  struct config_section *next;
  const config_shape *shape;
  char *title; /* own; NULL for the program's */
  char *place; /* own: "FILE:LINE"; NULL = not from a file */
  uint32_t given;
  unsigned lines[CONFIG_FIELDS_MAX]; /* where each was given; of one file only */
  union {
    config_program program;
    lido_pool_options pool;
    lido_arena_options arena;
    unsigned char
        bytes[sizeof(config_program) > sizeof(lido_pool_options) ? sizeof(config_program) : sizeof(lido_pool_options)];
  } values;
} config_section;

/* The field's index, or `count`. */
size_t lido_config_field_find(const config_shape *shape, const char *name);

/* The name of a field that `name` may have been meant for, or NULL; `distance_most` letters may be wrong. */
const char *lido_config_field_near(const config_shape *shape, const char *name, size_t distance_most);

/* NULL: ENOMEM. `title` and `place` are copied and may be NULL. */
config_section *lido_config_section_create(const config_shape *shape, const char *title, const char *place);
void lido_config_section_destroy(config_section *section);

bool lido_config_section_gives(const config_section *section, size_t field);

/* Set one field; a flag is added to those that are there. 0; ENOMEM; EINVAL and, in `complaint`, `NAME: "VALUE" is
 * ...`. */
int lido_config_section_set(config_section *section, size_t field, const char *text,
                            char complaint[CONFIG_COMPLAINT_MAX]);

/* Flags that are given, and none of them. */
void lido_config_section_set_empty(config_section *section, size_t field);

/* Do the fields go together? 0; EINVAL, a complaint, and in `field` the one that is wrong. */
int lido_config_section_check(const config_section *section, size_t *field, char complaint[CONFIG_COMPLAINT_MAX]);

/* A section with what both give; `over` goes before. NULL: ENOMEM. */
config_section *lido_config_section_merged(const config_section *section, const config_section *over);

/* Write what is given to `options`, the first `bytes` bytes of the shape's struct. Flags are added. */
void lido_config_section_apply(const config_section *section, void *options, size_t bytes);

#endif
