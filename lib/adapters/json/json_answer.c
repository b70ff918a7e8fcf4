/* json_answer.c: what a snapshot socket answers.
 *
 * Idea: a request is a word and, after one blank, its argument; a table says who answers which word. Each answer takes
 * what memory it needs and gives it back: a socket that nobody asks holds none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapters/json/json_snapshot.h"
#include "lib/adapters/json/json_text.h"
#include "lib/adapters/json/json_tree.h"

typedef struct asking {
  lido_manager *manager;
  lido_text_sink sink;
  void *sink_context;
  bool began; /* something has been written */
} asking;

static int put(const asking *a, const char *text) { return a->sink(text, strlen(text), a->sink_context); }

static int say_error(asking *a, const char *text) {
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_text(&tree, "error", text);
  return lido_json_tree_write(lido_json_tree_end(&tree), a->sink, a->sink_context, &a->began);
}

/* ---- Each request ---- */

static int answer_snapshot(asking *a, const char *argument) {
  if (argument != NULL) return say_error(a, "'snapshot' takes no argument");
  lido_snapshot *snapshot = lido_snapshot_create();
  if (snapshot == NULL) return ENOMEM;
  int error = lido_snapshot_take(snapshot, a->manager);
  if (error == 0) error = lido_json_snapshot_write(snapshot, a->sink, a->sink_context, &a->began);
  lido_snapshot_destroy(snapshot);
  return error;
}

enum { SAMPLES_MOST = 1000000 };

/* 0: it is no number from 1 to SAMPLES_MOST. */
static size_t count_of(const char *text) {
  char *end = NULL;
  if (*text < '1' || *text > '9') return 0;
  unsigned long count = strtoul(text, &end, 10);
  return *end == '\0' && count <= SAMPLES_MOST ? count : 0;
}

/* Room for what there is is found by trying: twice as much until some of it is left. */
static lido_sample *get_samples(lido_manager *manager, size_t most, size_t *count) {
  lido_sample *samples = NULL;
  for (size_t room = 64;; room *= 2) {
    if (room > most) room = most;
    lido_sample *larger = realloc(samples, room * sizeof *samples);
    if (larger == NULL) break;
    samples = larger;
    *count = lido_samples_get(manager, samples, room);
    if (*count < room || room == most) return samples;
  }
  free(samples);
  return NULL;
}

static int answer_samples(asking *a, const char *argument) {
  size_t count = argument != NULL ? count_of(argument) : SAMPLES_MOST;
  if (count == 0) return say_error(a, "'samples' takes a number from 1 to 1000000");
  lido_sample *samples = get_samples(a->manager, count, &count);
  if (samples == NULL) return ENOMEM;
  int error = lido_json_samples_write(samples, count, a->sink, a->sink_context, &a->began);
  free(samples);
  return error;
}

enum { SLABS_MOST = 1 << 14 }; /* more are no map any more */

static json_t *slab(const void *items, size_t i) {
  const lido_slab_use *use = (const lido_slab_use *)items + i;
  json_t *pair = json_array();
  bool failed = json_array_append_new(pair, lido_json_number(use->objects)) != 0 ||
                json_array_append_new(pair, lido_json_number(use->used)) != 0;
  if (!failed) return pair;
  json_decref(pair);
  return NULL;
}

static int write_slabs(asking *a, const char *pool, const lido_slab_use *uses, size_t count, size_t slabs) {
  json_tree tree = lido_json_tree_begin();
  lido_json_tree_number(&tree, "version", LIDO_JSON_VERSION);
  lido_json_tree_text(&tree, "pool", pool);
  lido_json_tree_number(&tree, "slabs", slabs);
  lido_json_tree_value(&tree, "use", lido_json_array_of(uses, count, slab));
  return lido_json_tree_write(lido_json_tree_end(&tree), a->sink, a->sink_context, &a->began);
}

static int answer_slabs_of(asking *a, const char *pool) {
  lido_slab_use *uses = malloc(SLABS_MOST * sizeof *uses);
  if (uses == NULL) return ENOMEM;
  size_t slabs = 0;
  int error = lido_manager_pool_occupancy(a->manager, pool, uses, SLABS_MOST, &slabs);
  if (error == 0) error = write_slabs(a, pool, uses, slabs < SLABS_MOST ? slabs : SLABS_MOST, slabs);
  free(uses);
  return error;
}

/* By what its name is in JSON, which differs for all; or, if there is none, by its name. */
static int answer_slabs(asking *a, const char *pool) {
  char name[LIDO_SOCKET_LINE + 1];
  int error = ENOENT;
  if (pool == NULL) return say_error(a, "'slabs' takes the name of a pool");
  int bytes = snprintf(name, sizeof name, "%s", pool);
  if (bytes < (int)sizeof name && lido_json_text_restore(name)) error = answer_slabs_of(a, name);
  if (error == ENOENT && !a->began) error = answer_slabs_of(a, pool);
  if (a->began) return error; /* what it may be is the sink's */
  return error == ENOENT ? say_error(a, "there is no pool of that name") : error;
}

/* ---- Which one it is ---- */

static const struct {
  const char *word;
  int (*answer)(asking *a, const char *argument);
} requests[] = {
    {"snapshot", answer_snapshot},
    {"samples", answer_samples},
    {"slabs", answer_slabs},
};

/* -> the argument, "" for none; NULL: the request is another one. */
static const char *after_word(const char *request, const char *word) {
  size_t bytes = strlen(word);
  if (strncmp(request, word, bytes) != 0) return NULL;
  return request[bytes] == '\0' || request[bytes] == ' ' ? request + bytes : NULL;
}

static int dispatch(asking *a, const char *request) {
  if (request == NULL) return say_error(a, "a request is one line of at most 511 bytes, without a zero");
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    const char *rest = after_word(request, requests[i].word);
    if (rest != NULL) return requests[i].answer(a, *rest == ' ' ? rest + 1 : NULL);
  }
  return say_error(a, "no such request");
}

int lido_json_answer(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context,
                     void *context) {
  (void)context;
  asking a = {.manager = manager, .sink = sink, .sink_context = sink_context};
  int error = dispatch(&a, request);
  return error == ENOMEM && !a.began ? put(&a, "{\"error\":\"no memory\"}\n") : error;
}
