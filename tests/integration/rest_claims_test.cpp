// Claims through the wire, and what leaves records: look-ups, audit, statistics.
#include "tests/rest/edge.h"

namespace chaveiro::rest_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class RestClaims : public RestTest {
 protected:
  const std::string theirs = token({Role::operator_}, second);
  const std::string donor_account = make_account("0000000001").field("id");
  const std::string claimer_account = make_account("0000000002", "12345678909", theirs).field("id");
  const std::string entry = make_entry("PHONE", "+5511987654321", donor_account).field("id");

  Reply start(const std::string& extra = "") {
    return post(
        "/api/v1/claims",
        R"({"key_type":"PHONE","key":"+5511987654321","claimer_account_id":")" + claimer_account + "\"" + extra + "}",
        theirs);
  }
};

TEST_F(RestClaims, a_portability_goes_from_open_to_completed) {
  const Reply open = start();
  ASSERT_EQ(open.status, 201) << open.text;
  EXPECT_EQ(open.field("type"), "PORTABILITY");
  const std::string path = "/api/v1/claims/" + open.field("id");
  EXPECT_EQ(get("/api/v1/claims/incoming").items("claims"), 1u);
  EXPECT_EQ(get("/api/v1/claims/outgoing").items("claims"), 0u);
  EXPECT_EQ(get("/api/v1/claims/outgoing?status=OPEN", theirs).items("claims"), 1u);
  EXPECT_FALSE(get("/api/v1/entries/" + entry).json.find("open_claim")->is_null());
  EXPECT_EQ(post(path + "/acknowledge", "").field("status"), "WAITING_RESOLUTION");
  EXPECT_EQ(post(path + "/confirm", R"({"reason":"USER_REQUESTED"})").field("status"), "CONFIRMED");
  const Reply done = call({.method = Method::post,
                           .path = path + "/complete",
                           .token = theirs,
                           .headers = {{"Idempotency-Key", "take-it"}}});
  EXPECT_EQ(done.field("status"), "COMPLETED") << done.text;
  const Reply again = call({.method = Method::post,
                            .path = path + "/complete",
                            .token = theirs,
                            .headers = {{"Idempotency-Key", "take-it"}}});
  EXPECT_EQ(again.text, done.text);
  EXPECT_EQ(get("/api/v1/entries/" + done.field("completed_entry_id"), theirs).status, 200);
  EXPECT_EQ(get(path).text, done.text);
}

TEST_F(RestClaims, a_claim_is_cancelled_once_and_says_by_whom) {
  const std::string path = "/api/v1/claims/" + start(R"(,"type":"PORTABILITY")").field("id");
  EXPECT_EQ(start().reason(), "ClaimAlreadyExistsForKey");
  EXPECT_THAT(post(path + "/cancel", "{}", theirs).faulty(), ElementsAre("reason"));
  EXPECT_EQ(post(path + "/cancel", R"({"reason":"BRANCH_TRANSFER"})", theirs).reason(), "InvalidReason");
  const Reply cancelled = post(path + "/cancel", R"({"reason":"USER_REQUESTED","role":"CLAIMER"})", theirs);
  EXPECT_EQ(cancelled.field("cancelled_by"), "CLAIMER") << cancelled.text;
  EXPECT_EQ(post(path + "/acknowledge", "").reason(), "ClaimOperationInvalid");
}

TEST_F(RestClaims, what_cannot_be_claimed_is_refused) {
  EXPECT_EQ(start(R"(,"type":"OWNERSHIP")").reason(), "ClaimTypeInconsistent");
  EXPECT_EQ(
      post("/api/v1/claims",
           R"({"key_type":"PHONE","key":"+5511900000000","claimer_account_id":")" + claimer_account + "\"}", theirs)
          .reason(),
      "ClaimKeyNotFound");
  EXPECT_THAT(
      post("/api/v1/claims", R"({"key_type":"PHONE","key":"11","claimer_account_id":"x","type":"STEAL"})", theirs)
          .faulty(),
      ElementsAre("key", "claimer_account_id", "type"));
  EXPECT_EQ(get("/api/v1/claims/019a1b2c-3d4e-7f50-8a6b-7c8d9e0f1a2b").status, 404);
}

class RestLookups : public RestClaims {
 protected:
  Reply lookup(const std::string& body, const std::string& with = {}) { return post("/api/v1/lookups", body, with); }
  const std::string phone = R"({"key_type":"PHONE","key":"+5511987654321"})";
};

TEST_F(RestLookups, an_operator_sees_the_account_and_a_user_only_what_people_may_see) {
  const Reply whole = lookup(phone);
  EXPECT_EQ(whole.field("source"), "store");
  EXPECT_FALSE(whole.json.find("account")->is_null());
  const Reply masked = lookup(phone, token({Role::user}));
  ASSERT_EQ(masked.status, 200) << masked.text;
  EXPECT_TRUE(*masked.json.find("masked")->boolean());
  EXPECT_TRUE(masked.json.find("account")->is_null());
  EXPECT_EQ(*masked.json.find("owner")->find("tax_id")->text(), "***.456.789-**");
  EXPECT_THAT(masked.text, Not(HasSubstr("0000000001")));
  EXPECT_EQ(lookup_log.records, 2);
}

TEST_F(RestLookups, an_entry_in_memory_is_answered_without_the_pool) {
  memory.put(entries
                 .get({.caller = {"test", ours, {Role::admin}, {}}, .correlation_id = "t"},
                      directory::EntryId::parse(entry).value())
                 .value());
  pool.drain(Deadline::in(5s));
  EXPECT_EQ(lookup(phone).field("source"), "memory");
  // What is not in memory needs the pool, which has stopped.
  EXPECT_EQ(lookup(R"({"key_type":"PHONE","key":"+5511900000000"})").status, 503);
}

TEST_F(RestLookups, a_foreign_key_needs_its_payer) {
  const std::string other = R"({"key_type":"PHONE","key":"+5511900000000")";
  EXPECT_THAT(lookup(other + "}").faulty(), ElementsAre("PI-PayerId", "PI-EndToEndId"));
  const std::string end_to_end = "E1234567820260110030012345678901";
  EXPECT_EQ(lookup(other + R"(,"payer_id":"12345678909","end_to_end_id":")" + end_to_end + "\"}").reason(), "NotFound");
  const auto by_header = [&](const std::string& body, const std::string& payer) {
    return call({.method = Method::post,
                 .path = "/api/v1/lookups",
                 .body = body,
                 .token = operator_token(),
                 .headers = {{"PI-PayerId", payer}, {"PI-EndToEndId", end_to_end}}});
  };
  EXPECT_EQ(by_header(other + "}", "12345678909").reason(), "NotFound");
  EXPECT_THAT(by_header(other + R"(,"payer_id":"11144477735"})", "12345678909").faulty(), ElementsAre("PI-PayerId"));
  EXPECT_THAT(by_header(other + "}", "123").faulty(), ElementsAre("PI-PayerId"));
}

TEST_F(RestLookups, a_batch_answers_each_for_itself) {
  const Reply batch =
      post("/api/v1/lookups/batch", R"({"lookups":[)" + phone + R"(,{"key_type":"EMAIL","key":"nobody@b.com"}]})");
  ASSERT_EQ(batch.status, 200) << batch.text;
  const auto& results = *batch.json.find("results")->list();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(*results[0].find("status")->integer(), 200);
  EXPECT_EQ(*results[1].find("status")->integer(), 400);
  EXPECT_THAT(post("/api/v1/lookups/batch", R"({"lookups":[{"key_type":"CPF","key":"1"},{"key_type":"X","key":"1"}]})")
                  .faulty(),
              ElementsAre("lookups[0].key", "lookups[1].key_type"));
  EXPECT_THAT(post("/api/v1/lookups/batch", R"({"lookups":[]})").faulty(), ElementsAre("lookups"));
  std::string many = phone;
  for (int i = 0; i < 100; ++i) many += "," + phone;
  EXPECT_THAT(post("/api/v1/lookups/batch", R"({"lookups":[)" + many + "]}").faulty(), ElementsAre("lookups"));
}

TEST_F(RestLookups, a_look_up_that_cannot_be_recorded_is_refused) {
  lookup_log.full = true;
  const Reply reply = lookup(phone);
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.reason(), "LookupLogFull");
}

TEST_F(RestLookups, every_change_stands_in_the_audit) {
  const std::string auditor = token({Role::auditor});
  const Reply events = get("/api/v1/audit-events", auditor);
  EXPECT_EQ(events.items("audit_events"), 2u);
  EXPECT_EQ(get("/api/v1/audit-events?operation=create_entry&resource_id=" + entry, auditor).items("audit_events"), 1u);
  EXPECT_EQ(get("/api/v1/audit-events?actor=nobody&from=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", auditor)
                .items("audit_events"),
            0u);
  EXPECT_THAT(get("/api/v1/audit-events?from=yesterday&until=9999-12-31T00:00:00Z&resource_id=1", auditor).faulty(),
              testing::UnorderedElementsAre("from", "until", "resource_id"));
  const Reply numbers = get("/api/v1/statistics", auditor);
  EXPECT_EQ(*numbers.json.find("accounts")->integer(), 1);
}

// The first event of a list, newest first.
Json event_of(const Reply& reply) {
  const Json* events = reply.json.find("audit_events");
  return events && events->list() && !events->list()->empty() ? events->list()->front() : Json();
}
std::string text_of(const Json& event, std::string_view name) {
  const Json* value = event.find(name);
  return value && value->text() ? *value->text() : "";
}

TEST_F(RestLookups, the_audit_shows_what_stood_before_and_after_as_far_as_the_reader_may_see_it) {
  const std::string path = "/api/v1/audit-events?resource_id=" + entry;
  const Json made = event_of(get(path, token({Role::auditor})));
  EXPECT_EQ(text_of(made, "content"), "MASKED");
  EXPECT_TRUE(made.find("before")->is_null());
  EXPECT_THAT(text_of(made, "after"), AllOf(HasSubstr("\"status\":\"ACTIVE\""), HasSubstr("***.456.789-**"),
                                            Not(HasSubstr("12345678909")), Not(HasSubstr("Maria"))));
  const Json whole = event_of(get(path, token({Role::admin})));
  EXPECT_EQ(text_of(whole, "content"), "FULL");
  EXPECT_THAT(text_of(whole, "after"), AllOf(HasSubstr("12345678909"), HasSubstr("Maria Silva")));
  post("/api/v1/entries/" + entry + "/delete", R"({"reason":"USER_REQUESTED"})");
  const Json gone = event_of(get(path, token({Role::auditor})));
  EXPECT_THAT(text_of(gone, "before"), HasSubstr("\"status\":\"ACTIVE\""));
  EXPECT_THAT(text_of(gone, "after"), HasSubstr("\"status\":\"DELETED\""));
}

TEST_F(RestLookups, the_audit_shows_an_erased_person_to_nobody_also_when_he_comes_back) {
  ASSERT_EQ(post("/api/v1/entries/" + entry + "/delete", R"({"reason":"USER_REQUESTED"})").status, 200);
  ASSERT_EQ(post("/api/v1/accounts/" + donor_account + "/close", "").status, 200);
  ASSERT_EQ(post("/api/v1/accounts/" + claimer_account + "/close", "", theirs).status, 200);
  ASSERT_TRUE(store.erase_person("12345678909", {"admin", "c"}, clock.now(), Deadline::in(5s)));
  const std::string path = "/api/v1/audit-events?resource_id=" + entry;
  const auto expect_erased = [&] {
    const Json event = event_of(get(path, token({Role::admin})));
    EXPECT_EQ(text_of(event, "content"), "ERASED");
    EXPECT_TRUE(event.find("before")->is_null());
    EXPECT_TRUE(event.find("after")->is_null());
  };
  expect_erased();
  make_account("0000000077");
  expect_erased();
  EXPECT_EQ(text_of(event_of(get("/api/v1/audit-events", token({Role::admin}))), "content"), "FULL");
}

}  // namespace
}  // namespace chaveiro::rest_test
