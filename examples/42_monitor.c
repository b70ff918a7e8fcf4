/* 42_monitor.c: a rule that rings when too many sessions have been live for five seconds, and is quiet again when they
 * are gone. The program calls the tick itself here, by a clock of its own, so that seconds pass at once; at the end a
 * thread of Lido's does it. */
#include <lido/lido.h>
#include <stdio.h>

#define SECOND UINT64_C(1000000000)

enum { SESSIONS = 1000 };

static uint64_t seconds;
static unsigned fired, resolved;

static uint64_t now(void *context) {
  (void)context;
  return seconds * SECOND;
}

/* On the thread that ticks, without locks: it may use the manager, and add and remove rules. */
static void note_change(const lido_alert_event *event, void *context) {
  (void)context;
  bool fires = event->edge == LIDO_ALERT_FIRING;
  printf("second %llu: %s %s at %g\n", (unsigned long long)(event->now_ns / SECOND), event->name,
         fires ? "fires" : "is resolved", event->value);
  *(fires ? &fired : &resolved) += 1;
}

static void wait_seconds(lido_manager *manager, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    seconds++;
    lido_manager_tick(manager);
  }
}

int main(void) {
  static void *sessions[SESSIONS];
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "shop", .now = now}, NULL);
  if (manager == NULL) return 1;
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = "sessions", .object_size = 200});
  lido_alert crowded = lido_alert_add(manager, &(lido_alert_rule){.name = "crowded",
                                                                  .pool = "sessions",
                                                                  .pool_field = "live",
                                                                  .above = true,
                                                                  .threshold = 500,
                                                                  .clear = 100, /* so that it does not ring twice */
                                                                  .for_ns = 5 * SECOND,
                                                                  .on_change = note_change});
  if (pool == NULL || crowded == 0) return 1;

  wait_seconds(manager, 2);
  for (int i = 0; i < SESSIONS; i++) {
    sessions[i] = lido_pool_alloc(pool);
    if (sessions[i] == NULL) return 1;
  }
  wait_seconds(manager, 5); /* crowded, but not yet for so long */
  bool right = lido_alert_state_get(manager, crowded) == LIDO_ALERT_PENDING && fired == 0;
  wait_seconds(manager, 10);
  right &= fired == 1; /* once, however long it lasts */

  for (int i = 0; i < 600; i++) lido_pool_free(pool, sessions[i]);
  wait_seconds(manager, 3);
  right &= resolved == 0; /* 400: below the threshold, above `clear` */
  for (int i = 600; i < SESSIONS; i++) lido_pool_free(pool, sessions[i]);
  wait_seconds(manager, 1);
  right &= resolved == 1 && lido_alert_remove(manager, crowded);

  lido_sample samples[21];
  size_t count = lido_samples_get(manager, samples, 21);
  right &= count == 21;
  printf("%g allocs a second, over %zu samples\n", lido_sample_rate(&samples[20], &samples[0], LIDO_SAMPLE_allocs),
         count);

  right &= lido_monitor_start(manager, SECOND) == 0; /* the first tick is at once */
  while (lido_samples_get(manager, samples, 1) == 1 && samples[0].number < 22) {}
  right &= lido_monitor_stop(manager) == 0;
  return lido_manager_destroy(manager) == 0 && right ? 0 : 1;
}
