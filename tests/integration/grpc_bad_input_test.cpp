// What strangers and broken clients send to the gRPC edge: each gets a clear error that names the field, and the server stays up.
#include <gmock/gmock.h>

#include "net/test_peer.h"
#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using Stub = core::CoreDictService::Stub;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct GrpcBadInput : GrpcEdge {
  ~GrpcBadInput() override {
    core::HealthCheckResponse told;
    EXPECT_TRUE(call(&Stub::HealthCheck, google::protobuf::Empty(), told).ok()) << "the server did not stay up";
  }
};

TEST_F(GrpcBadInput, keys_with_control_or_full_width_characters_are_refused_and_not_repeated) {
  const std::string account = make_account(cpf_1, "1");
  for (const std::string& key : {std::string("\x01joana@example.com"), std::string("joana\n@example.com"),
                                 std::string("joana\0@example.com", 18), std::string("ｊoana@example.com"),
                                 std::string("joana＠example.com"), std::string(100'000, 'a')}) {
    core::CreateKeyRequest create;
    create.set_key_type(common::KEY_TYPE_EMAIL);
    create.set_key_value(key);
    create.set_account_id(account);
    core::CreateKeyResponse created;
    const auto status = call(&Stub::CreateKey, create, created);
    EXPECT_THAT(refusal_of(status).fields, ElementsAre("key_value"));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("example.com")));
    core::LookupKeyRequest lookup;
    lookup.mutable_key()->set_key_type(common::KEY_TYPE_EMAIL);
    lookup.mutable_key()->set_key_value(key);
    core::LookupKeyResponse found;
    EXPECT_THAT(refusal_of(call(&Stub::LookupKey, lookup, found)).fields, ElementsAre("key.key_value"));
  }
}

TEST_F(GrpcBadInput, dates_beyond_range_are_named) {
  as(token({directory::Role::auditor}));
  for (const std::int64_t seconds : {INT64_MAX, INT64_MIN, std::int64_t{253'402'300'800}}) {
    core::ListAuditEventsRequest request;
    request.mutable_from()->set_seconds(seconds);
    request.mutable_until()->set_nanos(-1);
    core::ListAuditEventsResponse events;
    EXPECT_THAT(refusal_of(call(&Stub::ListAuditEvents, request, events)).fields, ElementsAre("from", "until"));
  }
}

TEST_F(GrpcBadInput, endless_pages_and_forged_or_cut_tokens_are_named_by_every_list) {
  for (const std::int32_t size : {INT32_MAX, -1, 201}) {
    core::ListAccountsRequest request;
    request.set_page_size(size);
    core::ListAccountsResponse page;
    EXPECT_THAT(refusal_of(call(&Stub::ListAccounts, request, page)).fields, ElementsAre("page_size"));
  }
  make_account(cpf_1, "1");
  make_account(cpf_1, "2");
  core::ListAccountsRequest request;
  request.set_page_size(1);
  core::ListAccountsResponse page;
  ASSERT_TRUE(call(&Stub::ListAccounts, request, page).ok());
  const std::string good = page.next_page_token();
  ASSERT_FALSE(good.empty());
  std::string forged = good;
  forged[0] = forged[0] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {forged, good.substr(0, good.size() / 2), good + "A", std::string(100'000, 'A')}) {
    request.set_page_token(bad);
    const Refusal refused = refusal_of(call(&Stub::ListAccounts, request, page));
    EXPECT_EQ(refused.reason, "PageTokenInvalid");
    EXPECT_THAT(refused.fields, ElementsAre("page_token"));
  }
}

TEST_F(GrpcBadInput, a_token_that_is_forged_cut_or_expired_does_not_enter) {
  const std::string good = token({directory::Role::operator_});
  const auto reason = [&](const std::string& bearer) {
    as(bearer);
    core::ListAccountsResponse page;
    const Refusal refused = refusal_of(call(&Stub::ListAccounts, core::ListAccountsRequest(), page));
    EXPECT_EQ(refused.code, ::grpc::StatusCode::UNAUTHENTICATED);
    return refused.reason;
  };
  EXPECT_EQ(reason(good.substr(0, good.size() - 1)), "TokenInvalid");
  EXPECT_EQ(reason("x" + good.substr(1)), "TokenInvalid");
  clock.advance(24h * 366);
  EXPECT_EQ(reason(good), "TokenExpired");
}

// Some of what is on the wire before a call is one: nothing, half of the preface, the preface and a frame that never ends, HTTP/1.
TEST_F(GrpcBadInput, half_requests_hurt_nobody) {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9);
  const std::string endless_headers("\x00\x40\x00\x01\x00\x00\x00\x00\x01", 9);
  const std::string oversized("\xff\xff\xff\x00\x00\x00\x00\x00\x01", 9);
  for (const std::string& bytes : {std::string(), preface.substr(0, 7), preface + settings + endless_headers + "abc",
                                   preface + settings + oversized, std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                   std::string(70'000, '\xff')}) {
    net::TestPeer peer = net::TestPeer::connect(server->port());
    ASSERT_TRUE(peer.connected());
    peer.send(bytes);
    core::HealthCheckResponse told;
    EXPECT_TRUE(call(&Stub::HealthCheck, google::protobuf::Empty(), told).ok());
    peer.reset();
  }
}

}  // namespace
}  // namespace chaveiro
