/* json_snapshot.h: the writers of lido/json.h, which also tell whether anything was written. */
#ifndef LIDO_LIB_ADAPTERS_JSON_JSON_SNAPSHOT_H
#define LIDO_LIB_ADAPTERS_JSON_JSON_SNAPSHOT_H

#include "lido/json.h"

/* As lido_json_write and lido_json_write_samples. */
int lido_json_snapshot_write(const lido_snapshot *snapshot, lido_text_sink sink, void *context, bool *began);
int lido_json_samples_write(const lido_sample *samples, size_t count, lido_text_sink sink, void *context, bool *began);

#endif
