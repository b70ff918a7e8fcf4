/* json_test.c: snapshots and samples as JSON, and the answers of a socket, read back with jansson. */
#include "lido/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lido/lido.h"
#include "tests/support/testing.h"

/* ---- A sink that keeps everything ---- */

typedef struct page {
  char *text;
  size_t bytes;
  size_t calls;
  size_t fails_at; /* the call that fails; 0: none */
} page;

static int take(const char *text, size_t bytes, void *context) {
  page *p = context;
  if (++p->calls == p->fails_at) return EIO;
  char *larger = realloc(p->text, p->bytes + bytes + 1);
  if (larger == NULL) abort();
  memcpy(larger + p->bytes, text, bytes);
  p->text = larger;
  p->bytes += bytes;
  p->text[p->bytes] = '\0';
  return 0;
}

static void page_end(page *p) {
  free(p->text);
  *p = (page){0};
}

/* One object on one line. */
static json_t *read_page(page *p) {
  json_error_t error;
  CHECK_GT(p->bytes, 1);
  CHECK(strchr(p->text, '\n') == p->text + p->bytes - 1);
  json_t *root = json_loads(p->text, JSON_REJECT_DUPLICATES, &error);
  if (root == NULL) TESTING_FAIL("no JSON: %s at %d", error.text, error.position);
  page_end(p);
  return root;
}

static json_t *written(const lido_snapshot *snapshot) {
  page p = {0};
  CHECK_EQ(lido_json_write(snapshot, take, &p), 0);
  return read_page(&p);
}

static json_t *answer_to(lido_manager *manager, const char *request) {
  page p = {0};
  CHECK_EQ(lido_json_answer(manager, request, take, &p, NULL), 0);
  return read_page(&p);
}

static int refuse(const char *text, size_t bytes, void *context) {
  (void)text;
  (void)bytes;
  ++*(size_t *)context;
  return ENOENT;
}

/* ---- What is looked for ---- */

static long long number_of(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_integer(value)) TESTING_FAIL("%s is no number", name);
  return json_integer_value(value);
}

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

/* ---- A snapshot by hand, each number another one ---- */

typedef struct by_hand {
  lido_snapshot snapshot;
  lido_pool_snapshot pools[2];
  lido_arena_class_snapshot classes[1];
  lido_cache_snapshot caches[1];
  lido_cleanup_queue_snapshot queues[1];
} by_hand;

#define SET(name, kind, unit, text) stats->name = ++next;
#define SET_REASON(constant, name, text) stats->name = ++next;

static void fill_manager(lido_manager_stats *stats, uint64_t next) { LIDO_MANAGER_STATISTICS(SET) }
static void fill_budget(lido_budget_stats *stats, uint64_t next) { LIDO_BUDGET_STATISTICS(SET) }
static void fill_weak(lido_weak_stats *stats, uint64_t next) { LIDO_WEAK_STATISTICS(SET) }
static void fill_guard(lido_guard_stats *stats, uint64_t next) { LIDO_GUARD_STATISTICS(SET) }
static void fill_pool(lido_pool_stats *stats, uint64_t next) { LIDO_POOL_STATISTICS(SET) }
static void fill_class(lido_arena_class_stats *stats, uint64_t next) { LIDO_ARENA_CLASS_STATISTICS(SET) }
static void fill_cache(lido_cache_stats *stats, uint64_t next) {
  LIDO_CACHE_STATISTICS(SET) LIDO_CACHE_REASONS(SET_REASON)
}

static const lido_snapshot *make_by_hand(by_hand *h) {
  *h = (by_hand){
      .snapshot = {.manager = "server",
                   .now_ns = 5,
                   .wall_ns = 6,
                   .policy = LIDO_POLICY_ADAPTIVE,
                   .chosen = LIDO_POLICY_LOW_LATENCY},
      .pools =
          {{.name = "a \"quoted\"\n\x1b[2J", .object_size = 96, .align = 64, .max_objects = SIZE_MAX, .watched = true},
           {.name = "k\xc3\xb6nig \xff\xc0\xaf\xed\xa0\x80 \xf0\x9f\x8d\x8e"}},
      .classes = {{.name = "requests"}},
      .caches = {{.name = "fonts"}},
      .queues = {{.name = "later", .pending = 9}},
  };
  lido_snapshot *s = &h->snapshot;
  s->pools = h->pools, s->pool_count = 2;
  s->arena_classes = h->classes, s->arena_class_count = 1;
  s->caches = h->caches, s->cache_count = 1;
  s->cleanup_queues = h->queues, s->cleanup_queue_count = 1;
  fill_manager(&s->stats, 1000);
  fill_budget(&s->budget, 1500);
  fill_weak(&s->weak, 2000);
  fill_guard(&s->guard, 2500);
  fill_pool(&h->pools[0].stats, 3000);
  fill_pool(&h->pools[1].stats, 4000);
  fill_class(&h->classes[0].stats, 5000);
  fill_cache(&h->caches[0].stats, 6000);
  for (unsigned i = 0; i < LIDO_DURATION_BUCKETS; i++) s->passes.buckets[i] = i;
  s->passes.count = 66, s->passes.sum_ns = 77;
  return s;
}

/* ---- Tests ---- */

#define SAME(name, kind, unit, text) CHECK_EQ(number_of(object, #name), stats->name);
#define SAME_REASON(constant, name, text) CHECK_EQ(number_of(object, #name), stats->name);
#define COUNT(name, kind, unit, text) +1
#define COUNT_REASON(constant, name, text) +1

/* Every number of a list is there under its name, and nothing else. */
#define CHECK_LIST(LIST, of, from)                              \
  do {                                                          \
    const json_t *object = (of);                                \
    const typeof(from) *stats = &(from);                        \
    LIST(SAME) CHECK_EQ(json_object_size(object), LIST(COUNT)); \
  } while (0)

TEST(json, every_statistic_is_there_under_its_name) {
  by_hand h;
  const lido_snapshot *s = make_by_hand(&h);
  json_t *root = written(s);
  CHECK_LIST(LIDO_MANAGER_STATISTICS, json_object_get(root, "stats"), s->stats);
  CHECK_LIST(LIDO_BUDGET_STATISTICS, json_object_get(root, "budget"), s->budget);
  CHECK_LIST(LIDO_WEAK_STATISTICS, json_object_get(root, "weak"), s->weak);
  CHECK_LIST(LIDO_GUARD_STATISTICS, json_object_get(root, "guard"), s->guard);
  const json_t *pools = json_object_get(root, "pools");
  CHECK_EQ(json_array_size(pools), 2);
  for (size_t i = 0; i < 2; i++) {
    CHECK_LIST(LIDO_POOL_STATISTICS, json_object_get(json_array_get(pools, i), "stats"), h.pools[i].stats);
  }
  const json_t *class = json_array_get(json_object_get(root, "arena_classes"), 0);
  CHECK_LIST(LIDO_ARENA_CLASS_STATISTICS, json_object_get(class, "stats"), h.classes[0].stats);
  const json_t *object = json_object_get(json_array_get(json_object_get(root, "caches"), 0), "stats");
  const lido_cache_stats *stats = &h.caches[0].stats;
  LIDO_CACHE_STATISTICS(SAME)
  LIDO_CACHE_REASONS(SAME_REASON)
  CHECK_EQ(json_object_size(object), LIDO_CACHE_STATISTICS(COUNT) LIDO_CACHE_REASONS(COUNT_REASON));
  json_decref(root);
}

TEST(json, the_rest_of_a_snapshot_is_there) {
  by_hand h;
  json_t *root = written(make_by_hand(&h));
  CHECK_EQ(number_of(root, "version"), LIDO_JSON_VERSION);
  CHECK_TEXT(text_of(root, "lido"), lido_version());
  CHECK_EQ(number_of(root, "process"), getpid());
  CHECK_TEXT(text_of(root, "manager"), "server");
  CHECK_TEXT(text_of(root, "policy"), "adaptive");
  CHECK_TEXT(text_of(root, "chosen"), "low_latency");
  CHECK_EQ(number_of(root, "now_ns"), 5);
  CHECK_EQ(number_of(root, "wall_ns"), 6);
  const json_t *pool = json_array_get(json_object_get(root, "pools"), 0);
  CHECK_EQ(number_of(pool, "object_size"), 96);
  CHECK_EQ(number_of(pool, "align"), 64);
  CHECK_EQ(number_of(pool, "max_objects"), INT64_MAX);
  CHECK(json_is_true(json_object_get(pool, "watched")));
  const json_t *queue = json_array_get(json_object_get(root, "cleanup_queues"), 0);
  CHECK_TEXT(text_of(queue, "name"), "later");
  CHECK_EQ(number_of(queue, "pending"), 9);
  json_decref(root);
}

TEST(json, durations_have_their_ends) {
  by_hand h;
  json_t *root = written(make_by_hand(&h));
  const json_t *passes = json_object_get(root, "passes");
  CHECK_EQ(number_of(passes, "count"), 66);
  CHECK_EQ(number_of(passes, "sum_ns"), 77);
  const json_t *buckets = json_object_get(passes, "buckets");
  CHECK_EQ(json_array_size(buckets), LIDO_DURATION_BUCKETS);
  for (size_t i = 0; i < LIDO_DURATION_BUCKETS; i++) {
    const json_t *bucket = json_array_get(buckets, i);
    bool is_last = i + 1 == LIDO_DURATION_BUCKETS;
    CHECK_EQ(number_of(bucket, "count"), i);
    CHECK_EQ(json_is_null(json_object_get(bucket, "end_ns")), is_last);
    if (!is_last) CHECK_EQ(number_of(bucket, "end_ns"), lido_duration_bucket_end(i));
  }
  json_decref(root);
}

TEST(json, names_of_any_bytes_are_text) {
  by_hand h;
  json_t *root = written(make_by_hand(&h));
  const json_t *pools = json_object_get(root, "pools");
  CHECK_TEXT(text_of(json_array_get(pools, 0), "name"), "a \"quoted\"\n\x1b[2J");
#define BAD "\xef\xbf\xbd"
  CHECK_TEXT(text_of(json_array_get(pools, 1), "name"),
             "k\xc3\xb6nig " BAD "ff" BAD "c0" BAD "af" BAD "ed" BAD "a0" BAD "80 \xf0\x9f\x8d\x8e");
  json_decref(root);
  static const char *const invalid[] = {
      "\x80",     "\xc2", "\xc1\x80", "\xe0\x9f\x80", "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
      "\xe2\x82", "a\xe2"};
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
    h.pools[0].name = invalid[i];
    root = written(&h.snapshot);
    const char *name = text_of(json_array_get(json_object_get(root, "pools"), 0), "name");
    CHECK_NOT_NULL(strstr(name, BAD));
    json_decref(root);
  }
}

TEST(json, names_that_differ_stay_different) {
  static const char *const names[] = {"\xfe",     "\xff",         BAD,           BAD "ff", BAD BAD "ff",
                                      "\xef\xbf", "\xef\xbf\xff", "\xef\xbf" BAD};
  enum { NAMES = sizeof names / sizeof names[0] };
  by_hand h;
  const lido_snapshot *s = make_by_hand(&h);
  char *shown[NAMES];
  for (size_t i = 0; i < NAMES; i++) {
    h.pools[0].name = names[i];
    json_t *root = written(s);
    shown[i] = strdup(text_of(json_array_get(json_object_get(root, "pools"), 0), "name"));
    CHECK_NOT_NULL(shown[i]);
    json_decref(root);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(shown[i], shown[j]) != 0);
  }
  CHECK_TEXT(shown[2], BAD "ef" BAD "bf" BAD "bd");
  for (size_t i = 0; i < NAMES; i++) free(shown[i]);
}

TEST(json, an_error_of_the_sink_ends_the_text) {
  by_hand h;
  const lido_snapshot *s = make_by_hand(&h);
  page whole = {0};
  CHECK_EQ(lido_json_write(s, take, &whole), 0);
  CHECK_GT(whole.calls, 1);
  for (size_t call = 1; call <= whole.calls; call++) {
    page p = {.fails_at = call};
    CHECK_EQ(lido_json_write(s, take, &p), EIO);
    CHECK_EQ(p.calls, call);
    if (p.text != NULL) CHECK(strncmp(p.text, whole.text, p.bytes) == 0);
    page_end(&p);
  }
  page_end(&whole);
}

/* ---- Without memory ---- */

static size_t countdown; /* the request that fails; 0: none */
static size_t held;
static size_t held_most;

static void *sometimes_malloc(size_t bytes) {
  if (countdown != 0 && --countdown == 0) return NULL;
  void *block = malloc(bytes);
  held += block != NULL;
  if (held > held_most) held_most = held;
  return block;
}

static void counted_free(void *block) {
  held -= block != NULL;
  free(block);
}

/* Each `step`th request for memory fails, until there is none: an error, and nothing is held. -> how many failed. */
static size_t failures_of(int (*write)(const void *what, page *to), const void *what, size_t step) {
  for (size_t failures = 0;; failures++) {
    page p = {0};
    countdown = 1 + failures * step;
    int error = write(what, &p);
    bool reached = countdown == 0;
    countdown = 0;
    page_end(&p);
    CHECK_EQ(held, 0);
    CHECK_EQ(error, reached ? ENOMEM : 0);
    if (!reached) return failures;
  }
}

static int write_by_hand(const void *what, page *to) { return lido_json_write(what, take, to); }

TEST(json, each_request_for_memory_that_fails_is_an_error_and_no_leak) {
  by_hand h;
  const lido_snapshot *s = make_by_hand(&h);
  lido_manager *manager = lido_manager_create(NULL, NULL);
  json_set_alloc_funcs(sometimes_malloc, counted_free);
  CHECK_GT(failures_of(write_by_hand, s, 1), 100);
  countdown = 1;
  page p = {0};
  CHECK_EQ(lido_json_answer(manager, "snapshot", take, &p, NULL), 0);
  CHECK_EQ(countdown, 0);
  CHECK_TEXT(p.text, "{\"error\":\"no memory\"}\n");
  page_end(&p);
  json_set_alloc_funcs(malloc, free);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

enum { SAMPLES = 100 };

static int ignore(const char *text, size_t bytes, void *context) {
  (void)text;
  (void)bytes;
  (void)context;
  return 0;
}

/* Blocks of memory that writing so many samples holds at once. */
static size_t most_held_for(const lido_sample *samples, size_t count) {
  held_most = 0;
  CHECK_EQ(lido_json_write_samples(samples, count, ignore, NULL), 0);
  CHECK_EQ(held, 0);
  return held_most;
}

static int write_samples(const void *what, page *to) { return lido_json_write_samples(what, SAMPLES, take, to); }

TEST(json, samples_are_in_memory_one_at_a_time) {
  static lido_sample samples[SAMPLES];
  json_set_alloc_funcs(sometimes_malloc, counted_free);
  CHECK_GT(most_held_for(samples, 1), 0);
  CHECK_EQ(most_held_for(samples, SAMPLES), most_held_for(samples, 1));
  CHECK_GT(failures_of(write_samples, samples, 7), SAMPLES);
  json_set_alloc_funcs(malloc, free);
}

/* ---- Samples ---- */

TEST(json, no_samples_are_an_empty_array) {
  page p = {0};
  CHECK_EQ(lido_json_write_samples(NULL, 0, take, &p), 0);
  CHECK_TEXT(p.text, "{\"version\":1,\"samples\":[]}\n");
  page_end(&p);
}

TEST(json, samples_have_every_field) {
  lido_sample samples[2] = {{.number = 2, .now_ns = 20, .wall_ns = 200}, {.number = 1, .now_ns = 10, .wall_ns = 100}};
  for (int i = 0; i < LIDO_SAMPLE_FIELDS; i++) samples[0].values[i] = (uint64_t)i + 1;
  page p = {0};
  CHECK_EQ(lido_json_write_samples(samples, 2, take, &p), 0);
  json_t *root = read_page(&p);
  const json_t *array = json_object_get(root, "samples");
  CHECK_EQ(json_array_size(array), 2);
  const json_t *first = json_array_get(array, 0);
  CHECK_EQ(number_of(first, "number"), 2);
  CHECK_EQ(number_of(first, "now_ns"), 20);
  CHECK_EQ(number_of(first, "wall_ns"), 200);
  for (int i = 0; i < LIDO_SAMPLE_FIELDS; i++) {
    CHECK_EQ(number_of(first, lido_sample_field_name((lido_sample_field)i)), i + 1);
  }
  json_decref(root);
}

/* ---- Answers ---- */

TEST(json, requests_are_answered) {
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "m"}, NULL);
  CHECK_NOT_NULL(lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 96}));
  json_t *root = answer_to(manager, "snapshot");
  CHECK_TEXT(text_of(root, "manager"), "m");
  CHECK_TEXT(text_of(json_array_get(json_object_get(root, "pools"), 0), "name"), "conns");
  json_decref(root);
  for (int i = 0; i < 100; i++) lido_manager_tick(manager);
  static const struct {
    const char *request;
    size_t count;
  } cases[] = {{"samples", 100}, {"samples 1", 1}, {"samples 64", 64}, {"samples 100", 100}, {"samples 1000000", 100}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    root = answer_to(manager, cases[i].request);
    const json_t *samples = json_object_get(root, "samples");
    CHECK_EQ(json_array_size(samples), cases[i].count);
    CHECK_EQ(number_of(json_array_get(samples, 0), "number"), 100);
    json_decref(root);
  }
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(json, a_pools_slabs_are_listed) {
  enum { MOST = 5000 };
  static void *objects[MOST];
  lido_manager *manager = lido_manager_create(NULL, NULL);
  const lido_pool_options options = {.name = "a pool", .object_size = 1000, .cache_bytes = SIZE_MAX};
  lido_pool *pool = lido_manager_pool(manager, &options);
  CHECK_NOT_NULL(pool);
  size_t count = 0;
  for (; count < MOST; count++) objects[count] = lido_pool_alloc(pool);
  json_t *root = answer_to(manager, "slabs a pool");
  CHECK_TEXT(text_of(root, "pool"), "a pool");
  const json_t *uses = json_object_get(root, "use");
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  CHECK_GT(stats.slabs, 2);
  CHECK_EQ(number_of(root, "slabs"), stats.slabs);
  CHECK_EQ(json_array_size(uses), stats.slabs);
  json_int_t all = 0, used = 0;
  for (size_t i = 0; i < stats.slabs; i++) {
    all += json_integer_value(json_array_get(json_array_get(uses, i), 0));
    used += json_integer_value(json_array_get(json_array_get(uses, i), 1));
  }
  CHECK_EQ(all, stats.objects);
  CHECK_EQ(used, MOST);
  json_decref(root);
  while (count > 0) lido_pool_free(pool, objects[--count]);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(json, a_pool_is_found_by_what_its_name_is_in_json) {
  static const char *const names[] = {"caf\xe9", BAD, BAD "z", "\xff\xfe", "\xff", BAD "ff"};
  static const char *const others[] = {"slabs " BAD "0", "slabs " BAD "00", "slabs " BAD "FF", "slabs " BAD "fe"};
  enum { NAMES = sizeof names / sizeof names[0] };
  lido_manager *manager = lido_manager_create(NULL, NULL);
  for (size_t i = 0; i < NAMES; i++) {
    CHECK_NOT_NULL(lido_manager_pool(manager, &(lido_pool_options){.name = names[i], .object_size = 16}));
  }
  json_t *snapshot = answer_to(manager, "snapshot");
  const json_t *pools = json_object_get(snapshot, "pools");
  CHECK_EQ(json_array_size(pools), NAMES);
  for (size_t i = 0; i < NAMES; i++) {
    char request[100];
    snprintf(request, sizeof request, "slabs %s", text_of(json_array_get(pools, i), "name"));
    json_t *root = answer_to(manager, request);
    CHECK_TEXT(text_of(root, "pool"), request + strlen("slabs "));
    json_decref(root);
    snprintf(request, sizeof request, "slabs %s", names[i]);
    root = answer_to(manager, request);
    CHECK_NOT_NULL(text_of(root, "pool"));
    json_decref(root);
  }
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    json_t *root = answer_to(manager, others[i]);
    CHECK_TEXT(text_of(root, "error"), "there is no pool of that name");
    json_decref(root);
  }
  json_decref(snapshot);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(json, an_error_of_the_sink_ends_an_answer_whatever_it_is) {
  lido_manager *manager = lido_manager_create(NULL, NULL);
  CHECK_NOT_NULL(lido_manager_pool(manager, &(lido_pool_options){.name = "\xff", .object_size = 16}));
  static const char *const requests[] = {"snapshot", "samples", "slabs \xff", "slabs " BAD "ff", "slabs none", "x"};
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    size_t calls = 0;
    CHECK_EQ(lido_json_answer(manager, requests[i], refuse, &calls, NULL), ENOENT);
    CHECK_EQ(calls, 1);
  }
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(json, anything_else_is_an_error) {
  static const char *const requests[] = {NULL,        "",          "snapshots",  "snapshot ",       "snapshot x",
                                         " snapshot", "samples 0", "samples -1", "samples 1000001", "samples 1x",
                                         "samples ",  "slabs",     "slabs ",     "slabs nobody",    "GET / HTTP/1.1",
                                         "\xff\xfe"};
  lido_manager *manager = lido_manager_create(NULL, NULL);
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    json_t *root = answer_to(manager, requests[i]);
    CHECK_EQ(json_object_size(root), 1);
    CHECK_NOT_NULL(text_of(root, "error"));
    json_decref(root);
  }
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(json, a_socket_answers_with_it) {
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "m"}, NULL);
  lido_snapshot_socket *window =
      lido_snapshot_socket_open(manager, &(lido_snapshot_socket_options){.answer = lido_json_answer});
  CHECK_NOT_NULL(window);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", lido_snapshot_socket_path(window));
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
  CHECK_EQ(send(client, "snapshot\n", 9, MSG_NOSIGNAL), 9);
  CHECK_EQ(shutdown(client, SHUT_WR), 0);
  page p = {0};
  char part[1000];
  ssize_t got = 0;
  while ((got = recv(client, part, sizeof part, 0)) > 0) take(part, (size_t)got, &p);
  json_t *root = read_page(&p);
  CHECK_TEXT(text_of(root, "manager"), "m");
  json_decref(root);
  close(client);
  CHECK_EQ(lido_snapshot_socket_close(window), 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}
