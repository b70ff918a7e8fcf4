/* lido/config.h: options of a manager, its pools and its arena classes from a text file and from the environment.
 *
 *     lido_message message;
 *     lido_config *config = lido_config_read("server.conf", &message);
 *     if (config == NULL) fatal(message.text);
 *         // server.conf:7: soft_bytes: "64QB" is no size: 4096, 64KiB, 1.5GiB, 2MB
 *     lido_manager_options options = { .name = "server" };
 *     lido_config_apply(config, &options);
 *     lido_manager *manager = lido_manager_create(&options, &message);
 *
 *     lido_pool_options conns = { .name = "conns", .object_size = sizeof(struct conn) };
 *     if (lido_config_pool_options(config, "conns", &conns, &message) != 0) fatal(message.text);
 *
 * A file, in the language of libconfuse (docs/config.md has every key):
 *
 *     policy = adaptive          # no quotes are needed around a word
 *     soft_bytes = 64MiB
 *     pool "conns" { max_objects = 10000  flags = {zero} }
 *     arena "requests" { chunk_bytes = 16KiB }
 *
 * Keys are called as the fields of the options are. A number without a unit counts what the field's name ends in.
 *   sizes      4096, 64KiB, 1.5GiB, 2MB: B, KiB to TiB (1,024), kB to TB (1,000)
 *   times      10ms, 2s, 1.5h: ns, us, ms, s, min, h, d
 *   shares     25%, or 25
 *   booleans   true, yes, on, 1, and false, no, off, 0
 * Nothing is guessed: a key that nobody knows, one that is given twice, a value out of range are errors.
 *
 * This is a library of its own, lido_config, which needs libconfuse. lido itself reads neither files nor the
 * environment.
 *
 * Threads: a config may be read by many threads at once; merge and destroy are alone with it. lido_config_read calls
 * take turns, for libconfuse's scanner is global. A program that uses libconfuse itself must not do so during
 * lido_config_read, nor fork during one by another thread if the child is to read another.
 * Errors: NULL and errno, or an errno value; and a message, if the caller wants one, that says where, which field, and
 * what it may be. Lack of memory is an error; but libconfuse's scanner ends the program if it has no memory for its
 * buffer, although there was some a moment before (docs/config.md).
 */
#ifndef LIDO_CONFIG_H
#define LIDO_CONFIG_H

#include "lido/arena.h"
#include "lido/base.h"
#include "lido/manager.h"
#include "lido/pool.h"

LIDO_BEGIN

typedef struct lido_config lido_config;

/* ---- From where ---------------------------------------------------------------------------- */

enum {
  LIDO_CONFIG_FILE_MAX = 1 << 20,  /* bytes: a larger file is none of ours */
  LIDO_CONFIG_SECTIONS_MAX = 4096, /* pools and arenas of one file */
};

/* What the file says. `message` may be NULL; it is "" after success. NULL: EINVAL (the text is wrong), EFBIG (more than
 * LIDO_CONFIG_FILE_MAX), EISDIR, ENOMEM, or what open or read said. The environment is not read: ${NAME} is an
 * error. */
LIDO_API lido_config *lido_config_read(const char *path, lido_message *message);

/* What variables say that begin with `prefix` (NULL = "LIDO_") and go on with a key in capital letters:
 * LIDO_POLICY=adaptive, LIDO_SOFT_BYTES=64MiB. Only what stands outside of pools and arenas in a file. Another variable
 * with the prefix is an error if its name is one or two letters off a key's (LIDO_SOFT_BYTE), for that was meant for
 * us; the others are somebody else's, and ignored. A key with nothing behind its = is an error, too. NULL: EINVAL,
 * ENOMEM. No other thread may change the environment meanwhile. */
LIDO_API lido_config *lido_config_from_environment(const char *prefix, lido_message *message);

/* What `over` gives goes before what `config` gives; `over` stays as it is. The usual order is: the program's own
 * options, the file, the environment: lido_config_merge(file, environment). 0, or ENOMEM: nothing has changed. */
LIDO_API int lido_config_merge(lido_config *config, const lido_config *over);

/* NULL is ignored. */
LIDO_API void lido_config_destroy(lido_config *config);

/* ---- To where ------------------------------------------------------------------------------ */

/* Set those fields that the config gives; the others stay. The name is the config's: it must live until the manager is
 * made, which copies it. Whether all fields go together is for lido_manager_options_check to say. */
LIDO_API void lido_config_apply(const lido_config *config, lido_manager_options *options);

/* The same for the pool of that name; a config that has none of it changes nothing. What the program needs it gets:
 * flags are added to its own; an object_size other than its own, less alignment (than 64, if it says none), and the
 * flag single_thread, if its own do not have it, are EINVAL. 0, or EINVAL: `options` is as it was. */
LIDO_API int lido_config_pool_options(const lido_config *config, const char *name, lido_pool_options *options,
                                      lido_message *message);

/* The same for the class of arenas of that name; its flags are added, too. 0, or EINVAL (a buffer and
 * reserve_bytes). */
LIDO_API int lido_config_arena_options(const lido_config *config, const char *name, lido_arena_options *options,
                                       lido_message *message);

/* Names of the pools and arenas in a config, in the order of the file: to see whether one is there that the program
 * does not have. NULL: there are no more. Valid as long as the config, and until a merge. */
LIDO_API const char *lido_config_pool_name(const lido_config *config, size_t index);
LIDO_API const char *lido_config_arena_name(const lido_config *config, size_t index);

/* ---- What is no option of a manager -------------------------------------------------------- */

/* interval_ns: for lido_monitor_start; `otherwise` if it is not given. */
LIDO_API uint64_t lido_config_interval_ns(const lido_config *config, uint64_t otherwise);

/* passthrough: for lido_pool_passthrough_set and lido_arena_passthrough_set; `otherwise` if it is not given. */
LIDO_API bool lido_config_passthrough(const lido_config *config, bool otherwise);

LIDO_END

#endif
