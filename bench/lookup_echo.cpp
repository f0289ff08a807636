#include "bench/lookup_echo.h"

#include <dict/core/v1/core.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "bench/lookup_requests.h"

namespace chaveiro::bench {
namespace {

namespace core = dict::core::v1;

class CallbackEcho final : public core::CoreDictService::CallbackService {
 public:
  explicit CallbackEcho(const core::LookupKeyResponse& answer) : answer_(answer) {}
  grpc::ServerUnaryReactor* LookupKey(grpc::CallbackServerContext* context, const core::LookupKeyRequest* in,
                                      core::LookupKeyResponse* out) override {
    *out = answer_;
    *out->mutable_key() = in->key();
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const core::LookupKeyResponse answer_;
};

class SyncEcho final : public core::CoreDictService::Service {
 public:
  explicit SyncEcho(const core::LookupKeyResponse& answer) : answer_(answer) {}
  grpc::Status LookupKey(grpc::ServerContext*, const core::LookupKeyRequest* in,
                         core::LookupKeyResponse* out) override {
    *out = answer_;
    *out->mutable_key() = in->key();
    return grpc::Status::OK;
  }

 private:
  const core::LookupKeyResponse answer_;
};

// Request and answer both begin with the key as field 1, and messages laid end to end are one message: the request's bytes and
// behind them a rest that is always the same are the answer. The benchmark's requests hold nothing but the key.
class RawEcho final : public core::CoreDictService::WithRawCallbackMethod_LookupKey<core::CoreDictService::Service> {
 public:
  explicit RawEcho(core::LookupKeyResponse answer)
      : rest_([&] {
          answer.clear_key();
          return answer.SerializeAsString();
        }()) {}
  grpc::ServerUnaryReactor* LookupKey(grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                      grpc::ByteBuffer* out) override {
    std::vector<grpc::Slice> slices;
    auto* reactor = context->DefaultReactor();
    const grpc::Status read = in->Dump(&slices);
    slices.push_back(rest_);
    *out = grpc::ByteBuffer(slices.data(), slices.size());
    reactor->Finish(read);
    return reactor;
  }

 private:
  const grpc::Slice rest_;
};

core::LookupKeyResponse answer_in(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  core::LookupKeyResponse answer;
  if (!in || !answer.ParseFromString(text.str())) stop("cannot read an answer from " + file);
  return answer;
}

std::unique_ptr<grpc::Service> service_of(const std::string& kind, const core::LookupKeyResponse& answer) {
  if (kind == "callback") return std::make_unique<CallbackEcho>(answer);
  if (kind == "sync") return std::make_unique<SyncEcho>(answer);
  if (kind == "raw") return std::make_unique<RawEcho>(answer);
  stop("an echo server is callback, sync or raw");
}

}  // namespace

int serve_echo(const std::string& kind, const std::string& template_file) {
  sigset_t stopping;
  sigemptyset(&stopping);
  sigaddset(&stopping, SIGTERM);
  sigaddset(&stopping, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stopping, nullptr);
  const auto service = service_of(kind, answer_in(template_file));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service.get());
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) stop("the echo server cannot listen");
  std::printf("gRPC 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&stopping, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace chaveiro::bench
