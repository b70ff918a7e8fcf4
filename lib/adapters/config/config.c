/* config.c: see lido/config.h and config_parts.h.
 *
 * A merge builds all sections that change before the first one is put in place, so a lack of memory changes nothing.
 */
#include "lido/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapters/config/config_parts.h"
#include "lido/inline/utf8_inline.h"

enum { ALIGN_DEFAULT = 64 }; /* bytes, of a pool: lido/pool.h */

/* C0 and C1: from U+0080 to U+009F, which are two bytes. */
static bool is_control(const char *at) {
  unsigned first = lido_utf8_byte(at, 0);
  return first < ' ' || first == 0x7f || (first == 0xc2 && lido_utf8_byte(at, 1) < 0xa0);
}

/* Names may have letters that a terminal obeys. */
static void without_control_letters(char *text) {
  for (char *at = text; *at != '\0';) {
    size_t bytes = lido_utf8_bytes(at);
    size_t wrong = bytes == 0 ? 1 : is_control(at) ? bytes : 0;
    memset(at, '?', wrong);
    at += wrong != 0 ? wrong : bytes;
  }
}

void lido_config_say(lido_message *message, const char *format, ...) {
  if (message == NULL) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message->text, sizeof message->text, format, arguments);
  va_end(arguments);
  without_control_letters(message->text);
}

/* ---- Life ---- */

lido_config *lido_config_create(void) {
  lido_config *config = calloc(1, sizeof *config);
  if (config == NULL) return NULL;
  config->program = lido_config_section_create(&lido_config_shape_program, NULL, NULL);
  if (config->program != NULL) return config;
  free(config);
  return NULL;
}

static void destroy_list(config_section *sections) {
  while (sections != NULL) {
    config_section *next = sections->next;
    lido_config_section_destroy(sections);
    sections = next;
  }
}

void lido_config_destroy(lido_config *config) {
  if (config == NULL) return;
  lido_config_section_destroy(config->program);
  destroy_list(config->sections);
  free(config);
}

config_section *lido_config_section_find(const lido_config *config, const config_shape *shape, const char *title) {
  config_section *section = config->sections;
  while (section != NULL && (section->shape != shape || strcmp(section->title, title) != 0)) section = section->next;
  return section;
}

void lido_config_section_add(lido_config *config, config_section *section) {
  config_section **end = &config->sections;
  while (*end != NULL) end = &(*end)->next;
  *end = section;
}

/* ---- Merge ---- */

/* Add to `merged` what `from` has and it has not yet, together with what `over` has of that name. */
static int merge_sections(lido_config *merged, const lido_config *from, const lido_config *over) {
  for (const config_section *section = from->sections; section != NULL; section = section->next) {
    if (lido_config_section_find(merged, section->shape, section->title) != NULL) continue;
    const config_section *other = lido_config_section_find(over, section->shape, section->title);
    config_section *both = lido_config_section_merged(section, other != NULL ? other : section);
    if (both == NULL) return ENOMEM;
    lido_config_section_add(merged, both);
  }
  return 0;
}

int lido_config_merge(lido_config *config, const lido_config *over) {
  lido_config merged = {.program = lido_config_section_merged(config->program, over->program)};
  if (merged.program == NULL || merge_sections(&merged, config, over) != 0 ||
      merge_sections(&merged, over, over) != 0) {
    lido_config_section_destroy(merged.program);
    destroy_list(merged.sections);
    return ENOMEM;
  }
  lido_config_section_destroy(config->program);
  destroy_list(config->sections);
  *config = merged;
  return 0;
}

/* ---- Apply ---- */

void lido_config_apply(const lido_config *config, lido_manager_options *options) {
  lido_config_section_apply(config->program, options, sizeof *options);
}

static int disagree(lido_message *message, const config_section *section, const char *field, size_t value,
                    const char *but, size_t program) {
  lido_config_say(message, "%s: %s \"%.40s\": %s: %zu, but %s %zu", section->place, section->shape->name,
                  section->title, field, value, but, program);
  return EINVAL;
}

static int check_pool(const config_section *section, const lido_pool_options *options, lido_message *message) {
  lido_pool_options wanted = {0};
  lido_config_section_apply(section, &wanted, sizeof wanted);
  if (wanted.object_size != 0 && options->object_size != 0 && wanted.object_size != options->object_size) {
    return disagree(message, section, "object_size", wanted.object_size, "the program's objects have",
                    options->object_size);
  }
  size_t align = options->align != 0 ? options->align : ALIGN_DEFAULT;
  if (wanted.align != 0 && wanted.align < align) {
    return disagree(message, section, "align", wanted.align, "the program needs", align);
  }
  if ((wanted.flags & ~options->flags & LIDO_POOL_SINGLE_THREAD) != 0) {
    lido_config_say(message, "%s: pool \"%.40s\": flags: single_thread, but the program's own do not have it",
                    section->place, section->title);
    return EINVAL;
  }
  return 0;
}

static int check_arena(const config_section *section, const lido_arena_options *options, lido_message *message) {
  lido_arena_options wanted = {0};
  lido_config_section_apply(section, &wanted, sizeof wanted);
  if (wanted.reserve_bytes != 0 && options->buffer != NULL) {
    return disagree(message, section, "reserve_bytes", wanted.reserve_bytes, "the program has a buffer of",
                    options->buffer_bytes);
  }
  return 0;
}

int lido_config_pool_options(const lido_config *config, const char *name, lido_pool_options *options,
                             lido_message *message) {
  lido_config_say(message, "%s", "");
  const config_section *section = lido_config_section_find(config, &lido_config_shape_pool, name);
  if (section == NULL) return 0;
  int error = check_pool(section, options, message);
  if (error == 0) lido_config_section_apply(section, options, sizeof *options);
  return error;
}

int lido_config_arena_options(const lido_config *config, const char *name, lido_arena_options *options,
                              lido_message *message) {
  lido_config_say(message, "%s", "");
  const config_section *section = lido_config_section_find(config, &lido_config_shape_arena, name);
  if (section == NULL) return 0;
  int error = check_arena(section, options, message);
  if (error == 0) lido_config_section_apply(section, options, sizeof *options);
  return error;
}

/* ---- Questions ---- */

static const char *title_at(const lido_config *config, const config_shape *shape, size_t index) {
  const config_section *section = config->sections;
  for (; section != NULL; section = section->next) {
    if (section->shape == shape && index-- == 0) return section->title;
  }
  return NULL;
}

const char *lido_config_pool_name(const lido_config *config, size_t index) {
  return title_at(config, &lido_config_shape_pool, index);
}

const char *lido_config_arena_name(const lido_config *config, size_t index) {
  return title_at(config, &lido_config_shape_arena, index);
}

static config_program program_of(const lido_config *config, uint64_t interval_ns, bool passthrough) {
  config_program program = {.interval_ns = interval_ns, .passthrough = passthrough};
  lido_config_section_apply(config->program, &program, sizeof program);
  return program;
}

uint64_t lido_config_interval_ns(const lido_config *config, uint64_t otherwise) {
  return program_of(config, otherwise, false).interval_ns;
}

bool lido_config_passthrough(const lido_config *config, bool otherwise) {
  return program_of(config, 0, otherwise).passthrough;
}
