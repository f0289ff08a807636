# What every target is built with: warnings as errors, ccache and mold where they are installed, sanitizers by preset.
option(CHAVEIRO_TESTS "build the tests" ON)
option(CHAVEIRO_GRPC "build the gRPC edge and the program" ON)
option(CHAVEIRO_BENCH "build the benchmarks" OFF)
option(CHAVEIRO_FUZZ "build the libFuzzer targets instead of the tests (clang only)" OFF)
set(CHAVEIRO_SANITIZE "" CACHE STRING "sanitizers, e.g. address,undefined or thread")

# The program lies at the top of its build folder; tests and benchmarks in folders of their own (room.cmake, bench.cmake).
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

# With the checkout as base folder the compiler's cache serves every checkout and every preset with the same flags. It trusts a
# precompiled header only if told that nothing in it depends on the date or on macros given later.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Paths in binaries are relative, so that two checkouts make the same program.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

set(CHAVEIRO_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 reports these in its own <string> and <optional> at -O2.
  list(APPEND CHAVEIRO_WARNINGS -Wno-restrict -Wno-maybe-uninitialized -Wno-missing-field-initializers -Wno-dangling-pointer
       -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-free-nonheap-object)
else()
  # std::stable_sort of g++ 12's library uses what C++17 deprecated.
  list(APPEND CHAVEIRO_WARNINGS -Wno-missing-field-initializers -Wno-missing-designated-field-initializers
       -Wno-deprecated-declarations)
endif()

if(CHAVEIRO_SANITIZE)
  add_compile_options(-fsanitize=${CHAVEIRO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CHAVEIRO_SANITIZE})
  if(CHAVEIRO_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # g++ 12 warns about every std::atomic_thread_fence under TSan.
    add_compile_options(-Wno-tsan)
  endif()
endif()
