# LIDO_SANITIZE: one sanitizer for everything that is built here. The library and its callers must agree on
# it (the guard symbol of lido/base.h), so it is set for the directory and not for one target.

if(LIDO_SANITIZE)
  if(LIDO_SANITIZE STREQUAL memory AND NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "LIDO_SANITIZE=memory needs Clang: -DCMAKE_C_COMPILER=clang")
  endif()
  if(LIDO_MIMALLOC AND NOT LIDO_SANITIZE STREQUAL undefined)
    message(WARNING "LIDO_SANITIZE=${LIDO_SANITIZE} sees nothing of memory from an uninstrumented mimalloc; "
                    "-DLIDO_MIMALLOC=OFF is meant for this")
  endif()
  set(sanitizers ${LIDO_SANITIZE})
  if(LIDO_SANITIZE STREQUAL address)
    set(sanitizers address,undefined) # they live together
  endif()
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${sanitizers})
  if(LIDO_SANITIZE STREQUAL memory)
    add_compile_options(-fsanitize-memory-track-origins) # a report says where the memory came from
  endif()
endif()
