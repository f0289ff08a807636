#include "api/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log_sink.h"

namespace chaveiro::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Secret secret("0123456789abcdef0123456789abcdef");

struct ChainTest : testing::Test, RateLimits {
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Registry metrics;
  std::unique_ptr<Revocations> revocations = Revocations::open("", clock).value();
  directory::Ispb ispb = directory::Ispb::parse("12345678").value();
  Authenticator authenticator{AuthOptions{.hs256_secret = secret, .served = {ispb}}, clock, *revocations};
  Chain chain{{}, authenticator, this, clock, log.logger("api"), metrics};
  std::string bearer =
      "Bearer " + issue_token({"joana", ispb, {directory::Role::user}, {}, "", "", 1h}, secret, clock.now()).value();

  RateAnswer by_ip, by_caller;
  std::vector<std::string> asked;
  RateAnswer ask_ip(std::string_view ip) override { return asked.push_back("ip " + std::string(ip)), by_ip; }
  void count_ip(std::string_view ip) override { asked.push_back("count " + std::string(ip)); }
  RateAnswer ask_caller(const directory::Caller& caller, std::string_view operation) override {
    return asked.push_back(caller.subject + " " + std::string(operation)), by_caller;
  }
  void give_back(const directory::Caller&, std::string_view operation, std::int64_t holder) override {
    asked.push_back("give back " + std::string(operation) + " " + std::to_string(holder));
  }

  RequestHead head() {
    return {.edge = Edge::rest, .operation = "GetKey", .peer_ip = "10.0.0.1", .credentials = {.authorization = bearer}};
  }
  std::string refusal(const RequestHead& its_head) {
    const Call call = chain.begin(its_head);
    return call.admitted() ? "" : call.admitted().error().reason;
  }
};

TEST_F(ChainTest, an_admitted_call_knows_who_asks_and_until_when) {
  Call call = chain.begin(head());
  ASSERT_TRUE(call.admitted());
  EXPECT_EQ(call.context().caller.subject, "joana");
  EXPECT_LE(call.context().deadline.remaining(), 5s);
  EXPECT_GT(call.context().deadline.remaining(), 4s);
  EXPECT_EQ(asked, (std::vector<std::string>{"ip 10.0.0.1", "joana GetKey"}));
  call.finish();
}

TEST_F(ChainTest, takes_over_a_usable_request_id_and_makes_one_otherwise) {
  const auto id_for = [&](std::string_view given) {
    RequestHead its = head();
    its.request_id = given;
    Call call = chain.begin(its);
    call.finish();
    return call.request_id();
  };
  EXPECT_EQ(id_for("order-7:a"), "order-7:a");
  EXPECT_EQ(id_for("").size(), 36u);
  EXPECT_EQ(id_for("two\r\nlines").size(), 36u);
  EXPECT_EQ(id_for(std::string(129, 'a')).size(), 36u);
  EXPECT_EQ(id_for(std::string(128, 'a')).size(), 128u);
  EXPECT_NE(id_for(""), id_for(""));
}

TEST_F(ChainTest, a_request_id_that_is_a_uuid_4_can_stand_in_for_the_official_one) {
  RequestHead its = head();
  its.request_id = "7f1d9c1e-5b0a-4f3e-9c55-0d6d3c1f2a11";
  Call call = chain.begin(its);
  EXPECT_EQ(to_string(*call.sent_request_id()), its.request_id);
  call.finish();
  its.request_id = "7f1d9c1e-5b0a-7f3e-9c55-0d6d3c1f2a11";
  Call other = chain.begin(its);
  EXPECT_FALSE(other.sent_request_id());
  other.finish();
}

TEST_F(ChainTest, the_callers_time_is_capped_and_a_deadline_that_has_passed_is_refused) {
  RequestHead its = head();
  its.timeout = 10min;
  Call call = chain.begin(its);
  EXPECT_LE(call.context().deadline.remaining(), 30s);
  EXPECT_GT(call.context().deadline.remaining(), 29s);
  call.finish();
  its.timeout = 0s;
  EXPECT_EQ(refusal(its), "DeadlineExceeded");
  its.timeout = -1s;
  EXPECT_EQ(refusal(its), "DeadlineExceeded");
}

TEST_F(ChainTest, the_address_is_limited_before_anybody_is_authenticated) {
  by_ip = {.allowed = false, .limit = 100, .remaining = 0, .reset_after = 700ms};
  RequestHead its = head();
  its.credentials = {};
  const Call call = chain.begin(its);
  ASSERT_FALSE(call.admitted());
  EXPECT_EQ(call.admitted().error().code, Code::exhausted);
  EXPECT_EQ(call.admitted().error().retry_after, 700ms);
  EXPECT_EQ(call.rate()->limit, 100u);
}

TEST_F(ChainTest, strangers_behind_one_address_do_not_shut_out_a_caller_who_is_known) {
  chain.begin(head()).finish();
  by_ip = {.allowed = false, .limit = 100, .remaining = 0, .reset_after = 700ms};
  asked.clear();
  Call call = chain.begin(head());
  ASSERT_TRUE(call.admitted());
  EXPECT_EQ(call.context().caller.subject, "joana");
  EXPECT_EQ(asked, (std::vector<std::string>{"joana GetKey"}));
  call.finish();
  RequestHead stranger = head();
  stranger.credentials = {};
  EXPECT_EQ(refusal(stranger), "RateLimited");
}

TEST_F(ChainTest, the_address_pays_for_callers_that_nobody_knows_and_for_nobody_else) {
  RequestHead its = head();
  its.credentials = {};
  EXPECT_EQ(refusal(its), "Unauthenticated");
  EXPECT_EQ(asked, (std::vector<std::string>{"ip 10.0.0.1", "count 10.0.0.1"}));
  asked.clear();
  its.access = Access::open;
  its.operation = "Other";
  chain.begin(its).finish();
  EXPECT_EQ(asked, (std::vector<std::string>{"ip 10.0.0.1", "count 10.0.0.1"}));
  asked.clear();
  its.operation = "HealthCheck";
  chain.begin(its).finish();
  EXPECT_EQ(asked, (std::vector<std::string>{"ip 10.0.0.1"})) << "a probe is no burden";
}

TEST_F(ChainTest, a_refusal_names_the_limit) {
  by_caller = {.allowed = false, .limit = 50, .remaining = 0, .reset_after = 1200ms, .rule = "create_claim"};
  const Call call = chain.begin(head());
  ASSERT_FALSE(call.admitted());
  EXPECT_EQ(call.admitted().error().message, "the limit create_claim of 50 is reached");
}

TEST_F(ChainTest, a_place_among_calls_at_once_is_given_back_once_however_the_call_ends) {
  chain.begin(head()).finish();  // from here on the token is known, and the address is not asked
  asked.clear();
  by_caller.holder = 7;
  const std::vector<std::string> expected{"joana GetKey", "give back GetKey 7"};
  chain.begin(head()).finish();
  EXPECT_EQ(asked, expected);
  asked.clear();
  chain.begin(head()).finish(fail(Code::unavailable, "Away", "away"));
  EXPECT_EQ(asked, expected);
  asked.clear();
  { const Call fell_over = chain.begin(head()); }
  EXPECT_EQ(asked, expected);
}

TEST_F(ChainTest, open_calls_need_no_token_and_others_do) {
  RequestHead its = head();
  its.credentials = {};
  EXPECT_EQ(refusal(its), "Unauthenticated");
  its.access = Access::open;
  Call call = chain.begin(its);
  EXPECT_TRUE(call.admitted());
  call.finish();
}

TEST_F(ChainTest, the_trace_goes_on_where_one_came_and_begins_where_none_did) {
  RequestHead its = head();
  its.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  Call call = chain.begin(its);
  its.tracestate = "vendor=1";
  Call with_state = chain.begin(its);
  EXPECT_EQ(with_state.trace().tracestate(), "vendor=1");
  with_state.finish();
  EXPECT_EQ(call.trace().trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  call.finish();
  its.traceparent = "00-zz";
  Call other = chain.begin(its);
  EXPECT_EQ(other.trace().trace_id().size(), 32u);
  other.finish();
}

TEST_F(ChainTest, every_call_is_counted_once_by_its_code) {
  chain.begin(head()).finish();
  chain.begin(head()).finish(fail(Code::not_found, "NotFound", "no such key"));
  RequestHead its = head();
  its.credentials = {};
  EXPECT_EQ(refusal(its), "Unauthenticated");
  { const Call fell_over = chain.begin(head()); }
  const std::string text = metrics.expose();
  for (const std::string_view line : {R"(dict_requests_total{code="ok",edge="rest",operation="GetKey"} 1)",
                                      R"(dict_requests_total{code="not_found",edge="rest",operation="GetKey"} 1)",
                                      R"(dict_requests_total{code="unauthenticated",edge="rest",operation="GetKey"} 1)",
                                      R"(dict_requests_total{code="internal",edge="rest",operation="GetKey"} 1)",
                                      R"(dict_request_duration_seconds_count{edge="rest",operation="GetKey"} 4)"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST_F(ChainTest, more_waiting_calls_than_the_adaptive_limit_are_refused_with_a_delay_and_long_ones_pass) {
  ChainOptions tight;
  tight.reads = {.min = 1, .initial = 1, .max = 1};
  Registry other;
  Chain narrow(tight, authenticator, nullptr, clock, log.logger("api"), other);
  Call first = narrow.begin(head());
  ASSERT_TRUE(first.enter());
  Call second = narrow.begin(head());
  ASSERT_TRUE(second.admitted());
  const auto entered = second.enter();
  ASSERT_FALSE(entered);
  EXPECT_EQ(entered.error().code, Code::exhausted);
  EXPECT_TRUE(entered.error().retry_after);
  second.finish(entered.error());
  RequestHead stream = head();
  stream.long_limit = 1h;
  Call third = narrow.begin(stream);
  EXPECT_TRUE(third.enter());
  EXPECT_GT(third.context().deadline.remaining(), 59min);
  third.finish();
  RequestHead write = head();
  write.operation = "CreateKey";
  Call fourth = narrow.begin(write);
  EXPECT_TRUE(fourth.enter());
  fourth.finish();
  first.finish();
  Call fifth = narrow.begin(head());
  EXPECT_TRUE(fifth.enter());
  fifth.finish();
}

TEST_F(ChainTest, an_operation_that_nobody_knows_makes_no_label) {
  RequestHead its = head();
  its.operation = "/dict.core.v1.CoreDictService/Nonsense";
  chain.begin(its).finish();
  EXPECT_THAT(metrics.expose(), HasSubstr(R"(dict_requests_total{code="ok",edge="rest",operation="Other"} 1)"));
}

TEST_F(ChainTest, faults_of_ours_are_always_logged_in_full_and_others_only_as_sampled) {
  log.set_access_sample(0);
  chain.begin(head()).finish();
  chain.begin(head()).finish(fail(Code::not_found, "NotFound", "no such key"));
  EXPECT_TRUE(sink.lines().empty());
  chain.begin(head()).finish(fail(Code::internal, "Odd", "the store answered nonsense"));
  ASSERT_EQ(sink.lines().size(), 1u);
  EXPECT_THAT(sink.lines()[0], HasSubstr("the store answered nonsense"));
  log.set_access_sample(1);
  chain.begin(head()).finish();
  ASSERT_EQ(sink.lines().size(), 2u);
  EXPECT_THAT(sink.lines()[1], HasSubstr(R"("operation":"GetKey")"));
}

}  // namespace
}  // namespace chaveiro::api
