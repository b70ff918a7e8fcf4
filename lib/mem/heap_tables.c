/* heap_tables.c: see heap_tables.h. */
#include "lib/mem/heap_tables.h"

#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/bits.h"

uint32_t lido_heap_crowd[LIDO_HEAP_CELLS];
LIDO_STATIC_ASSERT(LIDO_HEAP_CELLS == 1 << 12, "as many as twelve bits of a hash tell apart");

enum { NAME_BYTES = sizeof(((lido_heap_record *)0)->name) };

/* Who allocates. Few: they stand in a list. */
typedef struct owner owner;
struct owner {
  owner *next;
  const char *kind;
  struct site *unknown; /* the site of stacks that could not be kept */
  char name[NAME_BYTES];
};

typedef struct site site;
struct site {
  site *next; /* in its chain */
  owner *owner;
  uint64_t hash;
  uint64_t alloc_objects;
  uint64_t alloc_bytes;
  uint64_t live;
  double live_objects;
  double live_bytes;
  struct { /* the check's: what the samples say */
    uint64_t live;
    double objects;
    double bytes;
  } found;
  size_t frame_count;
  void *frames[];
};

typedef struct sample sample;
struct sample {
  sample *next; /* in its chain */
  const void *address;
  site *site;
  size_t *count;
  double objects;
  double bytes;
};

static struct tables {
  sample **samples; /* [sample_chains] */
  site **sites;     /* [site_chains] */
  size_t sample_chains;
  size_t site_chains;
  size_t samples_max;
  size_t sites_max;
  owner *owners;
  size_t live;
  size_t site_count;
  size_t owner_count;
  size_t frame_bytes; /* of sites, beside their structs */
  uint64_t taken;
  uint64_t dropped;
  uint64_t nudges;
} tables;

/* ---- Memory ---- */

static size_t site_bytes(size_t frame_count) { return sizeof(site) + frame_count * sizeof(void *); }

static void *get(size_t bytes) { return lido_metadata_alloc(lido_metadata_system(), bytes); }
static void put(void *block, size_t bytes) { lido_metadata_free(lido_metadata_system(), block, bytes); }

/* ---- Samples ---- */

static uint64_t mixed(uint64_t word) {
  word *= UINT64_C(0x9e3779b97f4a7c15);
  return word ^ word >> 29;
}

static sample **chain_of(const void *address) {
  return &tables.samples[mixed((uintptr_t)address >> 3) & (tables.sample_chains - 1)];
}

/* The link to the sample of the address; *link is NULL if there is none. */
static sample **find(const void *address) {
  sample **link = chain_of(address);
  while (*link != NULL && (*link)->address != address) link = &(*link)->next;
  return link;
}

static void crowd_change(const void *address, uint32_t by) {
  lido_add_relaxed(&lido_heap_crowd[lido_heap_cell(address)], by); /* RELAXED: see lido_heap_may_be_sample */
}

static void forget(sample **link) {
  sample *gone = *link;
  *link = gone->next;
  site *s = gone->site;
  s->live--;
  s->live_objects = s->live == 0 ? 0 : s->live_objects - gone->objects;
  s->live_bytes = s->live == 0 ? 0 : s->live_bytes - gone->bytes;
  tables.live--;
  crowd_change(gone->address, UINT32_MAX);
  if (gone->count != NULL) lido_sub_relaxed(gone->count, 1); /* RELAXED: a count of its own */
  put(gone, sizeof *gone);
}

void lido_heap_tables_forget(const void *address) {
  if (tables.samples == NULL) return;
  sample **link = find(address);
  if (*link != NULL) forget(link);
}

/* Each sample for which it is true goes. */
static void forget_if(bool (*goes)(const sample *s, const void *arg), const void *arg) {
  for (size_t chain = 0; tables.samples != NULL && chain < tables.sample_chains; chain++) {
    sample **link = &tables.samples[chain];
    while (*link != NULL) {
      if (goes(*link, arg)) {
        forget(link);
      } else {
        link = &(*link)->next;
      }
    }
  }
}

static bool has_count(const sample *s, const void *count) { return s->count == count; }

static bool is_any(const sample *s, const void *arg) {
  (void)s;
  (void)arg;
  return true;
}

void lido_heap_tables_forget_all_of(const size_t *count) { forget_if(has_count, count); }

static bool keep(const lido_heap_allocation *a, const lido_heap_entry *entry, site *s) {
  lido_heap_tables_forget(a->address); /* of a thread that a fork left behind */
  sample *fresh = tables.live < tables.samples_max ? get(sizeof *fresh) : NULL;
  if (fresh == NULL) return false;
  sample **chain = chain_of(a->address);
  *fresh = (sample){.next = *chain,
                    .address = a->address,
                    .site = s,
                    .count = a->count,
                    .objects = entry->objects,
                    .bytes = entry->bytes};
  *chain = fresh;
  s->live++;
  s->live_objects += entry->objects;
  s->live_bytes += entry->bytes;
  tables.live++;
  crowd_change(a->address, 1);
  if (a->count != NULL) lido_add_relaxed(a->count, 1); /* RELAXED: a count of its own */
  return true;
}

/* ---- Owners and sites ---- */

static site *site_make(owner *o, const lido_heap_entry *entry, uint64_t hash) {
  site *s = get(site_bytes(entry->frame_count));
  if (s == NULL) return NULL;
  *s = (site){.owner = o, .hash = hash, .frame_count = entry->frame_count};
  if (entry->frame_count != 0) memcpy(s->frames, entry->frames, entry->frame_count * sizeof *s->frames);
  return s;
}

static owner *owner_make(const lido_heap_allocation *a) {
  owner *o = get(sizeof *o);
  if (o == NULL) return NULL;
  o->kind = a->kind;
  strncpy(o->name, a->name, NAME_BYTES - 1);
  o->unknown = site_make(o, &(lido_heap_entry){.frames = NULL}, 0);
  if (o->unknown == NULL) {
    put(o, sizeof *o);
    return NULL;
  }
  o->next = tables.owners;
  tables.owners = o;
  tables.owner_count++;
  return o;
}

static owner *owner_of(const lido_heap_allocation *a) {
  for (owner *o = tables.owners; o != NULL; o = o->next) {
    if (strcmp(o->kind, a->kind) == 0 && strncmp(o->name, a->name, NAME_BYTES - 1) == 0) return o;
  }
  return owner_make(a);
}

static uint64_t hash_of(const owner *o, const lido_heap_entry *entry) {
  uint64_t hash = mixed((uintptr_t)o);
  for (size_t i = 0; i < entry->frame_count; i++) hash = mixed(hash + (uintptr_t)entry->frames[i]);
  return hash;
}

static bool is_of(const site *s, const owner *o, const lido_heap_entry *entry, uint64_t hash) {
  return s->hash == hash && s->owner == o && s->frame_count == entry->frame_count &&
         memcmp(s->frames, entry->frames, entry->frame_count * sizeof *s->frames) == 0;
}

/* The site of this stack, or if there can't be one more that of unknown stacks. */
static site *site_of(owner *o, const lido_heap_entry *entry) {
  if (entry->frame_count == 0) return o->unknown;
  uint64_t hash = hash_of(o, entry);
  site **chain = &tables.sites[hash & (tables.site_chains - 1)];
  for (site *s = *chain; s != NULL; s = s->next) {
    if (is_of(s, o, entry, hash)) return s;
  }
  site *s = tables.site_count < tables.sites_max ? site_make(o, entry, hash) : NULL;
  if (s == NULL) return o->unknown;
  s->next = *chain;
  *chain = s;
  tables.site_count++;
  tables.frame_bytes += entry->frame_count * sizeof *s->frames;
  return s;
}

lido_heap_outcome lido_heap_tables_enter(const lido_heap_allocation *a, const lido_heap_entry *entry) {
  tables.taken++;
  owner *o = owner_of(a);
  if (o == NULL) {
    tables.dropped++;
    return LIDO_HEAP_FAILED;
  }
  site *s = site_of(o, entry);
  s->alloc_objects += a->all_objects;
  s->alloc_bytes += a->all_bytes;
  bool kept = keep(a, entry, s);
  if (!kept || (s == o->unknown && entry->frame_count != 0)) tables.dropped++;
  return kept ? LIDO_HEAP_KEPT : LIDO_HEAP_COUNTED;
}

/* ---- The end ---- */

static void free_chain(site *first) {
  while (first != NULL) {
    site *s = first;
    first = s->next;
    put(s, site_bytes(s->frame_count));
  }
}

static void free_sites(void) {
  for (size_t chain = 0; chain < tables.site_chains && tables.site_count != 0; chain++) {
    free_chain(tables.sites[chain]);
    tables.sites[chain] = NULL;
  }
}

static void free_owners(void) {
  while (tables.owners != NULL) {
    owner *o = tables.owners;
    tables.owners = o->next;
    free_chain(o->unknown);
    put(o, sizeof *o);
  }
}

/* All but the chains themselves. */
static void empty(void) {
  if (tables.live != 0) forget_if(is_any, NULL);
  free_sites();
  free_owners();
  tables = (struct tables){.samples = tables.samples,
                           .sites = tables.sites,
                           .sample_chains = tables.sample_chains,
                           .site_chains = tables.site_chains};
}

void lido_heap_tables_clear(void) {
  empty();
  put(tables.samples, tables.sample_chains * sizeof *tables.samples);
  put(tables.sites, tables.site_chains * sizeof *tables.sites);
  memset(&tables, 0, sizeof tables);
}

/* ---- The beginning ---- */

/* Twice the limit is never needed, and a limit that is hardly met should cost little. */
static size_t chains_for(size_t limit) {
  const size_t most = 16384;
  return lido_power_of_two_above(lido_min(limit, most));
}

static bool make(size_t sample_chains, size_t site_chains) {
  sample **samples = get(sample_chains * sizeof *samples);
  site **sites = get(site_chains * sizeof *sites);
  if (samples == NULL || sites == NULL) {
    put(samples, sample_chains * sizeof *samples);
    put(sites, site_chains * sizeof *sites);
    return false;
  }
  lido_heap_tables_clear();
  tables.samples = samples;
  tables.sites = sites;
  tables.sample_chains = sample_chains;
  tables.site_chains = site_chains;
  return true;
}

/* Chains of an earlier run are used again if there are as many: making and zeroing them is most of a start. */
bool lido_heap_tables_begin(size_t samples_max, size_t sites_max) {
  size_t sample_chains = chains_for(samples_max);
  size_t site_chains = chains_for(sites_max);
  if (tables.sample_chains == sample_chains && tables.site_chains == site_chains) {
    empty();
  } else if (!make(sample_chains, site_chains)) {
    return false;
  }
  tables.samples_max = samples_max;
  tables.sites_max = sites_max;
  return true;
}

/* ---- Reading ---- */

static void copy_site(const site *s, lido_heap_record *out) {
  out->kind = s->owner->kind;
  memcpy(out->name, s->owner->name, sizeof out->name);
  out->alloc_objects = s->alloc_objects;
  out->alloc_bytes = s->alloc_bytes;
  out->live = s->live;
  out->live_objects = s->live_objects;
  out->live_bytes = s->live_bytes;
  out->frame_count = s->frame_count;
  memcpy(out->frames, s->frames, s->frame_count * sizeof *s->frames);
}

/* Each site, also those of unknown stacks. */
static void each_site(void (*act)(const site *s, void *arg), void *arg) {
  for (const owner *o = tables.owners; o != NULL; o = o->next) act(o->unknown, arg);
  for (size_t chain = 0; tables.sites != NULL && chain < tables.site_chains; chain++) {
    for (const site *s = tables.sites[chain]; s != NULL; s = s->next) act(s, arg);
  }
}

typedef struct copying {
  lido_heap_record *records;
  size_t room;
  size_t count;
} copying;

static void copy_next(const site *s, void *arg) {
  copying *c = arg;
  /* Of an owner all of whose stacks are known. A live sample may stand for no objects: see pool_samples.h. */
  if (s->alloc_objects == 0 && s->live == 0) return;
  if (c->count < c->room) copy_site(s, &c->records[c->count]);
  c->count++;
}

size_t lido_heap_tables_copy(lido_heap_record *records, size_t room) {
  copying c = {.records = records, .room = room};
  each_site(copy_next, &c);
  return c.count;
}

void lido_heap_tables_count_nudges(size_t caches) { tables.nudges += caches; }

void lido_heap_tables_stats(lido_heap_profile_stats *out) {
  size_t chains = (tables.sample_chains + tables.site_chains) * sizeof(void *);
  *out = (lido_heap_profile_stats){
      .samples = tables.taken,
      .live = tables.live,
      .dropped = tables.dropped,
      .stacks = tables.site_count,
      .nudges = tables.nudges,
      .bytes = chains + tables.live * sizeof(sample) + tables.site_count * sizeof(site) + tables.frame_bytes +
               tables.owner_count * (sizeof(owner) + sizeof(site)),
  };
}

/* ---- Invariants ---- */

typedef struct site_sums {
  size_t sites;
  uint64_t live;
  const char *broken;
} site_sums;

static void begin_site(const site *s, void *arg) {
  (void)arg;
  memset(&((site *)(uintptr_t)s)->found, 0, sizeof s->found); /* sites are never const */
}

/* Apart from what is lost in rounding: in each step at most 2^-53 of what there was, which is hardly more than all that
 * was ever allocated. A missing sample is one object or more. */
static bool is_sum(double kept, double found, uint64_t all) {
  double apart = kept > found ? kept - found : found - kept;
  return apart <= 0.01 + 1e-6 * found + 1e-9 * (double)all;
}

static void check_site(const site *s, void *arg) {
  site_sums *sums = arg;
  sums->sites += s->frame_count != 0;
  sums->live += s->live;
  if (s->live != s->found.live) sums->broken = "H1: a site counts other samples";
  if (s->live == 0 && (s->live_objects != 0 || s->live_bytes != 0)) sums->broken = "H2: a site without samples is live";
  if (!is_sum(s->live_objects, s->found.objects, s->alloc_objects) ||
      !is_sum(s->live_bytes, s->found.bytes, s->alloc_bytes)) {
    sums->broken = "H2: what is live of a site is not the sum over its samples";
  }
}

/* Adds each sample to its site and its cell. -> how many there are; SIZE_MAX: one stands where it should not. */
static size_t add_samples(uint32_t *cells) {
  size_t count = 0;
  for (size_t chain = 0; tables.samples != NULL && chain < tables.sample_chains; chain++) {
    for (sample *s = tables.samples[chain]; s != NULL; s = s->next, count++) {
      if (*find(s->address) != s) return SIZE_MAX;
      cells[lido_heap_cell(s->address)]++;
      s->site->found.live++;
      s->site->found.objects += s->objects;
      s->site->found.bytes += s->bytes;
    }
  }
  return count;
}

static bool crowd_is(const uint32_t *cells) {
  for (size_t cell = 0; cell < LIDO_HEAP_CELLS; cell++) {
    if (lido_load_relaxed(&lido_heap_crowd[cell]) != cells[cell]) return false; /* RELAXED: under the lock */
  }
  return true;
}

const char *lido_heap_tables_check(void) {
  uint32_t cells[LIDO_HEAP_CELLS] = {0};
  site_sums sums = {0};
  each_site(begin_site, NULL);
  size_t samples = add_samples(cells);
  if (samples == SIZE_MAX) return "H4: an address with two samples, or in another's chain";
  if (!crowd_is(cells)) return "H4: the crowd counts other samples";
  each_site(check_site, &sums);
  if (samples != tables.live || sums.live != tables.live) return "H1: live samples miscounted";
  if (sums.broken != NULL) return sums.broken;
  if (tables.live > tables.samples_max || sums.sites > tables.sites_max) return "H3: more than the limits allow";
  if (sums.sites != tables.site_count) return "H3: sites miscounted";
  return NULL;
}

const char *lido_heap_tables_check_count(const size_t *count) {
  size_t samples = 0;
  for (size_t chain = 0; tables.samples != NULL && chain < tables.sample_chains; chain++) {
    for (const sample *s = tables.samples[chain]; s != NULL; s = s->next) samples += s->count == count;
  }
  /* RELAXED: under the lock. */
  return lido_load_relaxed(count) == samples ? NULL : "H1: a pool counts other samples than it has";
}
