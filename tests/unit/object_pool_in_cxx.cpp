/* object_pool_in_cxx.cpp: object pools used from C++17. */
#include "tests/unit/object_pool_in_cxx.h"

#include <string>

namespace {

void *text_new(void *) { return new std::string; }
void text_clear(void *object, void *) { static_cast<std::string *>(object)->clear(); }
void text_end(void *object, void *) { delete static_cast<std::string *>(object); }
size_t text_size(const void *object, void *) { return static_cast<const std::string *>(object)->capacity(); }

} // namespace

LIDO_OBJECT_POOL_DEFINE(cxx_text, std::string, .create = text_new, .reset = text_clear, .destroy = text_end,
                        .size = text_size, .keep_bytes_each = 1000)

#define EXPECT(condition) \
  if (!(condition)) return __LINE__

extern "C" int cxx_use_object_pool(void) {
  std::string *text = cxx_text_get();
  EXPECT(text != nullptr && text->empty());
  text->assign(500, 'x');
  cxx_text_put(text);
  EXPECT(cxx_text_get() == text);
  EXPECT(text->empty() && text->capacity() >= 500);
  text->assign(5000, 'x');
  cxx_text_put(text);
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(cxx_text_objects(), &stats);
  EXPECT(stats.destroyed_large == 1 && stats.kept == 0);
  text = static_cast<std::string *>(lido_object_pool_get(cxx_text_objects()));
  EXPECT(text != nullptr && text->capacity() < 500);
  lido_object_pool_put(cxx_text_objects(), text);
  EXPECT(lido_object_pool_destroy(cxx_text_objects()) == 0);
  return 0;
}
