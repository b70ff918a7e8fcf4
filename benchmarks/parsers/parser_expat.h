/* parsers/parser_expat.h: XML by Expat, from a new parser to the freed one, and a tree of elements, attributes and
 * text. Expat's hooks have no context: the memory is found in a static, as it would be in a thread-local. */
#include <expat.h>

#include "parser_tree.h"

#define JOB_ROW "expat"

static void on_start(void *data, const char *name, const char **attributes) {
  tree_node **at = data;
  *at = tree_add(*at, name, strlen(name));
  for (; *attributes != NULL; attributes++) tree_add(*at, *attributes, strlen(*attributes));
}

static void on_end(void *data, const char *name) {
  tree_node **at = data;
  (void)name;
  *at = (*at)->parent;
}

static void on_text(void *data, const char *text, int length) {
  tree_node **at = data;
  if (length > 1 || *text > ' ') tree_add(*at, text, (size_t)length);
}

static uint64_t job_document(const char *data, size_t length, bool checked) {
  static const XML_Memory_Handling_Suite suite = {memory_alloc, memory_realloc, memory_free};
  tree_node *root = tree_add(NULL, NULL, 0), *at = root;
  XML_Parser parser = XML_ParserCreate_MM(NULL, &suite, NULL);
  if (parser == NULL) bench_die("no parser");
  XML_SetHashSalt(parser, 1); /* or each run would be another */
  XML_SetUserData(parser, &at);
  XML_SetElementHandler(parser, on_start, on_end);
  XML_SetCharacterDataHandler(parser, on_text);
  if (XML_Parse(parser, data, (int)length, XML_TRUE) != XML_STATUS_OK)
    bench_die("expat: %s", XML_ErrorString(XML_GetErrorCode(parser)));
  uint64_t sum = checked ? tree_checksum(root) : 0;
  if (!MEMORY_FORGETS) XML_ParserFree(parser);
  tree_free(root);
  return sum;
}
