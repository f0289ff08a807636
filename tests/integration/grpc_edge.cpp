#include "tests/integration/grpc_edge.h"

#include <algorithm>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

Result<void> needs(const directory::Context& context, directory::Role role) {
  if (context.caller.roles.has(role) || context.caller.roles.has(directory::Role::admin)) return {};
  return fail(Code::forbidden, "Forbidden", "the caller may not do this here");
}
Result<void> needs_admin(const directory::Context& context) { return needs(context, directory::Role::admin); }

class PlayedImport final : public api::ImportRun {
 public:
  explicit PlayedImport(Guarded<std::string>& into) : into_(into) {}
  Result<api::ImportProgress> feed(std::string_view piece) override {
    *into_.lock() += piece;
    progress_.lines += static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
    return progress_;
  }
  Result<api::ImportProgress> finish() override {
    progress_.imported = progress_.lines;
    progress_.faults = {{2, "key", "is not a CPF"}};
    return progress_;
  }

 private:
  Guarded<std::string>& into_;
  api::ImportProgress progress_;
};

api::AuthOptions auth_options(GrpcEdge& edge) {
  api::AuthOptions options;
  options.hs256_secret = edge.jwt_secret;
  options.served = {edge.first, edge.second};
  options.api_keys = {{"lb-connect", Secret("key of lb-connect"), *api::api_key_roles("lb-connect")},
                      {"backoffice", Secret("key of backoffice"), *api::api_key_roles("backoffice")}};
  return options;
}

}  // namespace

Result<api::LogSettings> PlayedAdmin::log_settings(const Context& context) {
  TRY_VOID(needs_admin(context));
  return *settings_.lock();
}
Result<api::LogSettings> PlayedAdmin::set_log(const Context& context, std::optional<std::string> level,
                                              std::optional<std::uint32_t> access_log_one_in) {
  TRY_VOID(needs_admin(context));
  auto settings = settings_.lock();
  if (level) settings->level = *level;
  if (access_log_one_in) settings->access_log_one_in = *access_log_one_in;
  return *settings;
}
Result<void> PlayedAdmin::revoke(const Context& context, const api::Revocation& revocation) {
  TRY_VOID(needs_admin(context));
  return revocations_.revoke(revocation);
}
Result<std::vector<api::Revocation>> PlayedAdmin::revocations(const Context& context) {
  TRY_VOID(needs_admin(context));
  return revocations_.list();
}
Result<void> PlayedAdmin::reload_keys(const Context& context) { return needs_admin(context); }
Result<api::BackupAnswer> PlayedAdmin::backup(const Context& context, std::string_view name) {
  TRY_VOID(needs_admin(context));
  return api::BackupAnswer{"backups/" + std::string(name), 42};
}
Result<std::unique_ptr<api::ImportRun>> PlayedAdmin::import(const Context& context, api::ImportFormat) {
  TRY_VOID(needs(context, directory::Role::operator_));
  return std::unique_ptr<api::ImportRun>(new PlayedImport(imported));
}
Result<std::uint64_t> PlayedAdmin::export_entries(const Context& context, api::ImportFormat,
                                                  const std::function<bool(std::string_view)>& line) {
  TRY_VOID(needs(context, directory::Role::operator_));
  for (std::uint64_t i = 0; i < export_lines; ++i)
    if (!line("{\"line\":" + std::to_string(i) + "}")) return i;
  return export_lines;
}
Result<api::AuditVerification> PlayedAdmin::verify_audit(const Context& context,
                                                         const std::vector<std::string>& anchors) {
  TRY_VOID(needs(context, directory::Role::auditor));
  return api::AuditVerification{7, {{"changes", "missing", "w", 202601, 3, "record 3 is missing"}}, anchors};
}
Result<std::uint64_t> PlayedAdmin::erase_person(const Context& context, std::string_view tax_id) {
  TRY_VOID(needs_admin(context));
  return tax_id.size();
}
Result<std::uint64_t> PlayedAdmin::purge(const Context& context, UtcTime) {
  TRY_VOID(needs_admin(context));
  return 5;
}

Refusal refusal_of(const ::grpc::Status& status) {
  Refusal refusal{.code = status.error_code()};
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  EXPECT_TRUE(status.ok() || rich.code() == status.error_code());
  EXPECT_TRUE(status.ok() || rich.message() == status.error_message());
  for (const auto& any : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RequestInfo request;
    google::rpc::BadRequest bad;
    google::rpc::ResourceInfo resource;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) refusal.reason = info.reason(), refusal.domain = info.domain();
    if (any.UnpackTo(&request)) refusal.request_id = request.request_id();
    if (any.UnpackTo(&bad))
      for (const auto& violation : bad.field_violations()) refusal.fields.push_back(violation.field());
    if (any.UnpackTo(&resource)) refusal.resource = resource;
    if (any.UnpackTo(&retry)) refusal.retry = retry;
    if (google::rpc::QuotaFailure quota; any.UnpackTo(&quota)) {
      refusal.quota = true;
      for (const auto& violation : quota.violations()) refusal.quotas.push_back(violation.subject());
    }
  }
  return refusal;
}

GrpcEdge::GrpcEdge()
    : authenticator(auth_options(*this), clock, *revocations),
      chain({}, authenticator, &limits, clock, log.logger("api"), metrics) {
  CHECK(authenticator.reload().has_value());
  pool = std::make_unique<Pool>(PoolOptions{.name = "edge", .workers = 4}, clock, log.logger("pool"), metrics);
  start();
  as(token({directory::Role::operator_}));
}

GrpcEdge::~GrpcEdge() {
  if (server) server->stop(Deadline::in(5s));
  if (pool) pool->drain(Deadline::in(5s));
}

void GrpcEdge::start(api::grpc::ServerOptions options) {
  if (server) server->stop(Deadline::in(5s));
  server.reset();
  options.port = 0;
  auto started = api::grpc::Server::start(
      options, {chain, directory, portabilities, page_tokens, *pool, health, &played_admin, {}, clock});
  ASSERT_TRUE(started) << started.error().message;
  server = std::move(*started);
  connect();
}

void GrpcEdge::connect() {
  ::grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel = ::grpc::CreateCustomChannel(address(), ::grpc::InsecureChannelCredentials(), arguments);
  stub = core::CoreDictService::NewStub(channel);
}

std::string GrpcEdge::token(std::initializer_list<directory::Role> roles, const std::string& ispb,
                            std::optional<std::vector<std::string>> its_accounts) {
  api::TokenRequest request{"joana", directory::Ispb::parse(ispb).value(), roles, {}, "", "", 24h * 365};
  if (its_accounts) {
    request.accounts.emplace();
    for (const auto& id : *its_accounts) request.accounts->push_back(directory::AccountId::parse(id).value());
  }
  return api::issue_token(request, jwt_secret, clock.now()).value();
}

void GrpcEdge::prepare(::grpc::ClientContext& context) {
  if (!bearer_.empty()) context.AddMetadata("authorization", "Bearer " + bearer_);
  for (const auto& [name, value] : extra_) context.AddMetadata(name, value);
  extra_.clear();
}

void GrpcEdge::remember(const ::grpc::ClientContext& context) {
  initial_metadata.clear();
  for (const auto& [name, value] : context.GetServerInitialMetadata())
    initial_metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
}

std::string GrpcEdge::make_account(const std::string& tax_id, const std::string& number, const std::string& ispb) {
  core::CreateAccountRequest request;
  common::Account& account = *request.mutable_account();
  account.set_account_type(common::ACCOUNT_TYPE_PAYMENT);
  account.set_account_number(number);
  account.set_branch_code("0001");
  account.set_account_holder_name("João da Silva");
  account.set_account_holder_document(tax_id);
  account.mutable_opened_at()->set_seconds(1'600'000'000);
  const std::string before = std::exchange(bearer_, token({directory::Role::operator_}, ispb));
  core::CreateAccountResponse response;
  const auto status = call(&core::CoreDictService::Stub::CreateAccount, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  bearer_ = before;
  return response.account().account_id();
}

std::string GrpcEdge::make_key(common::KeyType type, const std::string& value, const std::string& tax_id,
                               const std::string& ispb) {
  core::CreateKeyRequest request;
  request.set_key_type(type);
  request.set_key_value(value);
  request.set_account_id(make_account(tax_id, "1234567", ispb));
  const std::string before = std::exchange(bearer_, token({directory::Role::operator_}, ispb));
  core::CreateKeyResponse response;
  const auto status = call(&core::CoreDictService::Stub::CreateKey, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  bearer_ = before;
  return response.key_id();
}

}  // namespace chaveiro
