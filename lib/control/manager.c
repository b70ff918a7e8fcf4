/* manager.c: the life of a manager. The design is in manager_core.h. */
#include "lido/manager.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/control/monitor_core.h"
#include "lib/mem/budgets.h"
#include "lib/mem/metadata.h"

enum { FLAGS_ALL = LIDO_MANAGER_RECLAIM_AT_TICKS | LIDO_MANAGER_RESIDENT_BYTES };
enum { SAMPLES_DEFAULT = 1000, SAMPLES_LEAST = 2, SAMPLES_MOST = 1000000, RETAIN_PERCENT_MOST = 1000 };

/* ---- Options ---- */

__attribute__((format(printf, 2, 3))) static int wrong(lido_message *message, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (message != NULL) vsnprintf(message->text, sizeof message->text, format, arguments);
  va_end(arguments);
  return EINVAL;
}

static int check_limits(const lido_manager_options *o, lido_message *message) {
  if (o->hard_bytes == 0 || o->soft_bytes <= o->hard_bytes) return 0;
  return wrong(message, "soft_bytes is %zu; it must be at most hard_bytes, which is %zu", o->soft_bytes, o->hard_bytes);
}

static int check_numbers(const lido_manager_options *o, lido_message *message) {
  if (o->retain_percent > RETAIN_PERCENT_MOST) {
    return wrong(message, "retain_percent is %u; it must be 1 to %d, or 0 for what the policy says", o->retain_percent,
                 RETAIN_PERCENT_MOST);
  }
  if (o->samples != 0 && (o->samples < SAMPLES_LEAST || o->samples > SAMPLES_MOST)) {
    return wrong(message, "samples is %zu; it must be %d to %d, or 0 for %d", o->samples, SAMPLES_LEAST, SAMPLES_MOST,
                 SAMPLES_DEFAULT);
  }
  return 0;
}

static int check_choices(const lido_manager_options *o, lido_message *message) {
  if ((unsigned)o->policy >= LIDO_POLICY_COUNT) {
    return wrong(message, "policy is %d; it must be one of enum lido_policy, 0 to %d", (int)o->policy,
                 LIDO_POLICY_COUNT - 1);
  }
  if ((o->flags & ~(unsigned)FLAGS_ALL) != 0) {
    return wrong(message, "flags is %#x; it must be made of LIDO_MANAGER_..., which together are %#x", o->flags,
                 FLAGS_ALL);
  }
  return 0;
}

static int check_name(const lido_manager_options *o, lido_message *message) {
  if (o->name == NULL || o->name[0] != '\0') return 0;
  return wrong(message, "name is empty; it must be NULL or some text");
}

int lido_manager_options_check(const lido_manager_options *options, lido_message *message) {
  if (message != NULL) message->text[0] = '\0';
  if (options == NULL) return 0;
  int error = check_choices(options, message);
  if (error == 0) error = check_name(options, message);
  if (error == 0) error = check_limits(options, message);
  return error != 0 ? error : check_numbers(options, message);
}

/* ---- Creation ---- */

static void settle(lido_manager *manager, const lido_manager_options *options) {
  manager->options = *options;
  manager->options.name = NULL; /* the caller's */
  snprintf(manager->name, sizeof manager->name, "%s", options->name != NULL ? options->name : "lido");
  manager->backing = options->backing != NULL ? options->backing : lido_backing_default();
  lido_policy_begin(manager);
  lido_lock_init(&manager->lock, LIDO_RANK_MANAGER);
  lido_os_condition_init(&manager->let_go);
  for (unsigned stage = 0; stage < LIDO_STAGES; stage++) lido_list_init(&manager->owned[stage]);
}

static int begin(lido_manager *manager) {
  size_t samples = manager->options.samples != 0 ? manager->options.samples : SAMPLES_DEFAULT;
  manager->budget = lido_budget_create(&(lido_budget_options){.soft_bytes = manager->options.soft_bytes,
                                                              .hard_bytes = manager->options.hard_bytes,
                                                              .on_soft = lido_manager_on_soft,
                                                              .on_hard = lido_manager_on_hard,
                                                              .context = manager});
  if (manager->budget == NULL) return errno;
  manager->monitor = lido_monitor_create(samples);
  return manager->monitor == NULL ? ENOMEM : lido_managers_join(manager);
}

static void manager_free(lido_manager *manager) {
  lido_monitor_destroy(manager->monitor);
  lido_os_condition_end(&manager->let_go);
  lido_lock_end(&manager->lock);
  lido_metadata_free(lido_metadata_system(), manager, sizeof *manager);
  lido_metadata_trim(lido_metadata_system());
}

lido_manager *lido_manager_create(const lido_manager_options *options, lido_message *message) {
  static const lido_manager_options defaults;
  int error = lido_manager_options_check(options, message);
  if (error != 0) {
    errno = error;
    return NULL;
  }
  int saved_errno = errno;
  lido_manager *manager = lido_metadata_alloc(lido_metadata_system(), sizeof *manager);
  if (manager == NULL) return NULL;
  settle(manager, options != NULL ? options : &defaults);
  error = begin(manager);
  if (error == 0) {
    errno = saved_errno;
    return manager;
  }
  lido_budget_destroy(manager->budget);
  manager_free(manager);
  errno = error;
  return NULL;
}

const char *lido_manager_name(const lido_manager *manager) { return manager->name; }

lido_budget *lido_manager_budget(const lido_manager *manager) { return manager->budget; }

/* ---- What the program gave ---- */

int lido_manager_own(lido_manager *manager, lido_stage stage, void (*end)(void *object), void *object) {
  if ((unsigned)stage >= LIDO_STAGES || end == NULL) return EINVAL;
  lido_owned *owned = lido_metadata_alloc(lido_metadata_system(), sizeof *owned);
  if (owned == NULL) return ENOMEM;
  owned->end = end;
  owned->object = object;
  lido_lock_take(&manager->lock);
  lido_list_prepend(&manager->owned[stage], &owned->link);
  lido_lock_give(&manager->lock);
  return 0;
}

static lido_owned *take_owned(lido_manager *manager, unsigned stage) {
  lido_link *list = &manager->owned[stage];
  lido_lock_take(&manager->lock);
  lido_link *first = lido_list_is_empty(list) ? NULL : lido_list_take_first(list);
  lido_lock_give(&manager->lock);
  return first != NULL ? LIDO_LIST_ITEM(first, lido_owned, link) : NULL;
}

static void end_owned(lido_manager *manager, unsigned stage) {
  for (lido_owned *owned; (owned = take_owned(manager, stage)) != NULL;) {
    owned->end(owned->object);
    lido_metadata_free(lido_metadata_system(), owned, sizeof *owned);
  }
}

/* ---- The end ---- */

typedef size_t (*end_function)(void *object);

static const end_function ends[LIDO_KINDS] = {
    [LIDO_KIND_CACHE] = lido_kind_end_cache,
    [LIDO_KIND_CLEANUP_QUEUE] = lido_kind_end_cleanup_queue,
    [LIDO_KIND_POOL] = lido_kind_end_pool,
    [LIDO_KIND_ARENA_CLASS] = lido_kind_end_arena_class,
};

static size_t end_kind(lido_manager *manager, lido_kind kind) {
  size_t live = 0;
  bool watched = false;
  for (void *object; (object = lido_members_take_last(manager, kind, &watched)) != NULL;) {
    if (!watched) live += ends[kind](object);
  }
  return live;
}

static size_t end_stages(lido_manager *manager) {
  static const int kinds[LIDO_STAGES] = {
      [LIDO_STAGE_OBSERVERS] = LIDO_KINDS, /* none of its own */
      [LIDO_STAGE_CACHES] = LIDO_KIND_CACHE, [LIDO_STAGE_CLEANUPS] = LIDO_KIND_CLEANUP_QUEUE,
      [LIDO_STAGE_POOLS] = LIDO_KIND_POOL,   [LIDO_STAGE_ARENAS] = LIDO_KIND_ARENA_CLASS,
  };
  size_t live = 0;
  for (unsigned stage = 0; stage < LIDO_STAGES; stage++) {
    end_owned(manager, stage);
    if (kinds[stage] != LIDO_KINDS) live += end_kind(manager, (lido_kind)kinds[stage]);
  }
  return live;
}

static bool is_empty(lido_manager *manager) {
  bool empty = true;
  lido_lock_take(&manager->lock);
  for (unsigned stage = 0; stage < LIDO_STAGES; stage++) empty &= lido_list_is_empty(&manager->owned[stage]);
  for (unsigned kind = 0; kind < LIDO_KINDS; kind++) empty &= manager->members[kind].count == 0;
  lido_lock_give(&manager->lock);
  return empty;
}

/* What is ended may give the manager more, and at a stage that is over. */
static size_t end_all(lido_manager *manager) {
  size_t live = 0;
  while (!is_empty(manager)) live += end_stages(manager);
  return live;
}

/* First nobody shall come by the budget any more: arenas that are out may be used meanwhile. */
static size_t end_everything(lido_manager *manager) {
  lido_monitor_stop(manager);
  lido_budget_limits_set(manager->budget, 0, 0);
  lido_budget_silence(manager->budget);
  size_t live = end_all(manager);
  lido_members_end(manager);
  lido_managers_leave(manager);
  return live;
}

size_t lido_manager_destroy(lido_manager *manager) {
  if (manager == NULL) return 0;
  int saved_errno = errno;
  size_t live = end_everything(manager);
  /* EBUSY: it stays for the arenas that are out, silent and without limits. */
  lido_budget_destroy(manager->budget);
  manager_free(manager);
  errno = saved_errno;
  return live;
}

const char *lido_manager_check(lido_manager *manager) {
  const char *broken = lido_members_check(manager);
  if (broken == NULL) broken = lido_policy_check(manager);
  return broken != NULL ? broken : lido_monitor_check(manager->monitor);
}
