# Benchmarks: bench/NAME.cpp (with bench/NAME_*.cpp where one file is too little) becomes build/release/bench/NAME, built by
# the target bench_NAME. It is linked with the rooms whose headers it includes, and with what stands here.
if(TARGET chaveiro_proto)
  set(CHAVEIRO_BENCH_LIBS_lookup nghttp2 chaveiro_proto)
else()
  set(CHAVEIRO_BENCH_WITHOUT lookup)  # it measures the gRPC edge
endif()

if(TARGET tests_support_postgres)
  set(CHAVEIRO_BENCH_LIBS_postgres chaveiro_clients_postgres tests_support_postgres)
else()
  list(APPEND CHAVEIRO_BENCH_WITHOUT postgres)  # it starts a server of its own
endif()
if(TARGET tests_support)
  set(CHAVEIRO_BENCH_LIBS_limits tests_support)
else()
  list(APPEND CHAVEIRO_BENCH_WITHOUT limits)  # it starts a Redis of its own
endif()

if(TARGET tests_support_pulsar)
  set(CHAVEIRO_BENCH_LIBS_pulsar tests_support_pulsar Boost::json)
else()
  list(APPEND CHAVEIRO_BENCH_WITHOUT pulsar)  # it needs a broker that only answers
endif()

find_package(benchmark REQUIRED)
find_package(TBB REQUIRED)

# chaveiro_bench(NAME LIBS…)
function(chaveiro_bench NAME)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/${NAME}.cpp ${CMAKE_SOURCE_DIR}/bench/${NAME}_*.cpp)
  chaveiro_rooms_included_by(rooms missing ${sources})
  if(missing)
    message(STATUS "benchmark ${NAME} is left out: this preset does not build ${missing}")
    return()
  endif()
  add_executable(bench_${NAME} ${sources})
  target_link_libraries(bench_${NAME} PRIVATE ${rooms} ${ARGN} benchmark::benchmark TBB::tbb)
  target_include_directories(bench_${NAME} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_compile_options(bench_${NAME} PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(bench_${NAME} PROPERTIES OUTPUT_NAME ${NAME} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

# bench/a.cpp and bench/a_b.cpp are one benchmark, `a`.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.cpp)
set(bench_names "")
foreach(source ${bench_sources})
  get_filename_component(name ${source} NAME_WE)
  list(APPEND bench_names ${name})
endforeach()
list(REMOVE_ITEM bench_names ${CHAVEIRO_BENCH_WITHOUT})
foreach(name ${bench_names})
  set(is_part FALSE)
  foreach(other ${bench_names})
    if(name MATCHES "^${other}_")
      set(is_part TRUE)
    endif()
  endforeach()
  if(NOT is_part)
    chaveiro_bench(${name} ${CHAVEIRO_BENCH_LIBS_${name}})
  endif()
endforeach()
