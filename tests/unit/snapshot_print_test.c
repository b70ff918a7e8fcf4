/* snapshot_print_test.c: a snapshot as tables for people. */
#include "tests/unit/made_snapshot.h"

typedef struct shown {
  char text[16384];
  size_t bytes;
} shown;

static int keep(const char *text, size_t bytes, void *context) {
  shown *to = context;
  CHECK_LT(to->bytes + bytes, sizeof to->text);
  memcpy(to->text + to->bytes, text, bytes);
  to->bytes += bytes;
  to->text[to->bytes] = '\0';
  return 0;
}

TEST(snapshot_print, a_small_manager_looks_like_this) {
  made_snapshot made;
  lido_snapshot *snapshot = made_with_all(&made);
  snapshot->policy = LIDO_POLICY_ADAPTIVE;
  snapshot->chosen = LIDO_POLICY_MEMORY_EFFICIENT;
  snapshot->budget = (lido_budget_stats){.used = 1536, .peak = 3 << 20, .soft = UINT64_C(5) << 30, .refusals = 2};
  snapshot->stats.freed_bytes = UINT64_MAX;
  snapshot->passes.count = 3;
  snapshot->weak = (lido_weak_stats){.slots_in_use = 12, .cleanups = 4};
  snapshot->pools[0].object_size = 96;
  snapshot->pools[0].stats =
      (lido_pool_stats){.live = 10, .cached = 3, .objects = 64, .bytes_reserved = 8191, .allocs = 1234567, .misses = 9};
  snapshot->caches[0].stats = (lido_cache_stats){.hits = 2, .misses = 1};
  snapshot->cleanup_queues[0].pending = 17;
  shown out = {.bytes = 0};
  CHECK_EQ(lido_snapshot_print(snapshot, keep, &out), 0);
  CHECK_TEXT(out.text,
             "manager  m, policy adaptive: memory_efficient\n"
             "limits   used 1.5 KiB, peak 3.0 MiB, soft 5.0 GiB, hard none, refused 2\n"
             "reclaim  passes 3, gave back 15.9 EiB, purged 0 B\n"
             "handles  slots in use 12, retired 0, cleanups 4, deferred deaths 0\n"
             "\n"
             "pool                object        live      cached     objects    reserved      allocs      misses\n"
             "conns                 96 B          10           3          64     7.9 KiB     1234567           9\n"
             "\n"
             "arena class           live        idle idle memory    acquires      misses first block        peak\n"
             "requests                 0           0         0 B           0           0         0 B         0 B\n"
             "\n"
             "cache              entries        kept      weight    reserved        hits      misses       hit %\n"
             "fonts                    0           0         0 B         0 B           2           1        66.6\n"
             "\n"
             "cleanup queue      pending\n"
             "late                    17\n");
}

static size_t characters_of(const char *line) {
  size_t count = 0;
  for (; *line != '\0' && *line != '\n'; line++) count += ((unsigned char)*line & 0xc0) != 0x80;
  return count;
}

TEST(snapshot_print, columns_stay_aligned_whatever_names_are) {
  static const char *const names[] = {"a",
                                      "\xc3\xa9t\xc3\xa9",
                                      "twenty-five characters --",
                                      "\xff\xfe broken",
                                      "line\nfeed",
                                      "\033[31mred\033[0m",
                                      "\302\23331m"};
  enum { NAMES = sizeof names / sizeof *names };
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, "", NAMES);
  for (size_t i = 0; i < NAMES; i++) made.pools[i].name = names[i];
  shown out = {.bytes = 0};
  CHECK_EQ(lido_snapshot_print(snapshot, keep, &out), 0);
  CHECK_NULL(strchr(out.text, '\033'));
  CHECK_NULL(strstr(out.text, "\xc2\x9b"));
  const char *line = strstr(out.text, "\npool ") + 1;
  size_t width = characters_of(line);
  for (size_t i = 0; i < NAMES; i++) {
    line = strchr(line, '\n') + 1;
    CHECK_EQ(characters_of(line), width);
  }
  CHECK_TEXT(strchr(line, '\n'), "\n"); /* and that was the last one */
}

TEST(snapshot_print, nothing_is_cut) {
  static char name[200];
  memset(name, 'n', sizeof name - 1);
  made_snapshot made;
  lido_snapshot *snapshot = made_with_pools(&made, name, 1);
  made.pools[0].stats.allocs = UINT64_MAX;
  shown out = {.bytes = 0};
  CHECK_EQ(lido_snapshot_print(snapshot, keep, &out), 0);
  CHECK_NOT_NULL(strstr(out.text, name));
  CHECK_NOT_NULL(strstr(out.text, " 18446744073709551615 "));
}
