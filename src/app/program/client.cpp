#include "app/program/client.h"

#include <grpc/support/log.h>

#include <cstdio>

#include "api/auth.h"
#include "app/keyring.h"
#include "app/program/print.h"
#include "base/file.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace chaveiro::app {
namespace {

Result<std::string> own_token(const Settings& settings, const std::string& ispb_text) {
  Secret secret = settings.jwt_secret;
  if (secret.empty()) {
    TRY(const Keyring keyring, Keyring::open(settings.data));
    secret = keyring.token_secret();
  }
  TRY(const directory::Ispb ispb, directory::Ispb::parse(ispb_text.empty() ? settings.ispbs.front() : ispb_text));
  api::TokenRequest request;
  request.subject = "command-line";
  request.ispb = ispb;
  request.roles = {directory::Role::admin};
  request.issuer = settings.jwt_issuer;
  request.audience = settings.jwt_audience;
  request.lifetime = std::chrono::minutes{5};
  return api::issue_token(request, secret, SystemClock{}.now());
}

Result<std::string> pem_of(const std::string& file) {
  if (file.empty()) return std::string();
  auto text = read_file(file, 1u << 20);
  if (!text) return fail(Code::invalid, "BadSetting", text.error().message);
  return text;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials(const Settings& settings) {
  if (settings.ca_file.empty()) return std::shared_ptr<grpc::ChannelCredentials>(grpc::InsecureChannelCredentials());
  grpc::SslCredentialsOptions options;
  TRY(options.pem_root_certs, pem_of(settings.ca_file));
  TRY(options.pem_cert_chain, pem_of(settings.cert_file));
  TRY(options.pem_private_key, pem_of(settings.cert_key_file));
  return std::shared_ptr<grpc::ChannelCredentials>(grpc::SslCredentials(options));
}

template <class Detail>
bool unpack(const google::protobuf::Any& any, Detail& detail) {
  return any.Is<Detail>() && any.UnpackTo(&detail);
}

}  // namespace

Result<Client> Client::connect(const Settings& settings, const std::string& ispb, Micros timeout) {
  Client client;
  client.timeout_ = timeout;
  if (!settings.token.empty()) {
    client.authorization_ = "Bearer " + std::string(settings.token.expose());
  } else {
    TRY(const std::string token, own_token(settings, ispb));
    client.authorization_ = "Bearer " + token;
  }
  const std::string address =
      settings.server.empty() ? "127.0.0.1:" + std::to_string(settings.grpc_port) : settings.server;
  TRY(const auto channel_credentials, credentials(settings));
  // What it would write to stderr stands in the status, too, and there we say what to do about it.
  gpr_set_log_function([](gpr_log_func_args*) {});
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  client.channel_ = grpc::CreateCustomChannel(address, channel_credentials, arguments);
  client.core_ = dict::core::v1::CoreDictService::NewStub(client.channel_);
  client.admin_ = dict::admin::v1::AdminService::NewStub(client.channel_);
  return client;
}

void Client::prepare(grpc::ClientContext& context, Micros timeout) const {
  if (timeout.count() > 0) context.set_deadline(std::chrono::system_clock::now() + timeout);
  context.AddMetadata("authorization", authorization_);
}

Error Client::error_of(const grpc::Status& status) {
  Error error = fail(api::code_of_grpc(status.error_code()), "", status.error_message());
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return error;
  for (const auto& any : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (unpack(any, info)) error.reason = info.reason();
    if (unpack(any, bad)) {
      for (const auto& violation : bad.field_violations())
        error.violations.push_back({violation.field(), violation.description()});
    }
    if (unpack(any, retry)) {
      error.retry_after =
          std::chrono::milliseconds{retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000};
    }
  }
  return error;
}

int Client::printed(const google::protobuf::Message& message, const Output& output) {
  const std::string text = output.json ? to_json(message) + "\n" : for_people(message);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

int Client::failed(const Error& error, const Output& output) {
  const std::string text = output.json ? to_json(error) + "\n" : for_people(error);
  std::fwrite(text.data(), 1, text.size(), stderr);
  return api::status_row(error.code).exit;
}

int Client::failed(const grpc::Status& status, const Output& output) { return failed(error_of(status), output); }

}  // namespace chaveiro::app
