/* top_sample.c: see top_sample.h. */
#include "tools/lido_top/top_sample.h"

#include <stdio.h>

double json_number_at(const json_t *object, const char *name) {
  return json_number_value(json_object_get(object, name));
}

const char *json_text_at(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text != NULL ? text : "";
}

static bool refuse(json_t **root, const char *text, char *why, size_t room) {
  snprintf(why, room, "%s", text);
  json_decref(*root);
  *root = NULL;
  return false;
}

bool sample_read(json_t **root, const char *text, size_t bytes, char *why, size_t room) {
  json_error_t error;
  *root = json_loadb(text, bytes, 0, &error);
  if (*root == NULL) return refuse(root, "the answer is no JSON", why, room);
  const json_t *complaint = json_object_get(*root, "error");
  if (complaint != NULL) return refuse(root, json_text_at(*root, "error"), why, room);
  if (!json_is_array(json_object_get(*root, "pools"))) return refuse(root, "the answer is no snapshot", why, room);
  if (json_number_at(*root, "version") != 1) {
    return refuse(root, "the program has a newer version of Lido than this one", why, room);
  }
  return true;
}

double sample_seconds(const json_t *before, const json_t *now) {
  if (before == NULL || json_number_at(before, "process") != json_number_at(now, "process")) return 0;
  double seconds = (json_number_at(now, "now_ns") - json_number_at(before, "now_ns")) / 1e9;
  return seconds > 0 ? seconds : 0;
}
