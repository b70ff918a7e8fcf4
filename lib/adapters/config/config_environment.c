/* config_environment.c: a config from environment variables; see lido_config_from_environment.
 *
 * Idea: one pass over the environment, so that variables that were meant for us but are not quite our names are seen.
 * Why not an error for every unknown variable: LIDO_SEED and the like belong to tests and scripts, and a program's own
 * prefix has variables of its own.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapters/config/config_parts.h"

enum { KEY_MAX = 40, LETTERS_OFF_MOST = 2 };

extern char **environ;

/* The key that a variable's name stands for, in small letters; false if it can be none. */
static bool key_of(const char *name, size_t length, char key[KEY_MAX]) {
  if (length == 0 || length >= KEY_MAX) return false;
  for (size_t i = 0; i < length; i++) {
    if (name[i] >= 'a' && name[i] <= 'z') return false;
    key[i] = (char)lido_config_small_letter(name[i]);
  }
  key[length] = '\0';
  return true;
}

static int refuse_name(const char *prefix, const char *name, size_t length, const char *key, lido_message *message) {
  char capitals[KEY_MAX];
  const char *near = lido_config_field_near(&lido_config_shape_program, key, LETTERS_OFF_MOST);
  if (near == NULL) return 0;
  size_t i = 0;
  for (; near[i] != '\0'; i++) capitals[i] = (char)lido_config_capital_letter(near[i]);
  capitals[i] = '\0';
  lido_config_say(message, "%.40s%.*s: there is no such setting; is %.40s%s meant?", prefix, (int)length, name, prefix,
                  capitals);
  return EINVAL;
}

/* `rest`: of a variable that begins with the prefix, what follows it. */
static int take_variable(lido_config *config, const char *prefix, const char *rest, lido_message *message) {
  char key[KEY_MAX];
  char complaint[CONFIG_COMPLAINT_MAX];
  const char *equals = strchr(rest, '=');
  if (equals == NULL || !key_of(rest, (size_t)(equals - rest), key)) return 0;
  size_t field = lido_config_field_find(config->program->shape, key);
  if (field == config->program->shape->count) return refuse_name(prefix, rest, (size_t)(equals - rest), key, message);
  int error = lido_config_section_set(config->program, field, equals + 1, complaint);
  if (error == EINVAL) {
    /* The complaint begins with the field's name, which the variable's own replaces. */
    lido_config_say(message, "%.40s%.*s%s", prefix, (int)(equals - rest), rest, complaint + strlen(key));
  }
  return error;
}

static int take_environment(lido_config *config, const char *prefix, lido_message *message) {
  size_t length = strlen(prefix);
  char complaint[CONFIG_COMPLAINT_MAX];
  size_t field;
  for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
    if (strncmp(*variable, prefix, length) != 0) continue;
    int error = take_variable(config, prefix, *variable + length, message);
    if (error != 0) return error;
  }
  int error = lido_config_section_check(config->program, &field, complaint);
  if (error != 0) lido_config_say(message, "variables %.40s...: %s", prefix, complaint);
  return error;
}

lido_config *lido_config_from_environment(const char *prefix, lido_message *message) {
  lido_config_say(message, "%s", "");
  lido_config *config = lido_config_create();
  int error = config == NULL ? ENOMEM : take_environment(config, prefix == NULL ? "LIDO_" : prefix, message);
  if (error == 0) return config;
  if (error == ENOMEM) lido_config_say(message, "no memory for the settings of the environment");
  lido_config_destroy(config);
  errno = error;
  return NULL;
}
