# Installation: headers, the library, a package for find_package(lido) and one for pkg-config.

include(CMakePackageConfigHelpers)

option(LIDO_INSTALL "Make an install target" ${PROJECT_IS_TOP_LEVEL})
if(NOT LIDO_INSTALL)
  return()
endif()

set(lido_cmake_folder "${CMAKE_INSTALL_LIBDIR}/cmake/lido")

install(TARGETS lido EXPORT lido-targets)
if(NOT LIDO_SHARED)
  install(TARGETS lido_mimalloc EXPORT lido-targets)
endif()
install(DIRECTORY include/lido TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(EXPORT lido-targets NAMESPACE lido:: DESTINATION "${lido_cmake_folder}")

configure_package_config_file(cmake/lido-config.cmake.in lido-config.cmake INSTALL_DESTINATION "${lido_cmake_folder}")
# Before 1.0 every minor version may break its users; after, only major ones.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(lido-config-version.cmake COMPATIBILITY ${compatibility})
install(FILES "${PROJECT_BINARY_DIR}/lido-config.cmake" "${PROJECT_BINARY_DIR}/lido-config-version.cmake"
        DESTINATION "${lido_cmake_folder}")

# A static library's own needs go where every caller of pkg-config sees them; a shared library brings them itself.
set(needs "${CMAKE_THREAD_LIBS_INIT} ${LIDO_MIMALLOC_PC_ITEM}")
string(STRIP "${needs}" needs)
if(LIDO_SHARED)
  set(LIDO_PC_LIBS "")
  set(LIDO_PC_LIBS_PRIVATE "${needs}")
else()
  set(LIDO_PC_LIBS " ${needs}")
  set(LIDO_PC_LIBS_PRIVATE "")
endif()
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")

# lido_install_pc(template name): name.pc. The prefix is known only at installation: cmake --install DIR --prefix PREFIX.
function(lido_install_pc template name)
  configure_file(${template} ${name}.pc.tmp @ONLY)
  install(CODE "set(pc_template [[${PROJECT_BINARY_DIR}/${name}.pc.tmp]])
set(pc_file [[${PROJECT_BINARY_DIR}/${name}.pc]])
file(READ \"\${pc_template}\" pc)
string(REPLACE \"(prefix)\" \"\${CMAKE_INSTALL_PREFIX}\" pc \"\${pc}\")
file(WRITE \"\${pc_file}\" \"\${pc}\")")
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()
lido_install_pc(cmake/lido.pc.in lido)

# ---- Parts: find_package(lido COMPONENTS exporter) gives lido::exporter; for pkg-config it is lido_exporter ----
#
# Their files are called lido-part-...: lido-config.cmake is the package itself, and there is a part config.

get_property(parts GLOBAL PROPERTY LIDO_PARTS)
foreach(part IN LISTS parts)
  get_property(LIDO_PART_MODULES GLOBAL PROPERTY LIDO_PART_MODULES_${part})
  set(LIDO_PART ${part})
  install(TARGETS lido_${part} EXPORT lido-part-${part}-targets)
  install(EXPORT lido-part-${part}-targets NAMESPACE lido:: DESTINATION "${lido_cmake_folder}")
  configure_file(cmake/lido-part.cmake.in lido-part-${part}.cmake @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/lido-part-${part}.cmake" DESTINATION "${lido_cmake_folder}")
  list(JOIN LIDO_PART_MODULES " " modules)
  # Which a static library's every user links, as above.
  set(LIDO_PART_REQUIRES "lido = ${PROJECT_VERSION}")
  set(LIDO_PART_REQUIRES_PRIVATE "")
  if(LIDO_SHARED)
    set(LIDO_PART_REQUIRES_PRIVATE "${modules}")
  else()
    string(APPEND LIDO_PART_REQUIRES " ${modules}")
  endif()
  lido_install_pc(cmake/lido-part.pc.in lido_${part})
endforeach()
