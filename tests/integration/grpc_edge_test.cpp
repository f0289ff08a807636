// What the edge itself does: who may enter, until when, how much at once, and what strangers may send.
#include "tests/integration/grpc_edge.h"

#include <gmock/gmock.h>
#include <google/protobuf/empty.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using directory::Role;
using Stub = core::CoreDictService::Stub;
using ::grpc::StatusCode;

struct GrpcEdgeTest : GrpcEdge {
  Refusal get_key() {
    core::GetKeyRequest request;
    request.set_key_id("0190a5b0-7c3e-7000-8000-0123456789ab");
    core::GetKeyResponse response;
    return refusal_of(call(&Stub::GetKey, request, response));
  }
  // A raw unary call: status only.
  ::grpc::Status raw(const std::string& path, const std::string& bytes) {
    ::grpc::ClientContext context;
    prepare(context);
    const ::grpc::Slice slice(bytes);
    const ::grpc::ByteBuffer in(&slice, 1);
    ::grpc::ByteBuffer out;
    ::grpc::CompletionQueue queue;
    ::grpc::GenericStub generic(channel);
    const auto call = generic.PrepareUnaryCall(&context, path, in, &queue);
    ::grpc::Status status;
    call->StartCall();
    call->Finish(&out, &status, this);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    remember(context);
    return status;
  }
};

TEST_F(GrpcEdgeTest, who_is_not_known_does_not_enter) {
  as("");
  Refusal refused = get_key();
  EXPECT_EQ(refused.code, StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(refused.reason, "Unauthenticated");
  EXPECT_EQ(refused.domain, "dict.chaveiro");
  EXPECT_EQ(refused.request_id.size(), 36u);
  as("a.b.c");
  EXPECT_EQ(get_key().reason, "TokenInvalid");
  const std::string short_lived = token({Role::operator_});
  as(short_lived);
  clock.advance(24h * 366);
  EXPECT_EQ(get_key().reason, "TokenExpired");
  as(token({Role::operator_}, "33333333"));
  EXPECT_EQ(get_key().reason, "Forbidden");
  as("");
  with("x-api-key", "key of lb-connect");
  EXPECT_EQ(get_key().reason, "NotFound");
  with("x-api-key", "some other key");
  EXPECT_EQ(get_key().reason, "ApiKeyInvalid");
}

TEST_F(GrpcEdgeTest, the_request_id_is_taken_over_answered_and_told_in_errors) {
  with("x-request-id", "order-7");
  const Refusal refused = get_key();
  EXPECT_EQ(refused.request_id, "order-7");
  EXPECT_EQ(initial_metadata.find("x-request-id")->second, "order-7");
}

TEST_F(GrpcEdgeTest, the_trace_is_taken_over_and_named_in_the_answer) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  with("traceparent", trace);
  get_key();
  EXPECT_EQ(initial_metadata.find("traceparent")->second, trace);
  with("traceparent", "00-zz");
  get_key();
  EXPECT_NE(initial_metadata.find("traceparent")->second, trace);
  EXPECT_TRUE(TraceContext::parse(initial_metadata.find("traceparent")->second));
  get_key();
  EXPECT_EQ(initial_metadata.find("traceparent"), initial_metadata.end()) << "nobody asked for it";
}

// Each role with one call of each kind. What a user may not see is answered as if there were none.
TEST_F(GrpcEdgeTest, roles_may_what_they_may) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1);
  const auto forbidden = [](const ::grpc::Status& status) {
    const std::string reason = refusal_of(status).reason;
    return reason == "Forbidden" || reason == "NotFound";
  };
  struct Row {
    std::string token;
    bool read, write, block, look_up, statistics, audit, accounts;
  };
  const Row rows[] = {
      {token({Role::user}), false, false, false, true, false, false, false},
      {token({Role::operator_}), true, true, true, true, true, false, true},
      {token({Role::auditor}), true, false, false, false, true, true, false},
      {token({Role::admin}), true, true, true, true, true, true, true},
  };
  for (const Row& row : rows) {
    as(row.token);
    core::GetKeyRequest get;
    get.set_key_id(id);
    core::GetKeyResponse got;
    EXPECT_EQ(!forbidden(call(&Stub::GetKey, get, got)), row.read);
    core::UpdateKeyRequest update;
    update.set_key_id(id);
    update.set_account_holder_name("João da Silva");
    core::UpdateKeyResponse updated;
    EXPECT_EQ(!forbidden(call(&Stub::UpdateKey, update, updated)), row.write);
    core::UnblockKeyRequest unblock;
    unblock.set_key_id(id);
    unblock.set_order("court 7");
    core::UnblockKeyResponse unblocked;
    EXPECT_EQ(!forbidden(call(&Stub::UnblockKey, unblock, unblocked)), row.block);
    core::LookupKeyRequest lookup;
    lookup.mutable_key()->set_key_type(common::KEY_TYPE_CPF);
    lookup.mutable_key()->set_key_value(cpf_1);
    core::LookupKeyResponse found;
    EXPECT_EQ(!forbidden(call(&Stub::LookupKey, lookup, found)), row.look_up);
    core::GetStatisticsResponse counted;
    EXPECT_EQ(!forbidden(call(&Stub::GetStatistics, core::GetStatisticsRequest(), counted)), row.statistics);
    core::ListAuditEventsResponse events;
    EXPECT_EQ(!forbidden(call(&Stub::ListAuditEvents, core::ListAuditEventsRequest(), events)), row.audit);
    core::CreateAccountRequest create;
    common::Account& account = *create.mutable_account();
    account.set_account_type(common::ACCOUNT_TYPE_CHECKING);
    account.set_account_number("55");
    account.set_account_holder_name("Ana");
    account.set_account_holder_document(cpf_2);
    account.mutable_opened_at()->set_seconds(1'600'000'000);
    core::CreateAccountResponse made;
    EXPECT_EQ(!forbidden(call(&Stub::CreateAccount, create, made)), row.accounts);
  }
}

TEST_F(GrpcEdgeTest, a_user_touches_only_his_own_accounts) {
  const std::string mine = make_account(cpf_1, "1");
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_2, cpf_2);
  as(token({Role::user}, bank_a, {{mine}}));
  core::GetKeyRequest get;
  get.set_key_id(id);
  core::GetKeyResponse got;
  EXPECT_NE(refusal_of(call(&Stub::GetKey, get, got)).code, StatusCode::OK);
  core::ListKeysResponse list;
  ASSERT_TRUE(call(&Stub::ListKeys, core::ListKeysRequest(), list).ok());
  EXPECT_EQ(list.keys_size(), 0);
  core::CreateKeyRequest create;
  create.set_key_type(common::KEY_TYPE_CPF);
  create.set_key_value(cpf_1);
  create.set_account_id(mine);
  core::CreateKeyResponse created;
  EXPECT_TRUE(call(&Stub::CreateKey, create, created).ok());
}

TEST_F(GrpcEdgeTest, another_participants_key_is_not_told_apart_from_none) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1, cpf_1, bank_b);
  core::GetKeyRequest get;
  get.set_key_id(id);
  core::GetKeyResponse got;
  const Refusal foreign = refusal_of(call(&Stub::GetKey, get, got));
  EXPECT_EQ(foreign.code, StatusCode::NOT_FOUND);
  EXPECT_EQ(foreign.reason, get_key().reason);
}

TEST_F(GrpcEdgeTest, tells_what_a_limit_leaves_and_a_refusal_names_the_limit_and_when) {
  *limits.caller.lock() = {
      .allowed = true, .limit = 500, .remaining = 7, .reset_after = std::chrono::milliseconds{1'500}};
  core::ListKeysResponse list;
  ASSERT_TRUE(call(&Stub::ListKeys, core::ListKeysRequest(), list).ok());
  EXPECT_EQ(initial_metadata.find("x-ratelimit-limit")->second, "500");
  EXPECT_EQ(initial_metadata.find("x-ratelimit-remaining")->second, "7");
  EXPECT_EQ(initial_metadata.find("x-ratelimit-reset")->second, "2");
  *limits.caller.lock() = {
      .allowed = false, .limit = 500, .remaining = 0, .reset_after = std::chrono::milliseconds{1'500}, .rule = "reads"};
  const Refusal refused = refusal_of(call(&Stub::ListKeys, core::ListKeysRequest(), list));
  EXPECT_EQ(refused.code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.reason, "RateLimited");
  EXPECT_EQ(refused.quotas, std::vector<std::string>{"reads"});
  EXPECT_TRUE(refused.fields.empty());
  ASSERT_TRUE(refused.retry);
  EXPECT_EQ(refused.retry->retry_delay().seconds(), 1);
  EXPECT_EQ(refused.retry->retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(initial_metadata.find("x-ratelimit-remaining")->second, "0");
}

TEST_F(GrpcEdgeTest, a_full_pool_answers_with_a_delay_and_memory_hits_still_pass) {
  make_key(common::KEY_TYPE_CPF, cpf_1);
  core::LookupKeyRequest lookup;
  lookup.mutable_key()->set_key_type(common::KEY_TYPE_CPF);
  lookup.mutable_key()->set_key_value(cpf_1);
  core::LookupKeyResponse found;
  ASSERT_TRUE(call(&Stub::LookupKey, lookup, found).ok());  // now in memory

  server->stop(Deadline::in(5s));
  server.reset();
  pool->drain(Deadline::in(5s));
  pool = std::make_unique<Pool>(PoolOptions{.name = "tiny", .workers = 1, .queue_max = 0}, clock, log.logger("pool"),
                                metrics);
  start();
  std::promise<void> begun, go_on;
  ASSERT_TRUE(pool->submit(Deadline::never(), Job([&](Turn) {
                             begun.set_value();
                             go_on.get_future().wait();
                           })));
  begun.get_future().wait();
  const Refusal refused = get_key();
  EXPECT_EQ(refused.code, StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(refused.retry);
  EXPECT_GT(refused.retry->retry_delay().seconds() * 1'000'000'000 + refused.retry->retry_delay().nanos(), 0);
  EXPECT_TRUE(refused.quota);
  EXPECT_TRUE(call(&Stub::LookupKey, lookup, found).ok());
  EXPECT_EQ(found.source(), core::LOOKUP_SOURCE_MEMORY);
  core::HealthCheckResponse told;
  EXPECT_TRUE(call(&Stub::HealthCheck, google::protobuf::Empty(), told).ok());
  go_on.set_value();
}

TEST_F(GrpcEdgeTest, a_call_whose_time_runs_out_in_the_queue_is_never_begun) {
  server->stop(Deadline::in(5s));
  server.reset();
  pool->drain(Deadline::in(5s));
  pool = std::make_unique<Pool>(PoolOptions{.name = "one", .workers = 1}, clock, log.logger("pool"), metrics);
  start();
  std::promise<void> begun, go_on;
  ASSERT_TRUE(pool->submit(Deadline::never(), Job([&](Turn) {
                             begun.set_value();
                             go_on.get_future().wait();
                           })));
  begun.get_future().wait();
  core::GetKeyRequest request;
  core::GetKeyResponse response;
  ::grpc::ClientContext context;
  prepare(context);
  context.set_deadline(std::chrono::system_clock::now() + 30ms);
  EXPECT_EQ(stub->GetKey(&context, request, &response).error_code(), StatusCode::DEADLINE_EXCEEDED);
  go_on.set_value();
}

TEST_F(GrpcEdgeTest, what_is_no_message_too_large_or_unknown_is_refused_and_the_server_stays_up) {
  const std::string path = "/dict.core.v1.CoreDictService/GetKey";
  EXPECT_FALSE(raw(path, std::string("\x0a\xff\xff\xff\xff\xff\xff", 7)).ok());
  EXPECT_FALSE(raw(path, "\x0a\x02\xff\xfe").ok());  // a string that is not UTF-8
  EXPECT_EQ(raw(path, std::string(10u << 20, 'x')).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(raw("/dict.core.v1.CoreDictService/Nonsense", "").error_code(), StatusCode::UNIMPLEMENTED);
  const auto with_headers = [&](int n) {
    connect();
    for (int i = 0; i < n; ++i) with("x-header-" + std::to_string(i), "value");
    return raw(path, "").error_code();
  };
  // Beyond 16 KiB of headers gRPC answers and closes the connection. Who still writes his may see the closing first.
  EXPECT_EQ(with_headers(400), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(with_headers(10'000), testing::AnyOf(StatusCode::RESOURCE_EXHAUSTED, StatusCode::UNAVAILABLE));
  connect();
  EXPECT_EQ(get_key().reason, "NotFound");
}

TEST_F(GrpcEdgeTest, all_faulty_fields_are_told_at_once) {
  core::CreateKeyRequest create;
  create.set_key_type(static_cast<common::KeyType>(77));
  create.set_account_id("x");
  create.set_request_id("y");
  create.set_reason(static_cast<common::Reason>(99));
  core::CreateKeyResponse created;
  const Refusal refused = refusal_of(call(&Stub::CreateKey, create, created));
  EXPECT_EQ(refused.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused.fields, (std::vector<std::string>{"key_type", "account_id", "reason", "request_id"}));
}

// The standard service, by hand: HealthCheckRequest{1 service}, HealthCheckResponse{1 status; 1 SERVING, 2 NOT_SERVING}.
TEST_F(GrpcEdgeTest, the_standard_health_service_follows_readiness) {
  const auto status = [&]() -> int {
    ::grpc::ClientContext context;
    const ::grpc::ByteBuffer in;
    ::grpc::ByteBuffer out;
    ::grpc::CompletionQueue queue;
    ::grpc::GenericStub generic(channel);
    ::grpc::Slice empty;
    const ::grpc::ByteBuffer request(&empty, 1);
    const auto its_call = generic.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    ::grpc::Status answered;
    its_call->StartCall();
    its_call->Finish(&out, &answered, this);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    EXPECT_TRUE(answered.ok()) << answered.error_message();
    std::vector<::grpc::Slice> slices;
    EXPECT_TRUE(out.Dump(&slices).ok());
    return slices.empty() || slices[0].size() != 2 ? -1 : slices[0].begin()[1];
  };
  EXPECT_EQ(status(), 1);
  health.told.lock()->ready = false;
  server->publish_health();
  EXPECT_EQ(status(), 2);
  health.told.lock()->ready = true;
  server->publish_health();
  EXPECT_EQ(status(), 1);
  server->not_ready();
  EXPECT_EQ(status(), 2);
}

// ServerReflectionRequest{7 list_services}; the answer names every service as text.
TEST_F(GrpcEdgeTest, reflection_names_the_services) {
  ::grpc::GenericStub generic(channel);
  ::grpc::ClientContext context;
  ::grpc::CompletionQueue queue;
  const auto stream =
      generic.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  stream->StartCall(this);
  ASSERT_TRUE(next());
  const ::grpc::Slice slice(std::string("\x3a\x01*", 3));
  stream->Write(::grpc::ByteBuffer(&slice, 1), this);
  ASSERT_TRUE(next());
  ::grpc::ByteBuffer out;
  stream->Read(&out, this);
  ASSERT_TRUE(next());
  std::vector<::grpc::Slice> slices;
  ASSERT_TRUE(out.Dump(&slices).ok());
  std::string text;
  for (const auto& piece : slices) text.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  for (const std::string_view name :
       {"dict.core.v1.CoreDictService", "dict.admin.v1.AdminService", "grpc.health.v1.Health"})
    EXPECT_NE(text.find(name), std::string::npos) << name;
  context.TryCancel();
  ::grpc::Status status;
  stream->Finish(&status, this);
  next();
}

TEST_F(GrpcEdgeTest, stopping_lets_calls_under_way_end) {
  std::promise<void> begun, go_on;
  server->stop(Deadline::in(5s));
  server.reset();
  pool->drain(Deadline::in(5s));
  pool = std::make_unique<Pool>(PoolOptions{.name = "one", .workers = 1}, clock, log.logger("pool"), metrics);
  start();
  ASSERT_TRUE(pool->submit(Deadline::never(), Job([&](Turn) {
                             begun.set_value();
                             go_on.get_future().wait();
                           })));
  begun.get_future().wait();
  auto answer = std::async(std::launch::async, [&] { return get_key().reason; });
  while (pool->waiting() == 0) std::this_thread::yield();
  auto stopped = std::async(std::launch::async, [&] { server->stop(Deadline::in(20s)); });
  go_on.set_value();
  stopped.get();
  EXPECT_EQ(answer.get(), "NotFound");
}

TEST_F(GrpcEdgeTest, a_taken_port_is_told_and_not_shared) {
  api::grpc::ServerOptions options;
  options.port = server->port();
  const auto second_server = api::grpc::Server::start(
      options, {chain, directory, portabilities, page_tokens, *pool, health, nullptr, {}, clock});
  ASSERT_FALSE(second_server);
  EXPECT_EQ(second_server.error().code, Code::unavailable);
  EXPECT_NE(second_server.error().message.find(std::to_string(server->port())), std::string::npos);
}

}  // namespace
}  // namespace chaveiro
