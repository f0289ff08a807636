# What nearly every file reads of the standard library is parsed once and not once a file, where CHAVEIRO_PRECOMPILE is on: that is in
# the release build, which people wait for. The debug build has none, so that a file which forgot an include fails there.
#
# chaveiro_precompile(TARGET [LIBRARY | PROGRAM] [HEADERS…]): TARGET uses the one of its kind (the compiler wants code for a library and
# code for a program apart). With HEADERS, which only dear ones are worth, it has one of its own, with these as well.
option(CHAVEIRO_PRECOMPILE "parse the standard library's headers once" OFF)

set(precompiled_headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <cstring> <deque>
    <functional> <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <variant>
    <vector>)

if(CHAVEIRO_PRECOMPILE)
  add_compile_options(-pthread)  # gRPC's targets bring it, and a precompiled header is only for files with the same flags
  add_library(precompiled_library STATIC cmake/precompiled.cpp)
  target_compile_options(precompiled_library PRIVATE ${CHAVEIRO_WARNINGS})
  target_precompile_headers(precompiled_library PRIVATE ${precompiled_headers})
  if(CHAVEIRO_TESTS)
    add_executable(precompiled_program cmake/precompiled.cpp)
    target_link_libraries(precompiled_program PRIVATE GTest::gmock)
    target_compile_options(precompiled_program PRIVATE ${CHAVEIRO_WARNINGS})
    target_precompile_headers(precompiled_program PRIVATE ${precompiled_headers} <gtest/gtest.h> <gmock/gmock.h>)
  endif()
endif()

function(chaveiro_precompile TARGET KIND)
  if(NOT CHAVEIRO_PRECOMPILE)
    return()
  endif()
  string(TOLOWER precompiled_${KIND} shared)
  if(ARGN)
    target_precompile_headers(${TARGET} PRIVATE ${precompiled_headers} ${ARGN})
  elseif(TARGET ${shared})
    target_precompile_headers(${TARGET} REUSE_FROM ${shared})
  endif()
endfunction()
