# examples/NAME/main.cpp: built in the tree and run as the test Examples.NAME; it ends with 0 when it saw what it promises.
# (That an installed package serves outside projects is shown with examples/cache_memory, see install.cmake.)
foreach(name cache_aside cache_read_through cache_write_through cache_write_around cache_write_behind)
  add_executable(example_${name} examples/${name}/main.cpp)
  target_link_libraries(example_${name} PRIVATE chaveiro_cache)
  target_compile_options(example_${name} PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(example_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples_in_tree)
  add_test(NAME Examples.${name} COMMAND example_${name})
  set_tests_properties(Examples.${name} PROPERTIES TIMEOUT 60)
endforeach()

# Those of the Redis client take the URL of a server; tests/integration/redis_client_examples_test.cpp runs them.
foreach(name redis_basic redis_pipeline redis_stream redis_cluster)
  add_executable(example_${name} examples/${name}/main.cpp)
  target_link_libraries(example_${name} PRIVATE chaveiro_clients_redis)
  target_compile_options(example_${name} PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(example_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples_in_tree)
  add_dependencies(redis_client_test example_${name})
endforeach()
