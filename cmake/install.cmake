# `cmake --install build/release --component library --prefix DIR`: the rooms that are of use alone, so that another project says
# find_package(chaveiro) and links chaveiro::cache, chaveiro::redis or chaveiro::pulsar. Headers are included as "cache/memory.h".
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
# A room's folder, and the name that others link it by.
foreach(room base=base cache=cache limits=limits net=net events=events clients/redis/wire=redis_wire clients/redis=redis
        clients/pulsar/wire=pulsar_wire clients/pulsar=pulsar)
  string(REPLACE "=" ";" room ${room})
  list(GET room 0 folder)
  list(GET room 1 name)
  string(REPLACE "/" "_" target chaveiro_${folder})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  install(TARGETS ${target} EXPORT chaveiro ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
  install(DIRECTORY src/${folder}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/chaveiro/${folder} COMPONENT library
          FILES_MATCHING PATTERN "*.h" PATTERN "*_test.h" EXCLUDE)
endforeach()
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/chaveiro)
install(EXPORT chaveiro NAMESPACE chaveiro:: FILE chaveiro-targets.cmake DESTINATION ${package} COMPONENT library)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/chaveiro-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/chaveiro-config.cmake ${CMAKE_BINARY_DIR}/chaveiro-config-version.cmake DESTINATION ${package}
        COMPONENT library)

if(CHAVEIRO_TESTS AND NOT CHAVEIRO_SANITIZE)
  # The examples are built against an installation, as a stranger would. One after the other: each installs anew.
  foreach(example cache_memory limits_rules)
    add_test(NAME Examples.${example}_builds_against_the_installed_package
             COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DSOURCE=${CMAKE_SOURCE_DIR}/examples/${example}
                     -DCOMPILER=${CMAKE_CXX_COMPILER} -P ${CMAKE_SOURCE_DIR}/examples/run.cmake)
    set_tests_properties(Examples.${example}_builds_against_the_installed_package PROPERTIES TIMEOUT 120 RESOURCE_LOCK installation)
  endforeach()
endif()
