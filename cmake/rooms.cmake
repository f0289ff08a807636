# The rooms, bottom to top, and the outside libraries that their .cpp files use.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
find_package(yaml-cpp REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
if(CHAVEIRO_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  enable_testing()
endif()

chaveiro_room(base LIBS OpenSSL::Crypto PUBLIC_LIBS Threads::Threads)
chaveiro_room(cache DEPS base LIBS OpenSSL::Crypto PkgConfig::ZSTD)
if(CHAVEIRO_TESTS)
  add_test(NAME cache_test_packed COMMAND cache_test --gtest_filter=Tiered*)
  set_tests_properties(cache_test_packed PROPERTIES TIMEOUT 120 ENVIRONMENT CHAVEIRO_TEST_PACKED=1)
endif()
chaveiro_room(limits DEPS base LIBS OpenSSL::Crypto yaml-cpp TEST_LIBS Boost::json)
chaveiro_room(events DEPS base LIBS Boost::json)
chaveiro_room(events_log DIR src/events/log DEPS events)
if(CHAVEIRO_TESTS)
  chaveiro_test(event_bus_log_contract_test SOURCES tests/contract/event_bus_log_test.cpp LIBS chaveiro_events_log)
  chaveiro_test(event_log_power_test SOURCES tests/integration/event_log_power_test.cpp tests/integration/event_move_test.cpp
                tests/integration/fault_disk.cpp
                LIBS chaveiro_events_log)
endif()
chaveiro_room(net DEPS base LIBS OpenSSL::SSL OpenSSL::Crypto)
chaveiro_room(directory DEPS base events LIBS OpenSSL::Crypto Boost::json)

chaveiro_room(vsync DEPS directory events)

pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
chaveiro_room(clients_pulsar_wire DIR src/clients/pulsar/wire DEPS base LIBS PkgConfig::LZ4 PkgConfig::ZSTD)
chaveiro_room(clients_pulsar DIR src/clients/pulsar DEPS base events net clients_pulsar_wire LIBS Boost::json)
if(CHAVEIRO_TESTS)
  add_library(tests_support_pulsar STATIC tests/support/scripted_broker.cpp)
  target_link_libraries(tests_support_pulsar PUBLIC chaveiro_clients_pulsar_wire)
  target_include_directories(tests_support_pulsar PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(tests_support_pulsar PRIVATE ${CHAVEIRO_WARNINGS})
  chaveiro_test(pulsar_scripted_test SOURCES tests/integration/pulsar_scripted_test.cpp
                LIBS chaveiro_clients_pulsar tests_support_pulsar)
  chaveiro_pulsar_test(pulsar_wire_test SOURCES tests/integration/pulsar_wire_test.cpp LIBS chaveiro_clients_pulsar_wire)
  chaveiro_pulsar_test(event_bus_pulsar_test SOURCES tests/contract/event_bus_pulsar_test.cpp LIBS chaveiro_clients_pulsar)
  chaveiro_pulsar_test(pulsar_client_test SOURCES tests/integration/pulsar_client_test.cpp LIBS chaveiro_clients_pulsar)
  chaveiro_pulsar_test(pulsar_interop_test SOURCES tests/integration/pulsar_interop_test.cpp LIBS chaveiro_clients_pulsar)
  chaveiro_pulsar_test(pulsar_bad_days_test SOURCES tests/integration/pulsar_bad_days_test.cpp LIBS chaveiro_clients_pulsar)
  # It kills the broker, which as a standalone one is never quite itself again: the others come first.
  set_tests_properties(pulsar_bad_days_test PROPERTIES RUN_SERIAL TRUE DEPENDS
                       "pulsar_wire_test;event_bus_pulsar_test;pulsar_client_test;pulsar_interop_test;event_kill_pulsar;e2e.pulsar;Examples.pulsar_basic")
endif()
chaveiro_room(clients_memory DIR src/clients/memory DEPS directory vsync)
chaveiro_room(clients_postgres DIR src/clients/postgres DEPS directory vsync cache LIBS PkgConfig::PQ OpenSSL::Crypto)
chaveiro_room(clients_sqlite DIR src/clients/sqlite DEPS directory vsync cache LIBS SQLite::SQLite3 OpenSSL::Crypto)
if(CHAVEIRO_TESTS)
  chaveiro_test(memory_store_contract_test SOURCES tests/contract/memory_store_test.cpp LIBS chaveiro_clients_memory)
  chaveiro_test(sqlite_store_contract_test SOURCES tests/contract/sqlite_store_test.cpp LIBS chaveiro_clients_sqlite)
  chaveiro_test(store_file_test SOURCES tests/integration/store_file_test.cpp LIBS chaveiro_clients_sqlite)
  chaveiro_test(store_power_cut_test SOURCES tests/integration/store_power_cut_test.cpp tests/integration/fault_vfs.cpp
                LIBS chaveiro_clients_sqlite SQLite::SQLite3 LABELS slow)
  add_executable(store_kill_child tests/integration/store_kill_child.cpp)
  target_link_libraries(store_kill_child PRIVATE chaveiro_clients_sqlite)
  target_include_directories(store_kill_child PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(store_kill_child PRIVATE ${CHAVEIRO_WARNINGS})
  chaveiro_test(store_kill_test SOURCES tests/integration/store_kill_test.cpp LIBS chaveiro_clients_sqlite LABELS slow
                TIMEOUT 300)
  target_compile_definitions(store_kill_test PRIVATE CHAVEIRO_KILL_CHILD="$<TARGET_FILE:store_kill_child>")
  add_dependencies(store_kill_test store_kill_child)
  add_executable(event_kill_child tests/integration/event_kill_child.cpp)
  target_link_libraries(event_kill_child PRIVATE chaveiro_clients_pulsar chaveiro_clients_sqlite chaveiro_events_log)
  target_include_directories(event_kill_child PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(event_kill_child PRIVATE ${CHAVEIRO_WARNINGS})
  # kill -9 does not test the disk, whose syncs (2,300 in five kills a step) would make most of the time.
  set(event_kill_environment EVENT_KILLS=3)
  if(EXISTS /dev/shm)
    set(event_kill_environment TMPDIR=/dev/shm)
    set(event_kill_folder TMPDIR=/dev/shm)
  endif()
  chaveiro_test(event_kill_test SOURCES tests/integration/event_kill_test.cpp tests/integration/event_kill_ledger.cpp LIBS chaveiro_clients_sqlite LABELS slow TIMEOUT 300
                ENVIRONMENT ${event_kill_environment})
  target_compile_definitions(event_kill_test PRIVATE CHAVEIRO_KILL_CHILD="$<TARGET_FILE:event_kill_child>")
  add_dependencies(event_kill_test event_kill_child)
  # The broker is killed instead. The long form: EVENT_BROKER_KILLS=50.
  add_executable(event_broker_kill_test tests/integration/event_broker_kill_test.cpp tests/integration/event_kill_ledger.cpp)
  target_link_libraries(event_broker_kill_test PRIVATE chaveiro_clients_sqlite GTest::gtest_main)
  target_include_directories(event_broker_kill_test PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(event_broker_kill_test PRIVATE ${CHAVEIRO_WARNINGS})
  target_compile_definitions(event_broker_kill_test PRIVATE CHAVEIRO_KILL_CHILD="$<TARGET_FILE:event_kill_child>")
  set_target_properties(event_broker_kill_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_dependencies(event_broker_kill_test event_kill_child)
  add_test(NAME event_broker_kill_test COMMAND event_broker_kill_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(event_broker_kill_test PROPERTIES FIXTURES_REQUIRED pulsar TIMEOUT 1500 LABELS slow RUN_SERIAL TRUE
                       DEPENDS pulsar_bad_days_test
                       ENVIRONMENT "EVENT_BROKER_KILLS=1;PULSAR_AT=${CMAKE_BINARY_DIR}/pulsar/url;${event_kill_folder}")
  # The program again, over the broker. The long form: EVENT_KILLS=50.
  add_test(NAME event_kill_pulsar COMMAND event_kill_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(event_kill_pulsar PROPERTIES FIXTURES_REQUIRED pulsar TIMEOUT 900 LABELS slow
                       ENVIRONMENT "EVENT_KILLS=1;PULSAR_AT=${CMAKE_BINARY_DIR}/pulsar/url")
  chaveiro_test(memory_tier_contract_test SOURCES tests/contract/memory_tier_test.cpp LIBS chaveiro_cache)
  chaveiro_test(sqlite_tier_contract_test SOURCES tests/contract/sqlite_tier_test.cpp LIBS chaveiro_clients_sqlite)
endif()

if(CHAVEIRO_TESTS)
  # Real servers for tests of whatever room.
  add_library(tests_support STATIC tests/support/child_process.cpp tests/support/resp_socket.cpp tests/support/redis_server.cpp)
  target_link_libraries(tests_support PUBLIC chaveiro_base OpenSSL::Crypto)
  target_include_directories(tests_support PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(tests_support PRIVATE ${CHAVEIRO_WARNINGS})
  target_compile_definitions(tests_support PRIVATE CHAVEIRO_SOURCE="${CMAKE_SOURCE_DIR}")
  chaveiro_test(tests_support_test SOURCES tests/support/redis_server_test.cpp LIBS tests_support)
  add_library(tests_support_postgres STATIC tests/support/postgres_server.cpp)
  target_link_libraries(tests_support_postgres PUBLIC tests_support PRIVATE PkgConfig::PQ)
  target_compile_options(tests_support_postgres PRIVATE ${CHAVEIRO_WARNINGS})
  target_compile_definitions(tests_support_postgres PRIVATE CHAVEIRO_SOURCE="${CMAKE_SOURCE_DIR}")
  chaveiro_test(tests_support_postgres_test SOURCES tests/support/postgres_server_test.cpp LIBS tests_support_postgres)
  # One ctest case for each program: its tests share a server, each on a database of its own.
  chaveiro_postgres_test(postgres_store_contract_test SOURCES tests/contract/postgres_store_test.cpp)
  chaveiro_postgres_test(postgres_tier_contract_test SOURCES tests/contract/postgres_tier_test.cpp)
  chaveiro_postgres_test(postgres_schema_test SOURCES tests/integration/postgres_security_test.cpp
                         tests/integration/postgres_migrations_test.cpp)
  chaveiro_postgres_test(postgres_replica_test SOURCES tests/integration/postgres_replica_test.cpp
                         tests/integration/postgres_failover_test.cpp)
  chaveiro_postgres_test(postgres_bad_days_test SOURCES tests/integration/postgres_bad_days_test.cpp LIBS OpenSSL::Crypto
                         LABELS slow)
  set_tests_properties(postgres_bad_days_test PROPERTIES TIMEOUT 1500)
endif()

chaveiro_room(clients_redis_wire DIR src/clients/redis/wire DEPS base)
chaveiro_room(clients_redis DIR src/clients/redis DEPS cache limits net clients_redis_wire LIBS OpenSSL::SSL OpenSSL::Crypto
              TEST_LIBS tests_support)
if(CHAVEIRO_TESTS)
  # One ctest case: its tests share servers.
  add_executable(redis_tier_contract_test tests/contract/redis_tier_test.cpp)
  target_link_libraries(redis_tier_contract_test PRIVATE chaveiro_clients_redis tests_support GTest::gmock GTest::gtest_main)
  target_compile_options(redis_tier_contract_test PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(redis_tier_contract_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME redis_tier_contract COMMAND redis_tier_contract_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(redis_tier_contract PROPERTIES TIMEOUT 120)
  file(GLOB redis_client_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/integration/redis_client_*_test.cpp)
  add_executable(redis_client_test ${redis_client_tests})
  target_link_libraries(redis_client_test PRIVATE chaveiro_clients_redis tests_support GTest::gmock GTest::gtest_main)
  target_compile_options(redis_client_test PRIVATE ${CHAVEIRO_WARNINGS})
  target_compile_definitions(redis_client_test PRIVATE CHAVEIRO_SOURCE="${CMAKE_SOURCE_DIR}"
                             CHAVEIRO_EXAMPLES="${CMAKE_BINARY_DIR}/examples_in_tree")
  set_target_properties(redis_client_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME redis_client COMMAND redis_client_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(redis_client PROPERTIES TIMEOUT 300)
  chaveiro_test(redis_invalidation_test SOURCES tests/integration/redis_invalidation_test.cpp
                LIBS chaveiro_clients_redis tests_support)
  chaveiro_test(redis_tracking_test SOURCES tests/integration/redis_tracking_test.cpp
                LIBS chaveiro_clients_redis tests_support)
  chaveiro_test(redis_chaos_test SOURCES tests/chaos/redis_chaos_test.cpp tests/chaos/fault_proxy.cpp
                LIBS chaveiro_clients_redis tests_support LABELS chaos serial)
  chaveiro_test(redis_leases_test SOURCES tests/integration/redis_leases_test.cpp LIBS chaveiro_clients_redis tests_support)
endif()

if(CHAVEIRO_TESTS)
  chaveiro_test(redis_limits_test SOURCES tests/integration/redis_limits_test.cpp LIBS chaveiro_clients_redis tests_support)
  target_compile_definitions(redis_limits_test PRIVATE CHAVEIRO_SOURCE="${CMAKE_SOURCE_DIR}")
  chaveiro_test(redis_limits_cluster_test SOURCES tests/integration/redis_limits_cluster_test.cpp
                LIBS chaveiro_clients_redis tests_support)
  chaveiro_test(redis_over_admission_test ENVIRONMENT TSAN_OPTIONS=die_after_fork=0 SOURCES tests/integration/redis_over_admission_test.cpp
                LIBS chaveiro_clients_redis tests_support LABELS serial)
  chaveiro_test(redis_policies_failover_test SOURCES tests/integration/redis_policies_failover_test.cpp
                LIBS chaveiro_clients_redis tests_support)
  # The same once more on Valkey 8 (./dev setup test brings it). Without it they fail.
  foreach(test tests_support redis_tier_contract redis_client redis_invalidation redis_tracking redis_leases redis_limits
               redis_limits_cluster)
    add_test(NAME valkey.${test} COMMAND ${test}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(valkey.${test} PROPERTIES TIMEOUT 300 LABELS valkey ENVIRONMENT CHAVEIRO_REDIS_PROGRAM=valkey-server
                         ENVIRONMENT_MODIFICATION PATH=path_list_append:${CMAKE_SOURCE_DIR}/.cache/tools/bin)
  endforeach()
endif()

# What both edges share (src/api), then the edges themselves.
chaveiro_room(api DEPS directory cache limits LIBS OpenSSL::Crypto Boost::json)
chaveiro_room(api_rest DIR src/api/rest DEPS api net LIBS Boost::json OpenSSL::Crypto)
include(cmake/embed.cmake)
chaveiro_embed(chaveiro_api_rest chaveiro::api::rest page_html=src/api/rest/page/page.html page_css=src/api/rest/page/page.css
               page_js=src/api/rest/page/page.js)
if(CHAVEIRO_TESTS)
  file(GLOB rest_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/integration/rest_*_test.cpp)
  chaveiro_test(event_schemas_test SOURCES tests/contract/event_schemas_test.cpp LIBS chaveiro_api_rest chaveiro_vsync)
  chaveiro_test(rest_test SOURCES ${rest_tests} LIBS chaveiro_api_rest chaveiro_clients_memory)
endif()

if(CHAVEIRO_GRPC)
  include(cmake/proto.cmake)
  chaveiro_room(api_grpc DIR src/api/grpc DEPS api net LIBS chaveiro_proto gRPC::grpc++ gRPC::grpc++_reflection
                PRECOMPILED <grpcpp/grpcpp.h> <dict/core/v1/core.grpc.pb.h> <dict/admin/v1/admin.grpc.pb.h>)
endif()

# The only room that knows everybody: settings, wiring, commands.
chaveiro_room(app DEPS api cache directory events events_log limits vsync clients_memory clients_postgres clients_pulsar clients_redis clients_sqlite
              LIBS Boost::json yaml-cpp)
if(CHAVEIRO_TESTS)
  chaveiro_postgres_test(postgres_copy_test SOURCES tests/integration/postgres_copy_test.cpp LIBS chaveiro_app)
endif()

if(CHAVEIRO_TESTS)
  if(CHAVEIRO_GRPC)
    file(GLOB grpc_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/integration/grpc_*.cpp)
    chaveiro_test(grpc_edge_test SOURCES ${grpc_tests}
                  LIBS chaveiro_api_grpc chaveiro_clients_memory chaveiro_proto gRPC::grpc++ OpenSSL::Crypto)
  endif()
  chaveiro_test(import_test SOURCES tests/integration/import_test.cpp LIBS chaveiro_app)
  chaveiro_test(record_cache_test SOURCES tests/integration/record_cache_test.cpp tests/integration/responses_test.cpp
                tests/simulation/directory_world.cpp tests/simulation/store_memory.cpp LIBS chaveiro_app Boost::json)
  add_executable(record_cache_sqlite tests/integration/record_cache_test.cpp tests/simulation/directory_world.cpp
                 tests/simulation/store_sqlite.cpp)
  target_link_libraries(record_cache_sqlite PRIVATE chaveiro_app GTest::gtest_main)
  target_include_directories(record_cache_sqlite PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(record_cache_sqlite PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(record_cache_sqlite PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME record_cache_sqlite COMMAND record_cache_sqlite WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(record_cache_sqlite PROPERTIES TIMEOUT 300)
  if(EXISTS /dev/shm)
    set_tests_properties(record_cache_sqlite PROPERTIES ENVIRONMENT TMPDIR=/dev/shm)
  endif()
  file(GLOB directory_simulation CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/simulation/directory_*.cpp)
  add_library(directory_simulation OBJECT ${directory_simulation})
  target_link_libraries(directory_simulation PUBLIC chaveiro_directory Boost::json GTest::gtest)
  target_include_directories(directory_simulation PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(directory_simulation PRIVATE ${CHAVEIRO_WARNINGS})
  chaveiro_test(directory_simulation_test SOURCES tests/simulation/store_memory.cpp
                LIBS directory_simulation chaveiro_clients_memory)
  # The same once more over SQLite, as one test; but for the table of claim steps, whose 320 databases show nothing new.
  add_executable(directory_simulation_sqlite tests/simulation/store_sqlite.cpp)
  target_link_libraries(directory_simulation_sqlite PRIVATE directory_simulation chaveiro_clients_sqlite GTest::gtest_main)
  target_compile_options(directory_simulation_sqlite PRIVATE ${CHAVEIRO_WARNINGS})
  set_target_properties(directory_simulation_sqlite PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME directory_simulation_sqlite COMMAND directory_simulation_sqlite --gtest_filter=-ClaimTable.*
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(directory_simulation_sqlite PROPERTIES TIMEOUT 300)
  if(EXISTS /dev/shm)
    # What is tested here is not the disk, which the thousands of fsyncs would wait for.
    set_tests_properties(directory_simulation_sqlite PROPERTIES ENVIRONMENT TMPDIR=/dev/shm)
  endif()
endif()

if(CHAVEIRO_GRPC AND TARGET chaveiro_api_grpc AND TARGET chaveiro_api_rest)
  file(GLOB program_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/app/program/*.cpp)
  add_executable(chaveiro ${program_sources})
  target_link_libraries(chaveiro PRIVATE chaveiro_app chaveiro_api_grpc chaveiro_api_rest chaveiro_proto Boost::json gRPC::grpc++)
  target_compile_options(chaveiro PRIVATE ${CHAVEIRO_WARNINGS})
  target_compile_definitions(chaveiro PRIVATE CHAVEIRO_VERSION="${PROJECT_VERSION}")
  if(NOT CHAVEIRO_SANITIZE)
    # Takes the place of malloc: gRPC allocates dozens of times in a call. Nothing names a symbol of it, so one is asked for.
    find_package(mimalloc REQUIRED)
    target_link_libraries(chaveiro PRIVATE mimalloc)
    target_link_options(chaveiro PRIVATE -Wl,--undefined=mi_version)
  endif()
endif()

if(CHAVEIRO_TESTS AND TARGET chaveiro)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  foreach(test cache chaos events limits official_examples server tls)
    add_test(NAME e2e.${test} COMMAND ${Python3_EXECUTABLE} -m unittest -v ${test}_test
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
    set_tests_properties(e2e.${test} PROPERTIES TIMEOUT 300 LABELS e2e
                         ENVIRONMENT "CHAVEIRO_PROGRAM=$<TARGET_FILE:chaveiro>;PYTHONDONTWRITEBYTECODE=1")
  endforeach()
  # What does not look into the database's file, once more with PostgreSQL.
  add_test(NAME e2e.postgres COMMAND ${Python3_EXECUTABLE} with_postgres.py official_examples_test server_test cache_test
                   events_test nodes_test backup_test
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
  set_tests_properties(e2e.postgres PROPERTIES TIMEOUT 300 LABELS e2e
                       ENVIRONMENT "CHAVEIRO_PROGRAM=$<TARGET_FILE:chaveiro>;PYTHONDONTWRITEBYTECODE=1")
  # Events through a broker, with Pulsar's own Python client on the other side.
  add_test(NAME e2e.pulsar COMMAND ${Python3_EXECUTABLE} -m unittest -v pulsar_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
  set_tests_properties(e2e.pulsar PROPERTIES TIMEOUT 300 LABELS e2e FIXTURES_REQUIRED pulsar
                       ENVIRONMENT "CHAVEIRO_PROGRAM=$<TARGET_FILE:chaveiro>;PYTHONDONTWRITEBYTECODE=1;PYTHONPATH=${CMAKE_SOURCE_DIR}/.cache/pulsar/python;PULSAR_AT=${CMAKE_BINARY_DIR}/pulsar/url")
  add_test(NAME deploy.alarms COMMAND promtool test rules deploy/prometheus/events.rules.test.yml deploy/prometheus/jobs.rules.test.yml
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(deploy.alarms PROPERTIES TIMEOUT 120 ENVIRONMENT_MODIFICATION PATH=path_list_append:${CMAKE_SOURCE_DIR}/.cache/tools/bin)
  # Several nodes on one PostgreSQL and one Redis.
  add_test(NAME e2e.cache_nodes COMMAND ${Python3_EXECUTABLE} with_postgres.py cache_nodes_test
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
  set_tests_properties(e2e.cache_nodes PROPERTIES TIMEOUT 300 LABELS e2e
                       ENVIRONMENT "CHAVEIRO_PROGRAM=$<TARGET_FILE:chaveiro>;PYTHONDONTWRITEBYTECODE=1")
  add_test(NAME e2e.leaders COMMAND ${Python3_EXECUTABLE} with_postgres.py leaders_test
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
  set_tests_properties(e2e.leaders PROPERTIES TIMEOUT 900 LABELS e2e
                       ENVIRONMENT "CHAVEIRO_PROGRAM=$<TARGET_FILE:chaveiro>;PYTHONDONTWRITEBYTECODE=1")
endif()
