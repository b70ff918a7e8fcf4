# The rooms of the library, each an OBJECT library with a rank. Their order is one file, tools/rooms.txt, which
# tools/check_rooms.py and tools/check_room_links.py read too.

set(LIDO_ROOMS "") # those that have sources, lowest rank first

# lido_room(name rank FOLDERS folder...): compile the sources of the folders, once for the library and once
# for lido_testing. A new source file needs no edit here; a room without any is skipped.
function(lido_room name rank)
  cmake_parse_arguments(PARSE_ARGV 2 room "" "" "FOLDERS")
  list(TRANSFORM room_FOLDERS REPLACE "^(.+)$" "${PROJECT_SOURCE_DIR}/\\1/*.c" OUTPUT_VARIABLE patterns)
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  lido_only_what_is_built(sources)
  if(NOT sources)
    return()
  endif()
  lido_room_objects(lido_room_${name} ${sources})
  lido_room_objects(lido_room_${name}_testing ${sources})
  target_compile_definitions(lido_room_${name}_testing PRIVATE LIDO_FAULT_INJECTION=1)
  message(VERBOSE "lido: room ${name}, rank ${rank}")
  set(LIDO_ROOMS ${LIDO_ROOMS} ${name} PARENT_SCOPE)
endfunction()

function(lido_room_objects target)
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  lido_warnings(${target})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(
    ${target} PRIVATE LIDO_CHECKS=${LIDO_CHECKS_LEVEL} $<$<BOOL:${LIDO_MIMALLOC}>:LIDO_MIMALLOC=1>
                      $<$<BOOL:${lido_has_valgrind}>:LIDO_VALGRIND=1>)
  if(LIDO_CACHES)
    target_include_directories(${target} SYSTEM PRIVATE "${LIDO_XXHASH_FOLDER}")
  endif()
  if(LIDO_MIMALLOC)
    target_include_directories(${target} SYSTEM PRIVATE $<TARGET_PROPERTY:mimalloc,INTERFACE_INCLUDE_DIRECTORIES>)
  endif()
  # Position independent in every build: the static library, too, may end up in a plug-in.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  if(LIDO_SHARED)
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
  endif()
endfunction()

# lido_rooms_read(file): a room for each line "rank name folder..." ("+flag" words are for the checkers).
macro(lido_rooms_read file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS "${PROJECT_SOURCE_DIR}/${file}" lido_room_lines REGEX "^[0-9]")
  foreach(line IN LISTS lido_room_lines)
    string(REGEX REPLACE "[ \t]+" ";" words "${line}")
    list(FILTER words EXCLUDE REGEX "^([+].*)?$")
    list(POP_FRONT words rank name)
    if((name STREQUAL caches AND NOT LIDO_CACHES) OR line MATCHES "[+]part")
      continue()
    endif()
    lido_room(${name} ${rank} FOLDERS ${words})
  endforeach()
  if(NOT LIDO_ROOMS)
    message(FATAL_ERROR "no room of ${file} has a source file")
  endif()
endmacro()

# lido_library(target VARIANT suffix): make `target` of all rooms.
function(lido_library target)
  cmake_parse_arguments(PARSE_ARGV 1 library "" "VARIANT" "")
  foreach(room IN LISTS LIDO_ROOMS)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:lido_room_${room}${library_VARIANT}>)
  endforeach()
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_definitions(${target} PUBLIC LIDO_CHECKS=${LIDO_CHECKS_LEVEL})
  target_link_libraries(${target} PRIVATE Threads::Threads lido_mimalloc)
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C POSITION_INDEPENDENT_CODE ON)
endfunction()

# lido_only_what_is_built(variable): take files from the list that are about rooms this build does not have, by what
# their names begin with (after a number).
function(lido_only_what_is_built variable)
  set(files ${${variable}})
  if(LIDO_CACHES)
    list(FILTER files EXCLUDE REGEX "/without_caches[.]c$")
  else()
    list(FILTER files EXCLUDE REGEX "(^|/)([0-9]+_)?(caches?|interns?|ephemerons?|observers?|notifications)[_.][^/]*$")
  endif()
  set(${variable} ${files} PARENT_SCOPE)
endfunction()
