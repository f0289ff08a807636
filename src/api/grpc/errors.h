// api/grpc/errors.h
//
// An Error as a gRPC status: code, message, and a google.rpc.Status with its details in grpc-status-details-bin.
//
// Threads: pure functions.
#pragma once

#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "base/result.h"

namespace chaveiro::api::grpc {

// What a call was about, for ResourceInfo: "entry", "account", "claim" and its id; never a personal key.
struct Resource {
  std::string type;
  std::string name;
};

google::rpc::Status rich_status(const Error& error, const std::string& request_id,
                                const std::optional<Resource>& resource);
::grpc::Status grpc_status(const Error& error, const std::string& request_id, const std::optional<Resource>& resource);

}  // namespace chaveiro::api::grpc
