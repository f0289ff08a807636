// Every event that a commit makes fits the schema that is published for its type (docs/events).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "directory/chronicle.h"
#include "directory/happened.h"
#include "events/topics.h"
#include "tests/contract/samples.h"
#include "tests/rest/openapi_checker.h"
#include "vsync/sync_answers.h"

namespace chaveiro::contract {
namespace {

std::vector<std::string> faults_of(const std::string& body, const std::string& type) {
  const auto schema = read_file("docs/events/" + type + ".schema.json", 1 << 20);
  if (!schema) return {"no schema is published for " + type};
  const rest_test::OpenApi document(*schema);
  const auto value = api::rest::parse_json(body, {.depth_max = 40, .values_max = 10'000});
  if (!value) return {"the body is not JSON"};
  return document.faults(*value, document.document());
}

// The change is stored as a commit with this sequence; answers its events.
std::vector<events::OutboxEvent> told(Change change, std::uint64_t sequence) {
  change.ispb = our_ispb;
  change.at = day_one;
  change.operation = "test";
  change.actor = {"somebody", "c-1"};
  stamp(change, sequence);
  return events_of(change, sequence);
}

template <class T>
Change change_to(const T& before, const T& after) {
  Change change;
  change.writes.push_back(Put<T>{before, after});
  return change;
}
template <class T>
Change made(const T& after) {
  Change change;
  change.writes.push_back(Put<T>{{}, after});
  return change;
}

TEST(EventSchemas, every_event_of_every_kind_of_commit_fits) {
  const Account account = account_of(1);
  Account no_branch = account_of(2);
  no_branch.branch.reset();
  no_branch.holder = {PersonType::legal, "12345678000195", "Empresa \"X\"", "Loja"};
  Account closed = account;
  closed.status = AccountStatus::closed;
  const Entry entry = entry_of(1, account, phone_of(1));
  Entry pending = entry;
  pending.status = EntryStatus::pending;
  Entry gone = entry;
  gone.status = EntryStatus::deleted;
  gone.deleted_at = day_one;
  gone.delete_reason = Reason::user_requested;
  const Claim claim = claim_of(1, entry, account_of(3, other_ispb));
  const auto with_status = [&](ClaimStatus status) {
    Claim other = claim;
    other.status = status;
    other.completion_end = day_one;
    return other;
  };
  std::set<std::string> types;
  const auto check = [&](const Change& change) {
    for (const events::OutboxEvent& event : told(change, 42)) {
      const std::string type(events::header(event.message.headers, events::headers::event_type));
      types.insert(type);
      EXPECT_THAT(faults_of(event.message.body, type), testing::IsEmpty()) << event.message.body;
      EXPECT_EQ(event.position / events::outbox_places, 42u);
    }
  };
  check(made(account));
  check(made(no_branch));
  check(change_to(account, account));
  check(change_to(account, closed));
  check(made(entry));
  check(made(entry_of(2, no_branch, email_of(2))));
  check(made(pending));
  check(change_to(entry, entry));
  check(change_to(entry, gone));
  check(made(claim));
  check(change_to(claim, claim));
  for (const ClaimStatus status :
       {ClaimStatus::waiting_resolution, ClaimStatus::confirmed, ClaimStatus::cancelled, ClaimStatus::completed})
    check(change_to(claim, with_status(status)));
  EXPECT_THAT(types, testing::UnorderedElementsAre("account.created", "account.updated", "account.closed",
                                                   "key.created", "key.updated", "key.deleted", "claim.created",
                                                   "claim.updated", "claim.confirmed", "claim.cancelled",
                                                   "claim.completed", "CreateKeyRequest"));
}

TEST(EventSchemas, the_check_itself_finds_what_does_not_fit) {
  const auto events = told(made(entry_of(1, account_of(1), phone_of(1))), 7);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(faults_of(events[0].message.body, "claim.created"), testing::Not(testing::IsEmpty()));
  std::string without = events[0].message.body;
  without.replace(without.find("request_id"), 10, "request_ix");
  EXPECT_THAT(faults_of(without, "key.created"), testing::Not(testing::IsEmpty()));
}

// As a neighbour writes it who knows the schema.
std::string answered(const std::string& type, const std::string& about, const std::string& data) {
  return R"({"event_id":"018f0000-0000-7000-8000-000000000001","event_type":")" + type +
         R"(","aggregate_id":"018f0000-0000-7000-8000-000000000002","aggregate_type":")" + about +
         R"(","timestamp":"2026-11-21T03:00:00Z","data":)" + data + "}";
}

TEST(EventSchemas, what_neighbours_write_as_published_is_read) {
  const std::string vsync = R"({"participant":"12345678","key_type":"PHONE","result":"NOK","vsync":")" +
                            std::string(64, 'a') + R"(","verified_at":"2026-11-21T02:59:00Z"})";
  for (const auto& [type, about, data] :
       {std::tuple<std::string, std::string, std::string>{"KeyCreatedResponse", "entry", R"({"error":"Refused"})"},
        {"ClaimConfirmedResponse", "claim", R"({"reason":"USER_REQUESTED"})"},
        {"PaymentOrderAccepted", "payment_order",
         R"({"end_to_end_id":"E1234567820261121030000000000001","payer_id":"11144477735"})"},
        {"VSYNCResponse", "vsync", vsync}}) {
    const std::string body = answered(type, about, data);
    EXPECT_THAT(faults_of(body, type), testing::IsEmpty()) << body;
    const auto event = events::parse_event(body);
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_EQ(event->event_type, type);
    if (type != "VSYNCResponse") continue;
    const auto answer = vsync::sync_answer_of(*event);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->agreement, vsync::Agreement::diverging);
  }
  EXPECT_THAT(faults_of(answered("VSYNCResponse", "vsync", R"({"participant":"12345678"})"), "VSYNCResponse"),
              testing::Not(testing::IsEmpty()));
}

TEST(EventSchemas, each_version_names_the_one_before) {
  Entry before = entry_of(1, account_of(1), phone_of(1));
  before.version = 5;
  const auto events = told(change_to(before, before), 9);
  ASSERT_EQ(events.size(), 1u);
  const auto event = events::parse_event(events[0].message.body);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->version, 9u);
  EXPECT_EQ(event->previous_version, 5u);
  EXPECT_EQ(events[0].topic, events::topics::key_events);
  EXPECT_EQ(events[0].message.key, to_string(before.id));
}

}  // namespace
}  // namespace chaveiro::contract
