/* settings.h: configs out of texts, for the tests of lido/config.h. */
#ifndef LIDO_TESTS_SUPPORT_SETTINGS_H
#define LIDO_TESTS_SUPPORT_SETTINGS_H

#include <lido/config.h>

/* In a folder of the process's own, where the working directory then is, so that messages have a short path. Removed at
 * the exit. */
#define SETTINGS_FILE "app.conf"

void settings_write(const char *text, size_t bytes);

/* lido_config_read of a file with that text. */
lido_config *settings_read(const char *text, lido_message *message);

#endif
