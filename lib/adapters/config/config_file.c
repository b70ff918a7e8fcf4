/* config_file.c: a config from a text file by libconfuse; see lido_config_read.
 *
 * Idea: libconfuse knows the language; the values are ours. Every option is a text to it, with a callback that is
 * called while the scanner stands at the value, so that a complaint can name the line. The file is read as a whole
 * before, so that what libconfuse can't bear (bytes of zero, directories, endless files) never gets there.
 * Invariants
 *   F1  libconfuse is entered under `turn` only: its scanner's state is global.
 *   F2  `reading` is the read that has the turn, or NULL.
 *   F3  the first complaint is the one that is told; what follows from it is not.
 * A last line of our own, END_KEY = 1, tells whether the scanner came to the end outside of comments and sections: to
 * libconfuse an open comment is a good end.
 * libconfuse puts values of environment variables for ${NAME}. Reading a file must not read the environment, so that is
 * refused, within comments, too. So is an escape for a byte of zero, which would cut a value short.
 * Threads: any. Lock: `turn`, of C11, for parts have no other; nothing of the caller's is called under it.
 * Failure: ENOMEM, as far as libconfuse lets us. Its scanner calls exit() when it has no memory for its buffer, so we
 * try before whether there is some. A section that it has no memory for stays in its tree as a pointer to freed memory
 * (3.3), so such a tree is left alone: some kilobytes are lost rather than freed twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <threads.h>
#include <unistd.h>

#include "lib/adapters/config/config_parts.h"

/* Its names are libconfuse's own. */
#include <confuse.h>

enum {
  OPTIONS_MAX = CONFIG_FIELDS_MAX + 4,
  PATH_SHOWN = 80,
  LETTERS_OFF_MOST = 3,
  TEXT_MAX = 200,
  SCANNER_ROOM = 64 << 10
};

#define END_KEY "__end"
static const char last_line[] = "\n" END_KEY " = 1\n";

typedef struct read_state {
  lido_config *config;
  const char *path; /* its end, if it is long */
  lido_message *message;
  unsigned lines; /* of the file itself */
  unsigned sections;
  bool complained;
  bool at_end;
  int error; /* 0 = EINVAL, if something is wrong */
} read_state;

static once_flag once = ONCE_FLAG_INIT;
static mtx_t turn;
static read_state *reading; /* guarded by `turn` */

static void turn_init(void) { mtx_init(&turn, mtx_plain); }

/* ---- Complaints ---- */

static __attribute__((format(printf, 3, 4))) int complain_at(read_state *state, unsigned line, const char *format,
                                                             ...) {
  if (state->complained) return -1;
  state->complained = true;
  char text[TEXT_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  lido_config_say(state->message, "%s:%u: %s", state->path, line < state->lines ? line : state->lines, text);
  return -1;
}

static const config_shape *shape_of(const cfg_t *cfg) {
  if (cfg->title == NULL) return &lido_config_shape_program;
  return strcmp(cfg->name, "pool") == 0 ? &lido_config_shape_pool : &lido_config_shape_arena;
}

static bool is_key(const char *key, const config_shape *shape) {
  return lido_config_field_find(shape, key) < shape->count;
}

static void complain_of_key(read_state *state, const cfg_t *cfg, const char *key) {
  const config_shape *shape = shape_of(cfg);
  unsigned line = (unsigned)cfg->line;
  const char *near = lido_config_field_near(shape, key, LETTERS_OFF_MOST);
  if (strcmp(key, END_KEY) == 0) {
    complain_at(state, line, "%s \"%.40s\" has no closing brace", shape->name, cfg->title);
  } else if (near != NULL) {
    complain_at(state, line, "%.40s: there is no such key; is %s meant?", key, near);
  } else if (shape != &lido_config_shape_program && is_key(key, &lido_config_shape_program)) {
    complain_at(state, line, "%.40s: this key stands outside of sections", key);
  } else if (shape != &lido_config_shape_pool && is_key(key, &lido_config_shape_pool)) {
    complain_at(state, line, "%.40s: this key stands in a pool", key);
  } else if (shape != &lido_config_shape_arena && is_key(key, &lido_config_shape_arena)) {
    complain_at(state, line, "%.40s: this key stands in an arena", key);
  } else {
    complain_at(state, line, "%.40s: there is no such key", key);
  }
}

/* The word between the first quotes of a message. */
static bool quoted_word(const char *text, char *word, size_t room) {
  const char *begin = strchr(text, '\'');
  const char *end = begin == NULL ? NULL : strchr(begin + 1, '\'');
  if (end == NULL || (size_t)(end - begin) > room) return false;
  memcpy(word, begin + 1, (size_t)(end - begin - 1));
  word[end - begin - 1] = '\0';
  return true;
}

/* What libconfuse itself has to say. Its texts may be in the user's language; then there is no hint. */
static void on_error(cfg_t *cfg, const char *format, va_list arguments) {
  char text[TEXT_MAX];
  char word[TEXT_MAX];
  vsnprintf(text, sizeof text, format, arguments);
  bool has_word = quoted_word(text, word, sizeof word);
  if (has_word && strncmp(format, "no such option", strlen("no such option")) == 0) {
    complain_of_key(reading, cfg, word);
  } else if (has_word && strcmp(word, END_KEY) == 0) {
    complain_at(reading, (unsigned)cfg->line, "the file ends too early");
  } else {
    complain_at(reading, (unsigned)cfg->line, "%s", text);
  }
}

/* ---- Values ---- */

/* The section that `cfg` stands for; made when it is first seen. NULL: complained, or no memory. */
static config_section *section_of(read_state *state, const cfg_t *cfg) {
  const config_shape *shape = shape_of(cfg);
  if (shape == &lido_config_shape_program) return state->config->program;
  config_section *section = lido_config_section_find(state->config, shape, cfg->title);
  if (section != NULL) return section;
  if (cfg->title[0] == '\0') {
    complain_at(state, (unsigned)cfg->line, "%s: the name is empty", shape->name);
    return NULL;
  }
  if (state->sections == LIDO_CONFIG_SECTIONS_MAX) {
    complain_at(state, (unsigned)cfg->line, "more than %d pools and arenas", LIDO_CONFIG_SECTIONS_MAX);
    return NULL;
  }
  char place[PATH_SHOWN + 32];
  snprintf(place, sizeof place, "%s:%d", state->path, cfg->line);
  section = lido_config_section_create(shape, cfg->title, place);
  if (section == NULL) {
    state->error = ENOMEM;
    return NULL;
  }
  lido_config_section_add(state->config, section);
  state->sections++;
  return section;
}

static int complain_in(read_state *state, const config_section *section, unsigned line, const char *complaint) {
  if (section->title == NULL) return complain_at(state, line, "%s", complaint);
  return complain_at(state, line, "%s \"%.40s\": %s", section->shape->name, section->title, complaint);
}

static int complain_of_twice(read_state *state, const config_section *section, const cfg_t *cfg, size_t field) {
  char complaint[CONFIG_COMPLAINT_MAX];
  snprintf(complaint, sizeof complaint, "%s: given in line %u already", section->shape->fields[field].name,
           section->lines[field]);
  return complain_in(state, section, (unsigned)cfg->line, complaint);
}

static int set_field(read_state *state, const cfg_t *cfg, const cfg_opt_t *option, const char *value) {
  char complaint[CONFIG_COMPLAINT_MAX];
  unsigned line = (unsigned)cfg->line;
  config_section *section = section_of(state, cfg);
  if (section == NULL) return -1;
  size_t field = lido_config_field_find(section->shape, option->name);
  /* A key like pool|align would lead into a section from outside. */
  if (field == section->shape->count) return complain_at(state, line, "%s: this key stands in a section", option->name);
  /* Of a list the first value comes when there is none yet. */
  if (lido_config_section_gives(section, field) && option->nvalues <= 1) {
    return complain_of_twice(state, section, cfg, field);
  }
  int error = lido_config_section_set(section, field, value, complaint);
  if (error == EINVAL) return complain_in(state, section, line, complaint);
  state->error = error;
  section->lines[field] = line;
  return error == 0 ? 0 : -1;
}

static int on_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result) {
  read_state *state = reading;
  *(const char **)result = value; /* libconfuse wants to keep a copy */
  if (value == NULL) return 0;
  if (strcmp(option->name, END_KEY) == 0) {
    if (state->at_end) return complain_at(state, (unsigned)cfg->line, END_KEY ": there is no such key");
    state->at_end = true;
    return 0;
  }
  if (strcmp(value, END_KEY) == 0) return complain_at(state, (unsigned)cfg->line, "%s: has no value", option->name);
  return set_field(state, cfg, option, value);
}

/* An empty list has no value that on_value is called for: it is known by what it leaves. */
static int take_empty_lists(read_state *state, config_section *section, cfg_t *own) {
  for (size_t field = 0; field < section->shape->count; field++) {
    if (section->shape->fields[field].kind != CONFIG_FLAGS) continue;
    const cfg_opt_t *option = cfg_getopt(own, section->shape->fields[field].name);
    if (option == NULL || (option->flags & CFGF_MODIFIED) == 0 || option->nvalues != 0) continue;
    if (lido_config_section_gives(section, field)) return complain_of_twice(state, section, own, field);
    lido_config_section_set_empty(section, field);
  }
  return 0;
}

/* At the closing brace. */
static int on_section(cfg_t *cfg, cfg_opt_t *option) {
  char complaint[CONFIG_COMPLAINT_MAX];
  cfg_t *own = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
  size_t field;
  (void)cfg;
  config_section *section = section_of(reading, own);
  if (section == NULL || take_empty_lists(reading, section, own) != 0) return -1;
  if (lido_config_section_check(section, &field, complaint) == 0) return 0;
  return complain_in(reading, section, section->lines[field], complaint);
}

/* ---- Options as libconfuse has them ---- */

/* One for each field. -> how many. */
static size_t options_of(const config_shape *shape, cfg_opt_t *options) {
  for (size_t i = 0; i < shape->count; i++) {
    const cfg_opt_t one = CFG_STR_CB(shape->fields[i].name, NULL, CFGF_NODEFAULT, on_value);
    const cfg_opt_t many = CFG_STR_LIST_CB(shape->fields[i].name, NULL, CFGF_NODEFAULT, on_value);
    options[i] = shape->fields[i].kind == CONFIG_FLAGS ? many : one;
  }
  options[shape->count] = (cfg_opt_t)CFG_END();
  return shape->count;
}

static cfg_t *parser_create(void) {
  cfg_opt_t options[OPTIONS_MAX];
  cfg_opt_t pool[OPTIONS_MAX];
  cfg_opt_t arena[OPTIONS_MAX];
  enum { SECTION = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES };
  size_t count = options_of(&lido_config_shape_program, options);
  options_of(&lido_config_shape_pool, pool);
  options_of(&lido_config_shape_arena, arena);
  options[count++] = (cfg_opt_t)CFG_SEC("pool", pool, SECTION);
  options[count++] = (cfg_opt_t)CFG_SEC("arena", arena, SECTION);
  options[count++] = (cfg_opt_t)CFG_STR_CB(END_KEY, NULL, CFGF_NODEFAULT, on_value);
  options[count] = (cfg_opt_t)CFG_END();
  cfg_t *parser = cfg_init(options, CFGF_NONE);
  if (parser == NULL) return NULL;
  cfg_set_error_function(parser, on_error);
  cfg_set_validate_func(parser, "pool", on_section);
  cfg_set_validate_func(parser, "arena", on_section);
  return parser;
}

/* ---- The text ---- */

static bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/* To libconfuse `\0` and `\x0` are bytes of zero within double quotes, where the value then ends. */
static bool is_zero_escape(const char *at) {
  size_t zeros = strspn(at + 2, "0");
  if (at[1] == 'x') return zeros >= 2 || (zeros == 1 && !is_hex_digit(at[3]));
  return at[1] == '0' && zeros <= 2 && !(at[2 + zeros] >= '0' && at[2 + zeros] <= '9');
}

/* What libconfuse would not bear, or would do and must not. It ends with last_line. */
static int check_text(read_state *state, const char *text, size_t bytes) {
  unsigned line = 1;
  for (size_t i = 0; i < bytes; i++) {
    if (text[i] == '\0') return complain_at(state, line, "a byte of zero: this is no text");
    if (text[i] == '$' && text[i + 1] == '{') {
      return complain_at(state, line, "${...}: the environment is not read by a file");
    }
    if (text[i] == '\\' && is_zero_escape(text + i)) {
      return complain_at(state, line, "an escape for a byte of zero: this is no text");
    }
    if (text[i] == '\\' && text[i + 1] == '\\') i++; /* what follows is no escape */
    if (text[i] == '\n') line++;
  }
  return 0;
}

static unsigned lines_of(const char *text, size_t bytes) {
  unsigned lines = bytes == 0 || text[bytes - 1] != '\n';
  for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
  return lines;
}

/* What the scanner takes must be there when it asks. No promise: other threads allocate, too. */
static bool has_room_for_scanner(void) {
  void *room = malloc(SCANNER_ROOM);
  free(room);
  return room != NULL;
}

/* Called with the turn. 0, EINVAL or ENOMEM. */
static int parse_in_turn(read_state *state, FILE *stream) {
  char complaint[CONFIG_COMPLAINT_MAX];
  size_t field;
  cfg_t *parser = has_room_for_scanner() ? parser_create() : NULL;
  if (parser == NULL) return ENOMEM;
  reading = state;
  errno = 0;
  int status = cfg_parse_fp(parser, stream);
  bool is_broken = status != CFG_SUCCESS && !state->complained && state->error == 0 && errno == ENOMEM;
  if (is_broken) state->error = ENOMEM;
  /* Of some mistakes, an empty key for one, libconfuse says nothing. */
  if (status != CFG_SUCCESS && state->error == 0) complain_at(state, (unsigned)parser->line, "this is not understood");
  reading = NULL;
  if (!is_broken) cfg_free(parser);
  if (state->error != 0) return state->error;
  if (state->complained) return EINVAL;
  if (!state->at_end) complain_at(state, state->lines, "a comment is not closed");
  const config_section *program = state->config->program;
  if (lido_config_section_check(program, &field, complaint) != 0)
    complain_in(state, program, program->lines[field], complaint);
  return state->complained ? EINVAL : 0;
}

/* `text` ends with last_line. */
static int parse(read_state *state, char *text, size_t bytes) {
  if (check_text(state, text, bytes) != 0) return EINVAL;
  FILE *stream = fmemopen(text, bytes + strlen(last_line), "r");
  if (stream == NULL) return ENOMEM;
  call_once(&once, turn_init);
  mtx_lock(&turn);
  int error = parse_in_turn(state, stream);
  mtx_unlock(&turn);
  fclose(stream);
  return error;
}

/* ---- The file ---- */

/* Up to `room` bytes. -> how many, or -1. */
static ssize_t read_all(int descriptor, char *buffer, size_t room) {
  size_t at = 0;
  while (at < room) {
    ssize_t got = read(descriptor, buffer + at, room - at);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    at += (size_t)got;
  }
  return (ssize_t)at;
}

static int read_and_parse(read_state *state, int descriptor, char *buffer) {
  ssize_t bytes = read_all(descriptor, buffer, LIDO_CONFIG_FILE_MAX + 1);
  if (bytes < 0) return errno;
  if (bytes > LIDO_CONFIG_FILE_MAX) return EFBIG;
  memcpy(buffer + bytes, last_line, sizeof last_line);
  state->lines = lines_of(buffer, (size_t)bytes);
  return parse(state, buffer, (size_t)bytes);
}

static int read_file(read_state *state, const char *path) {
  struct stat about;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return errno;
  int error = fstat(descriptor, &about) != 0 ? errno : 0;
  if (error == 0 && S_ISREG(about.st_mode) && about.st_size > LIDO_CONFIG_FILE_MAX) error = EFBIG;
  char *buffer = error == 0 ? malloc(LIDO_CONFIG_FILE_MAX + 1 + sizeof last_line) : NULL;
  if (error == 0) error = buffer == NULL ? ENOMEM : read_and_parse(state, descriptor, buffer);
  free(buffer);
  close(descriptor);
  return error;
}

static void complain_of_file(const read_state *state, int error) {
  char reason[80];
  if (state->complained) return;
  if (error == EFBIG) {
    lido_config_say(state->message, "%s: larger than %d bytes", state->path, LIDO_CONFIG_FILE_MAX);
  } else if (strerror_r(error, reason, sizeof reason) == 0) {
    lido_config_say(state->message, "%s: %s", state->path, reason);
  }
}

lido_config *lido_config_read(const char *path, lido_message *message) {
  int errno_before = errno;
  size_t length = strlen(path);
  lido_config_say(message, "%s", "");
  read_state state = {.path = length > PATH_SHOWN ? path + length - PATH_SHOWN : path, .message = message};
  state.config = lido_config_create();
  int error = state.config == NULL ? ENOMEM : read_file(&state, path);
  errno = errno_before;
  if (error == 0) return state.config;
  complain_of_file(&state, error);
  lido_config_destroy(state.config);
  errno = error;
  return NULL;
}
