/* lido/json.h: a snapshot as JSON, and the answers of a snapshot socket. Part json: library lido_json, target
 * lido::json, made with jansson.
 *
 *     lido_json_write(snapshot, sink, context);
 *     window = lido_snapshot_socket_open(manager, &(lido_snapshot_socket_options){ .answer = lido_json_answer });
 *
 * A text is one object on one line, and that ends with "\n". Its names are those of struct lido_snapshot and of the
 * statistics structs, in their order, since both come from the same lists:
 *
 *     {"version":1,"lido":"0.1.0","process":4242,"manager":"server","now_ns":...,"wall_ns":...,
 *      "policy":"none","chosen":"none","stats":{...},
 *      "passes":{"count":0,"sum_ns":0,"buckets":[{"end_ns":1024,"count":0},...]},
 *      "budget":{...},"weak":{...},"guard":{...},
 *      "pools":[{"name":"conns","object_size":96,"align":64,"max_objects":0,"watched":false,"stats":{...}},...],
 *      "arena_classes":[{"name":...,"stats":{...}},...],"caches":[...],"cleanup_queues":[{"name":...,"pending":0},...]}
 *
 * "version" changes when something goes or means something else; new names may come at any time. The last bucket's end
 * is null. Numbers beyond 2^63 - 1 are 2^63 - 1.
 * A byte that is no UTF-8 in a name becomes U+FFFD and its two hexadecimal digits, and so do the bytes of U+FFFD
 * itself: names that differ stay different. The order of an array is that of the names before that.
 *
 * Threads: any; a snapshot is used by one at a time. Errors: ENOMEM, or what the sink returned; part of a text may have
 * been written then. Cost: some 6 microseconds a pool, and malloc; nothing is held up meanwhile but the snapshot
 * itself.
 */
#ifndef LIDO_JSON_H
#define LIDO_JSON_H

#include "lido/monitor.h"
#include "lido/snapshot.h"
#include "lido/socket.h"

LIDO_BEGIN

enum { LIDO_JSON_VERSION = 1 };

LIDO_API int lido_json_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context);

/* {"version":1,"samples":[{"number":1,"now_ns":...,"wall_ns":...,"bytes_live":...,...},...]}, in the order given. */
LIDO_API int lido_json_write_samples(const lido_sample *samples, size_t count, lido_text_sink sink, void *context);

/* The answer (lido/socket.h) to
 *     snapshot         lido_json_write
 *     samples [COUNT]  lido_json_write_samples: the newest COUNT ones, the newest first; without it all, 1,000,000 at
 *                      most
 *     slabs NAME       {"version":1,"pool":NAME,"slabs":123,"use":[[252,17],...]}: of each slab, the oldest first, how
 *                      many objects it has, and how many of them are not free in it; of the first 16,384. NAME as
 *                      JSON has it, or as it is
 * and to all else {"error":"..."}. Lack of memory, too, is an answer as long as nothing of another has been written.
 * `context` is ignored. */
LIDO_API int lido_json_answer(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context,
                              void *context);

LIDO_END

#endif
