/* config_parts.h: a config as its readers see it.
 *
 * Idea: one section for what stands outside of all, and a list of the others, in the order of the file.
 * Invariants
 *   C1  `program` is there.
 *   C2  no two sections of a shape have the same title.
 * Threads: as lido_config. Failure: ENOMEM; the config is as it was.
 */
#ifndef LIDO_ADAPTERS_CONFIG_CONFIG_PARTS_H
#define LIDO_ADAPTERS_CONFIG_CONFIG_PARTS_H

#include "lib/adapters/config/config_fields.h"
#include "lido/config.h"

struct lido_config {
  config_section *program;
  config_section *sections;
};

/* Nothing is given. NULL: ENOMEM. */
lido_config *lido_config_create(void);

config_section *lido_config_section_find(const lido_config *config, const config_shape *shape, const char *title);

/* At the end of the list. */
void lido_config_section_add(lido_config *config, config_section *section);

/* printf to a message that may be NULL. */
__attribute__((format(printf, 2, 3))) void lido_config_say(lido_message *message, const char *format, ...);

#endif
