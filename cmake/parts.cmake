# Parts: libraries of their own beside lido, for what needs another library. Each has a folder in lib/adapters, a room of the highest
# rank (tools/rooms.txt, +part), and so sees public headers only; a header include/lido/PART.h; and an option LIDO_PART.

find_package(PkgConfig QUIET)

# lido_part(name MODULES pkg-config-module... PACKAGES debian-package... [PROTO file]): the library lido_name, if its modules are there. PROTO: a
# file in its folder that protoc-c makes a source and a header of. That is done when the build is configured, for checkers that compile nothing.
function(lido_part name)
  cmake_parse_arguments(PARSE_ARGV 1 part "" "PROTO" "MODULES;PACKAGES")
  string(TOUPPER LIDO_${name} option)
  set(${option} AUTO CACHE STRING "The part ${name}: AUTO (if ${part_MODULES} is here), ON or OFF")
  lido_one_of(${option} AUTO ON OFF)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/lib/adapters/${name}/*.c")
  # The libraries are not instrumented, which these two do not bear.
  if(${option} STREQUAL OFF OR NOT sources OR LIDO_SANITIZE MATCHES "^(thread|memory)$")
    return()
  endif()
  if(PkgConfig_FOUND)
    pkg_check_modules(LIDO_PART_${name} QUIET IMPORTED_TARGET ${part_MODULES})
  endif()
  if(part_PROTO)
    find_program(LIDO_PROTOC_C protoc-c)
  endif()
  if(NOT TARGET PkgConfig::LIDO_PART_${name} OR (part_PROTO AND NOT LIDO_PROTOC_C))
    list(JOIN part_PACKAGES " " packages)
    if(${option} STREQUAL ON)
      message(FATAL_ERROR "${option}=ON, but not all of it is here (Debian, Ubuntu: ${packages})")
    endif()
    message(STATUS "Parts: ${name} is left out: it needs ${packages}")
    return()
  endif()
  add_library(lido_${name} ${sources})
  add_library(lido::${name} ALIAS lido_${name})
  lido_warnings(lido_${name})
  target_include_directories(lido_${name} PRIVATE "${PROJECT_SOURCE_DIR}") # its own folder's headers
  if(part_PROTO)
    lido_part_proto(${name} ${part_PROTO})
  endif()
  target_link_libraries(lido_${name} PUBLIC lido PRIVATE PkgConfig::LIDO_PART_${name} Threads::Threads)
  set_target_properties(lido_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
                                                VERSION ${PROJECT_VERSION} SOVERSION ${LIDO_SOVERSION}
                                                EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY LIDO_PARTS ${name}) # those that are built
  set_property(GLOBAL PROPERTY LIDO_PART_MODULES_${name} ${part_MODULES})
endfunction()

function(lido_part_proto name proto)
  set(source_folder "${PROJECT_SOURCE_DIR}/lib/adapters/${name}")
  set(folder "${PROJECT_BINARY_DIR}/generated/${name}")
  file(MAKE_DIRECTORY "${folder}")
  execute_process(COMMAND "${LIDO_PROTOC_C}" "--c_out=${folder}" "--proto_path=${source_folder}" "${source_folder}/${proto}"
                  COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source_folder}/${proto}")
  cmake_path(GET proto STEM stem)
  target_sources(lido_${name} PRIVATE "${folder}/${stem}.pb-c.c")
  # Not our code: no warnings.
  set_source_files_properties("${folder}/${stem}.pb-c.c" PROPERTIES COMPILE_OPTIONS -w)
  target_include_directories(lido_${name} SYSTEM PRIVATE "${folder}")
endfunction()
