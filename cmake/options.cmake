# Everything that can be chosen.

set(LIDO_CHECKS default CACHE STRING "What alloc and free check: none, default or full")
set(LIDO_SANITIZE "" CACHE STRING "address, undefined, thread, memory or nothing")
set(LIDO_VALGRIND AUTO CACHE STRING "Tell Valgrind about objects: AUTO (if its headers are here), ON or OFF")
option(LIDO_MIMALLOC "mimalloc as the default backing" ON)
option(LIDO_CACHES "Caches, interning, ephemerons, observers; needs xxHash's header" ON)
option(LIDO_SHARED "Build a shared library" OFF)
option(LIDO_WERROR "Warnings are errors" OFF)
option(LIDO_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LIDO_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(LIDO_BENCHMARKS "Build the benchmarks" OFF)

# ---- Validation ----

function(lido_one_of option)
  set_property(CACHE ${option} PROPERTY STRINGS ${ARGN})
  if(NOT "${${option}}" IN_LIST ARGN)
    list(JOIN ARGN ", " allowed)
    message(FATAL_ERROR "${option} is '${${option}}'; it must be one of: ${allowed}")
  endif()
endfunction()

lido_one_of(LIDO_CHECKS none default full)
lido_one_of(LIDO_SANITIZE "" address undefined thread memory)
lido_one_of(LIDO_VALGRIND AUTO ON OFF)

# The number behind the name: LIDO_CHECKS_NONE, _DEFAULT, _FULL of lido/base.h.
set(lido_checks_names none default full)
list(FIND lido_checks_names ${LIDO_CHECKS} LIDO_CHECKS_LEVEL)

# ---- Defaults for a build of Lido alone ----

if(PROJECT_IS_TOP_LEVEL)
  get_property(is_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT is_multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

set(BUILD_SHARED_LIBS ${LIDO_SHARED})

# Before 1.0 a new minor version may change the layouts that inlined code knows.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(LIDO_SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
else()
  set(LIDO_SOVERSION ${PROJECT_VERSION_MAJOR})
endif()

# gnu11: thread-local storage by __thread and one empty asm statement are not ISO C.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
