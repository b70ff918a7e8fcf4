/* json_outlet.h: one line of JSON into a sink, piece by piece.
 *
 * Idea: jansson hands out some bytes at a time; a sink is better called for some hundred. Values that are many are
 * written one after the other, so that only one of them is in memory. The first error stays, and is told at the end.
 * Failure: what the sink returned, or ENOMEM; after it the sink is not called any more.
 */
#ifndef LIDO_LIB_ADAPTERS_JSON_JSON_OUTLET_H
#define LIDO_LIB_ADAPTERS_JSON_JSON_OUTLET_H

#include <jansson.h>

#include "lido/snapshot.h"

typedef struct json_outlet {
  lido_text_sink sink;
  void *context;
  int error;
  bool began; /* the sink was called */
  size_t bytes;
  char text[2048];
} json_outlet;

void lido_json_outlet_begin(json_outlet *out, lido_text_sink sink, void *context);

void lido_json_outlet_text(json_outlet *out, const char *text);

/* The value is given away; NULL: there was no memory for it. */
void lido_json_outlet_value(json_outlet *out, json_t *value);

/* The end of the line, and what is left. 0, or the first error. `began`, if not NULL, tells whether the sink was
 * called. */
int lido_json_outlet_end(json_outlet *out, bool *began);

#endif
