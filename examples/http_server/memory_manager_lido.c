/* memory_manager_lido.c: see memory_manager.h. */
#include "examples/http_server/memory_manager.h"

#include <errno.h>
#include <stdio.h>

#include "examples/http_server/memory_config.h"
#include "examples/http_server/memory_manager_owner.h"
#include "examples/http_server/memory_reports_lido.h"

static lido_manager *manager;
static struct memory_options given;

lido_manager *memory_manager(void) { return manager; }

const struct memory_options *memory_manager_options(void) { return &given; }

/* ---- Start ---- */

/* What the command line says goes before what the file says. */
static bool put_together(lido_manager_options *options) {
  memory_config_apply(options);
  if (given.soft_bytes != 0) options->soft_bytes = given.soft_bytes;
  if (given.hard_bytes != 0) options->hard_bytes = given.hard_bytes;
  if (given.retain_percent != 0) options->retain_percent = (unsigned)given.retain_percent;
  if (given.policy == NULL) return true;
  options->policy = lido_policy_by_name(given.policy);
  if (options->policy != LIDO_POLICY_COUNT) return true;
  fprintf(stderr, "http_server: --policy: none is called '%s'\n", given.policy);
  return false;
}

static int make_manager(const lido_manager_options *options) {
  lido_message message = {.text = ""};
  manager = lido_manager_create(options, &message);
  if (manager != NULL) return 0;
  int status = errno == EINVAL ? 2 : 1;
  fprintf(stderr, "http_server: %s\n", status == 2 ? message.text : "no memory");
  return status;
}

int memory_manager_start(const struct memory_options *options) {
  lido_manager_options all = {.name = "http_server"};
  given = *options;
  if (given.config != NULL && !memory_config_read(given.config)) return 2;
  if (!put_together(&all)) return 2;
  int status = make_manager(&all);
  return status != 0 ? status : memory_reports_start(&given);
}

bool memory_manager_configure_pool(lido_pool_options *options) { return memory_config_apply_pool(options); }

bool memory_manager_configure_arenas(lido_arena_options *options) { return memory_config_apply_arenas(options); }

/* ---- Life and end ---- */

uint64_t memory_manager_tick_ms(uint64_t otherwise) { return memory_config_tick_ms(otherwise); }

/* A pass for the soft limit runs when memory is taken. What becomes free after the last of them stays, for the next
 * requests; above the limit it shall not. */
static void keep_below_soft(void) {
  lido_budget_stats now;
  lido_budget_stats_get(lido_manager_budget(manager), &now);
  if (now.soft != 0 && now.used > now.soft) lido_manager_reclaim(manager, NULL);
}

void memory_manager_tick(void) {
  keep_below_soft();
  lido_manager_tick(manager);
}

bool memory_manager_end(void) {
  memory_reports_end();
  size_t left = lido_manager_destroy(manager);
  memory_config_end();
  return left == 0;
}
