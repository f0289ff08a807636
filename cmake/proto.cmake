# The gRPC contracts of proto/ as one library, generated and built once, with the compiler's warnings off: nobody reads it.
find_package(Protobuf 3.21 REQUIRED)
find_package(gRPC 1.51 CONFIG REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

set(proto_out ${CMAKE_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${proto_out})

# chaveiro_proto_library(TARGET FILES… SERVICES…): SERVICES are the files that define services.
function(chaveiro_proto_library TARGET)
  cmake_parse_arguments(P "" "" "FILES;SERVICES" ${ARGN})
  set(generated "")
  foreach(file ${P_FILES} ${P_SERVICES})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    set(made ${proto_out}/${stem}.pb.cc ${proto_out}/${stem}.pb.h)
    set(arguments --cpp_out=${proto_out})
    if(file IN_LIST P_SERVICES)
      list(APPEND made ${proto_out}/${stem}.grpc.pb.cc ${proto_out}/${stem}.grpc.pb.h)
      list(APPEND arguments --grpc_out=${proto_out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    endif()
    add_custom_command(
      OUTPUT ${made}
      COMMAND protobuf::protoc ${arguments} -I ${CMAKE_SOURCE_DIR}/proto ${file}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${file}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/proto
      VERBATIM)
    list(APPEND generated ${made})
  endforeach()
  add_library(${TARGET} STATIC ${generated})
  target_include_directories(${TARGET} SYSTEM PUBLIC ${proto_out})
  target_compile_options(${TARGET} PRIVATE -w)
  target_link_libraries(${TARGET} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()

chaveiro_proto_library(chaveiro_proto
  FILES google/rpc/status.proto google/rpc/error_details.proto dict/common/v1/common.proto
        envoy/config/core/v3/base.proto envoy/extensions/common/ratelimit/v3/ratelimit.proto
  SERVICES dict/core/v1/core.proto dict/admin/v1/admin.proto envoy/service/ratelimit/v3/rls.proto)
