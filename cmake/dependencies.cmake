# What Lido stands on: threads, mimalloc (unless switched off), Valgrind's headers (if there).

include(CheckIncludeFile)
include(CheckLinkerFlag)
include(GNUInstallDirs)

find_package(Threads REQUIRED)

# ---- mimalloc ----
#
# Distributions build libmimalloc.so so that it exports malloc, free and C++'s operator new as well. The
# dynamic linker takes a symbol from the first library that has it, in the order of the link line. So mimalloc is
# linked by one item that names the C library before it, and, where something needs it, the C++ library. The order
# is tested in tests/install_consumer.

# The item with `ARGN` as the way to name mimalloc. -l:NAME because a C compiler may know no -lstdc++.
function(lido_mimalloc_item variable)
  set(cxx_first "")
  if(LIDO_LINKS_LIBSTDCXX)
    set(cxx_first "--as-needed,-l:libstdc++.so.6,")
  endif()
  list(JOIN ARGN "," mimalloc)
  set(${variable} "-Wl,--push-state,${cxx_first}--no-as-needed,-lc,--as-needed,${mimalloc},--pop-state" PARENT_SCOPE)
endfunction()

# For targets; installed with lido. Without mimalloc there is nothing in it.
add_library(lido_mimalloc INTERFACE)
set_target_properties(lido_mimalloc PROPERTIES EXPORT_NAME mimalloc_after_libc)
set(LIDO_MIMALLOC_PC_ITEM "") # for lido.pc

if(LIDO_MIMALLOC)
  find_package(mimalloc CONFIG QUIET)
  if(NOT TARGET mimalloc)
    message(FATAL_ERROR "mimalloc was not found. Install it (Debian, Ubuntu: libmimalloc-dev), say where it is "
                        "(-Dmimalloc_DIR=...), or build without it: -DLIDO_MIMALLOC=OFF")
  endif()
  check_linker_flag(C "-Wl,--push-state,--as-needed,-l:libstdc++.so.6,--pop-state" LIDO_LINKS_LIBSTDCXX)
  lido_mimalloc_item(item $<TARGET_FILE:mimalloc>)
  target_link_libraries(lido_mimalloc INTERFACE "${item}")
  get_target_property(mimalloc_file mimalloc LOCATION)
  cmake_path(GET mimalloc_file PARENT_PATH mimalloc_folder)
  if(mimalloc_folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    lido_mimalloc_item(LIDO_MIMALLOC_PC_ITEM -lmimalloc)
  else()
    lido_mimalloc_item(LIDO_MIMALLOC_PC_ITEM -L${mimalloc_folder} -lmimalloc)
  endif()
endif()

# ---- xxHash: only its header, so there is nothing to link ----

if(LIDO_CACHES)
  find_path(LIDO_XXHASH_FOLDER xxhash.h DOC "The folder with xxhash.h, version 0.8 or later")
  if(NOT LIDO_XXHASH_FOLDER)
    message(FATAL_ERROR "xxhash.h was not found. Install it (Debian, Ubuntu: libxxhash-dev), say where it is "
                        "(-DLIDO_XXHASH_FOLDER=...), or build without caches: -DLIDO_CACHES=OFF")
  endif()
endif()

# ---- Valgrind ----

set(lido_has_valgrind NO)
if(NOT LIDO_VALGRIND STREQUAL OFF)
  check_include_file(valgrind/valgrind.h LIDO_FOUND_VALGRIND_H)
  set(lido_has_valgrind ${LIDO_FOUND_VALGRIND_H})
  if(LIDO_VALGRIND STREQUAL ON AND NOT LIDO_FOUND_VALGRIND_H)
    message(FATAL_ERROR "LIDO_VALGRIND=ON, but valgrind/valgrind.h was not found (Debian, Ubuntu: valgrind)")
  endif()
endif()
