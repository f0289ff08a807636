// app/program/client.h
//
// The command line's side of the gRPC API: where the server is, who asks, how long to wait, and how an answer becomes text or an
// exit code.
//
// Without --token and CHAVEIRO_TOKEN, the client makes itself a token of five minutes with the secret in the data folder: whoever
// can read that file is an administrator.
//
// Threads: one.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "api/status.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/result.h"
#include "dict/admin/v1/admin.grpc.pb.h"
#include "dict/core/v1/core.grpc.pb.h"

namespace chaveiro::app {

struct Output {
  bool json = false;
};

class Client {
 public:
  // `ispb`: for whom to ask; "": the first that is served.
  static Result<Client> connect(const Settings& settings, const std::string& ispb, Micros timeout);

  dict::core::v1::CoreDictService::Stub& core() { return *core_; }
  dict::admin::v1::AdminService::Stub& admin() { return *admin_; }
  void prepare(grpc::ClientContext& context, Micros timeout) const;
  void prepare(grpc::ClientContext& context) const { prepare(context, timeout_); }

  // Calls one method and prints the answer. Returns the exit code.
  template <class Stub, class Request, class Response>
  int call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
           const Request& request, const Output& output) {
    grpc::ClientContext context;
    prepare(context);
    Response response;
    if (const grpc::Status status = (stub.*method)(&context, request, &response); !status.ok())
      return failed(status, output);
    return printed(response, output);
  }

  static int printed(const google::protobuf::Message& message, const Output& output);
  static int failed(const grpc::Status& status, const Output& output);
  static int failed(const Error& error, const Output& output);
  static Error error_of(const grpc::Status& status);

 private:
  Client() = default;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<dict::core::v1::CoreDictService::Stub> core_;
  std::unique_ptr<dict::admin::v1::AdminService::Stub> admin_;
  std::string authorization_;
  Micros timeout_{};
};

}  // namespace chaveiro::app
