/* peers/dpdk.h: DPDK's mempool on ordinary pages, with its largest cache for each thread.
 *
 * A mempool serves threads that are registered with DPDK from their caches; the second thread
 * registers when it takes its first object.
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_version.h>

#define PEER_NAME "dpdk"

enum { DPDK_OBJECTS = (1 << 21) + (1 << 16) };

static struct rte_mempool *dpdk_pool;

static __attribute__((noinline, cold)) void dpdk_register_thread(void) {
  if (rte_thread_register() != 0) bench_die("rte_thread_register: %s", rte_strerror(rte_errno));
}

static inline void *dpdk_alloc(struct rte_mempool *pool) {
  void *object;
  return rte_mempool_get(pool, &object) == 0 ? object : NULL;
}

#define PEER_ALLOC() dpdk_alloc(dpdk_pool)
#define PEER_FREE(object) rte_mempool_put(dpdk_pool, object)
#define PEER_ENTER() \
  if (__builtin_expect(rte_lcore_id() == LCORE_ID_ANY, 0)) dpdk_register_thread();

static void peer_begin(void) {
  char *arguments[] = {"micro_dpdk",     "--no-huge",         "--no-shconf", "--no-pci",
                       "--no-telemetry", "--log-level=error", "-m",          "1024"};
  if (rte_eal_init(sizeof arguments / sizeof *arguments, arguments) < 0)
    bench_die("rte_eal_init: %s", rte_strerror(rte_errno));
  dpdk_pool = rte_mempool_create("bench", DPDK_OBJECTS, MICRO_OBJECT, RTE_MEMPOOL_CACHE_MAX_SIZE, 0, NULL, NULL, NULL,
                                 NULL, SOCKET_ID_ANY, 0);
  if (dpdk_pool == NULL) bench_die("rte_mempool_create: %s", rte_strerror(rte_errno));
  bench_fact("serving", "rte_mempool");
  bench_fact("version", rte_version());
}
