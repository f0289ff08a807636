# Fuzz targets: tests/fuzz/NAME_fuzz.cpp defines LLVMFuzzerTestOneInput, tests/fuzz/corpus/NAME/ holds what it starts from.
#
# Under the preset `fuzz` each becomes a libFuzzer program. Everywhere else it becomes a plain one that runs every file of the
# corpus once, and a test of its own (fuzz_corpus.NAME), so that what was found once never comes back.
# A target is linked with the rooms whose headers it includes; nothing has to be listed here.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
foreach(source ${fuzz_sources})
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${target})
  chaveiro_rooms_included_by(rooms missing ${source})
  if(missing)
    message(STATUS "fuzz target ${name} is left out: this preset does not build ${missing}")
    continue()
  endif()
  if(CHAVEIRO_FUZZ)
    add_executable(${target} ${source})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${target} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.cpp)
    add_test(NAME fuzz_corpus.${name} COMMAND ${target} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_corpus.${name} PROPERTIES TIMEOUT 120)
  endif()
  target_link_libraries(${target} PRIVATE ${rooms})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endforeach()
