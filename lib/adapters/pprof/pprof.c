/* pprof.c: see lido/pprof.h; heap_profile.proto for the format.
 *
 * Idea: messages of one type that follow each other are one message, so a profile can be packed piece by piece: first
 * what it is about, then one small profile for each site while the sites are visited, at the end the tables that were
 * collected meanwhile. In memory are the different addresses and texts, never the samples.
 * Invariants
 *   P1  location n + 1 is address n of `addresses`; text n is entry n of `texts`, and entry 0 is "".
 *   P2  a text's note is the number of the function of that name, or 0.
 *   P3  functions are numbered without gaps: pprof goes on counting from how many there are.
 * Addresses are one less than the return address, so that they lie in the call: what follows it may be another line, or
 * another function.
 * Names: `has_functions` of a mapping is never set, so that pprof looks into the files, for lines and functions of any
 * kind; dladdr's names, which are only those of exported functions, stay where there is no file.
 * Lido's own frames at the inner end are cut off: by pprof, by name (drop_frames), and here if they lie in liblido.so,
 * whose functions have no names when it is stripped. Those between functions of the program stay, and so do the
 * functions that Lido calls, but for those that give memory back when an alloc meets a limit (lido/manager.h): what
 * they allocate is shown as the alloc's.
 * Threads: any; all state is the call's. Failure: the first error stays in `error`, and nothing is packed after it.
 */
#define _GNU_SOURCE /* dladdr */
#include "lido/pprof.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/adapters/pprof/gzip_stream.h"
#include "lib/adapters/pprof/loaded_modules.h"
#include "lib/adapters/pprof/pprof_text.h"
#include "lib/adapters/pprof/profile_tables.h"

/* Generated from heap_profile.proto. */
#include <heap_profile.pb-c.h>

typedef Lido__Pprof__Profile profile;

enum { VALUES = 4, MEAN_BYTES_DEFAULT = 512 << 10, TEXT_BYTES_MAX = 4096 /* a path */ };

/* What an alloc or a growing arena begins with. pprof drops the outermost frame that fits, and all that it called; so
 * nothing fits that calls the program's functions, such as lido_arena_reset, lido_pool_for_each or
 * lido_cache_get_or_create, above which the program goes on. */
static const char lidos_own[] =
    "lido_(alloc_|direct_alloc|heap_(take|thread_alloc)|sampling_(after_alloc|alone)|pool_(alloc|cache_alloc)|"
    "thread_cache_(alloc|pop)|reserve_(alloc|refill|create)|scratch_begin|bytes_|"
    "arena_(alloc|calloc|acquire|create|block_add|large_alloc|piece_alloc|reserve|memdup|str|printf|vprintf|realloc|"
    "try_extend))[a-z_]*";

typedef struct pprof_writer {
  gzip_stream stream;
  profile_table texts;
  profile_table addresses;
  loaded_modules modules;
  size_t own_module; /* liblido.so's, or modules.count */
  uint32_t functions;
  int error;
} pprof_writer;

/* ---- Packing ---- */

typedef struct packing {
  ProtobufCBuffer face;
  pprof_writer *writer;
} packing;

static void pack_bytes(ProtobufCBuffer *buffer, size_t count, const uint8_t *bytes) {
  lido_gzip_stream_write(&((packing *)buffer)->writer->stream, bytes, count);
}

static void pack(pprof_writer *writer, const profile *piece) {
  packing buffer = {.face = {.append = pack_bytes}, .writer = writer};
  if (writer->error != 0) return;
  protobuf_c_message_pack_to_buffer(&piece->base, &buffer.face);
  writer->error = writer->stream.error;
}

/* ---- Texts ---- */

static int64_t text(pprof_writer *writer, const char *characters) {
  char valid[TEXT_BYTES_MAX];
  size_t length = lido_pprof_text(characters, valid, sizeof valid);
  uint32_t number = lido_profile_table_put(&writer->texts, valid, length);
  if (number != PROFILE_TABLE_FULL) return number;
  writer->error = ENOMEM;
  return 0;
}

static void pack_texts(pprof_writer *writer) {
  for (uint32_t i = 0; i < writer->texts.count; i++) {
    profile piece = LIDO__PPROF__PROFILE__INIT;
    piece.n_string_table = 1;
    piece.string_table = &writer->texts.entries[i].key;
    pack(writer, &piece);
  }
}

/* ---- What it is about ---- */

static Lido__Pprof__ValueType value_type(pprof_writer *writer, const char *type, const char *unit) {
  Lido__Pprof__ValueType value = LIDO__PPROF__VALUE_TYPE__INIT;
  value.type = text(writer, type);
  value.unit = text(writer, unit);
  return value;
}

static int64_t now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pack_head(pprof_writer *writer, const lido_pprof_options *options) {
  text(writer, "");
  Lido__Pprof__ValueType types[VALUES] = {
      value_type(writer, "alloc_objects", "count"), value_type(writer, "alloc_space", "bytes"),
      value_type(writer, "inuse_objects", "count"), value_type(writer, "inuse_space", "bytes")};
  Lido__Pprof__ValueType *type_pointers[VALUES] = {&types[0], &types[1], &types[2], &types[3]};
  Lido__Pprof__ValueType period = value_type(writer, "space", "bytes");
  profile piece = LIDO__PPROF__PROFILE__INIT;
  piece.n_sample_type = VALUES;
  piece.sample_type = type_pointers;
  piece.default_sample_type = types[VALUES - 1].type;
  piece.period_type = &period;
  piece.period = (int64_t)(options->mean_bytes != 0 ? options->mean_bytes : MEAN_BYTES_DEFAULT);
  piece.time_nanos = now_nanoseconds();
  piece.duration_nanos = (int64_t)options->duration_ns;
  piece.drop_frames = text(writer, lidos_own);
  pack(writer, &piece);
}

/* ---- Samples ---- */

static uint64_t location_of(pprof_writer *writer, const void *frame) {
  uint64_t address = (uint64_t)(uintptr_t)frame - 1;
  uint32_t number = lido_profile_table_put(&writer->addresses, &address, sizeof address);
  if (number != PROFILE_TABLE_FULL) return (uint64_t)number + 1;
  writer->error = ENOMEM;
  return 0;
}

static bool is_own_frame(const pprof_writer *writer, const void *frame) {
  if (writer->own_module == writer->modules.count) return false;
  return lido_loaded_modules_find(&writer->modules, (uint64_t)(uintptr_t)frame - 1) == writer->own_module;
}

/* Frames of the program, innermost first. -> how many. */
static size_t locations_of(pprof_writer *writer, const lido_heap_site *site, uint64_t locations[LIDO_HEAP_FRAMES_MAX]) {
  size_t skipped = 0;
  size_t count = 0;
  while (skipped < site->frame_count && is_own_frame(writer, site->frames[skipped])) skipped++;
  for (size_t i = skipped; i < site->frame_count && count < LIDO_HEAP_FRAMES_MAX; i++) {
    locations[count++] = location_of(writer, site->frames[i]);
  }
  return count;
}

static bool pack_site(const lido_heap_site *site, void *context) {
  pprof_writer *writer = context;
  uint64_t locations[LIDO_HEAP_FRAMES_MAX];
  int64_t values[VALUES] = {(int64_t)site->alloc_objects, (int64_t)site->alloc_bytes, (int64_t)site->live_objects,
                            (int64_t)site->live_bytes};
  Lido__Pprof__Label owner = LIDO__PPROF__LABEL__INIT;
  Lido__Pprof__Label *labels = &owner;
  Lido__Pprof__Sample sample = LIDO__PPROF__SAMPLE__INIT;
  Lido__Pprof__Sample *samples = &sample;
  profile piece = LIDO__PPROF__PROFILE__INIT;
  owner.key = text(writer, site->kind);
  owner.str = text(writer, site->name);
  sample.n_location_id = locations_of(writer, site, locations);
  sample.location_id = locations;
  sample.n_value = VALUES;
  sample.value = values;
  sample.n_label = 1;
  sample.label = &labels;
  piece.n_sample = 1;
  piece.sample = &samples;
  pack(writer, &piece);
  return writer->error == 0;
}

/* ---- Where the addresses are ---- */

static void pack_modules(pprof_writer *writer) {
  for (size_t i = 0; i < writer->modules.count; i++) {
    const loaded_module *module = &writer->modules.list[i];
    Lido__Pprof__Mapping mapping = LIDO__PPROF__MAPPING__INIT;
    Lido__Pprof__Mapping *mappings = &mapping;
    profile piece = LIDO__PPROF__PROFILE__INIT;
    mapping.id = i + 1;
    mapping.memory_start = module->start;
    mapping.memory_limit = module->limit;
    mapping.file_offset = module->offset;
    mapping.filename = text(writer, module->path);
    mapping.build_id = text(writer, module->build_id);
    piece.n_mapping = 1;
    piece.mapping = &mappings;
    pack(writer, &piece);
  }
}

/* The number of the function of that name; packed when it is new. */
static uint64_t function_of(pprof_writer *writer, const char *name) {
  int64_t number = text(writer, name);
  if (writer->error != 0) return 0;
  uint32_t *known = &writer->texts.entries[number].note;
  if (*known != 0) return *known;
  *known = ++writer->functions;
  Lido__Pprof__Function function = LIDO__PPROF__FUNCTION__INIT;
  Lido__Pprof__Function *functions = &function;
  profile piece = LIDO__PPROF__PROFILE__INIT;
  function.id = *known;
  function.name = function.system_name = number;
  piece.n_function = 1;
  piece.function = &functions;
  pack(writer, &piece);
  return function.id;
}

static void pack_location(pprof_writer *writer, uint32_t index) {
  Lido__Pprof__Line line = LIDO__PPROF__LINE__INIT;
  Lido__Pprof__Line *lines = &line;
  Lido__Pprof__Location location = LIDO__PPROF__LOCATION__INIT;
  Lido__Pprof__Location *locations = &location;
  profile piece = LIDO__PPROF__PROFILE__INIT;
  Dl_info symbol;
  uint64_t address;
  memcpy(&address, writer->addresses.entries[index].key, sizeof address);
  size_t module = lido_loaded_modules_find(&writer->modules, address);
  location.id = (uint64_t)index + 1;
  location.mapping_id = module == writer->modules.count ? 0 : module + 1;
  location.address = address;
  if (dladdr((const void *)(uintptr_t)address, &symbol) != 0 && symbol.dli_sname != NULL) {
    line.function_id = function_of(writer, symbol.dli_sname);
    location.n_line = 1;
    location.line = &lines;
  }
  piece.n_location = 1;
  piece.location = &locations;
  pack(writer, &piece);
}

/* liblido.so's, if there is one: Lido may as well be a part of the program, or of a library of the program's. */
static size_t own_module_of(const loaded_modules *modules) {
  size_t own = lido_loaded_modules_find(modules, (uint64_t)(uintptr_t)lido_heap_profile_read);
  if (own == modules->count) return own;
  const char *slash = strrchr(modules->list[own].path, '/');
  const char *name = slash == NULL ? modules->list[own].path : slash + 1;
  return strncmp(name, "liblido.so", strlen("liblido.so")) == 0 ? own : modules->count;
}

/* ---- All of it ---- */

static void pack_all(pprof_writer *writer, const lido_pprof_options *options) {
  pack_head(writer, options);
  int error = writer->error != 0 ? writer->error : lido_heap_profile_read(pack_site, writer);
  if (writer->error == 0) writer->error = error;
  if (writer->error != 0) return;
  pack_modules(writer);
  for (uint32_t i = 0; i < writer->addresses.count && writer->error == 0; i++) pack_location(writer, i);
  pack_texts(writer);
}

static int write_profile(pprof_writer *writer, lido_pprof_sink sink, void *context, const lido_pprof_options *options) {
  int error = lido_gzip_stream_begin(&writer->stream, sink, context);
  if (error != 0) return error;
  writer->error = lido_loaded_modules_begin(&writer->modules);
  if (writer->error == 0) {
    writer->own_module = own_module_of(&writer->modules);
    pack_all(writer, options);
    lido_loaded_modules_end(&writer->modules);
  }
  if (writer->error != 0) writer->stream.error = writer->error; /* nothing more goes to the sink */
  lido_profile_table_end(&writer->texts);
  lido_profile_table_end(&writer->addresses);
  return lido_gzip_stream_end(&writer->stream);
}

int lido_pprof_write(lido_pprof_sink sink, void *context, const lido_pprof_options *options) {
  static const lido_pprof_options defaults;
  int errno_before = errno;
  pprof_writer *writer = calloc(1, sizeof *writer);
  int error = writer == NULL ? ENOMEM : write_profile(writer, sink, context, options != NULL ? options : &defaults);
  free(writer);
  errno = errno_before;
  return error;
}

static int write_to_descriptor(const void *bytes, size_t count, void *context) {
  const char *from = bytes;
  while (count != 0) {
    ssize_t written = write(*(const int *)context, from, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO; /* a system that takes nothing would be asked for ever */
    from += written;
    count -= (size_t)written;
  }
  return 0;
}

int lido_pprof_write_fd(int descriptor, const lido_pprof_options *options) {
  return lido_pprof_write(write_to_descriptor, &descriptor, options);
}
