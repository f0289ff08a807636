// What neighbours answer changes what we hold, once, however often they answer.
#include <gmock/gmock.h>

#include "app/event_service.h"
#include "app/payment_orders.h"
#include "app/sync_responses.h"
#include "clients/memory/store.h"
#include "events/topics.h"
#include "tests/simulation/directory_world.h"

namespace chaveiro::app {
namespace {

using namespace directory;

class Responses : public testing::Test {
 protected:
  // An entry that waits for the registry.
  Entry pending(unsigned number) {
    const Entry made = world.phone(world.account(bank_a, natural(number)), number);
    Entry waiting = made;
    waiting.status = EntryStatus::pending;
    Change change{.operation = "test", .ispb = bank_a, .actor = {"test", ""}, .at = world.clock.now()};
    change.writes.push_back(Put<Entry>{made, waiting});
    EXPECT_TRUE(world.store.commit(change, Deadline::never()));
    return world.stored(made.id);
  }
  Result<events::Effect> answer(const std::string& type, const Uuid& about, std::string data, Uuid id = uuid_v4()) {
    const events::DomainEvent event{.event_id = id,
                                    .event_type = type,
                                    .aggregate_id = to_string(about),
                                    .aggregate_type = "entry",
                                    .data = std::move(data)};
    const auto* const handler = handlers.find(type);
    return handler == nullptr
               ? fail(Code::internal, "NoHandler", type)
               : (*handler)(event, events::mark_of("answers", event, world.clock.now()), Deadline::never());
  }

  World world;
  const events::Handlers handlers = response_handlers(world.store, world.claims, world.clock);
};

TEST_F(Responses, an_entry_that_waited_becomes_active) {
  const Entry entry = pending(1);
  ASSERT_TRUE(answer("KeyCreatedResponse", entry.id.uuid, R"({"success":true})"));
  EXPECT_EQ(world.stored(entry.id).status, EntryStatus::active);
}

TEST_F(Responses, an_entry_that_was_refused_is_deleted) {
  const Entry entry = pending(2);
  ASSERT_TRUE(answer("KeyCreatedResponse", entry.id.uuid, R"({"error":"EntryAlreadyExists"})"));
  EXPECT_EQ(world.stored(entry.id).status, EntryStatus::deleted);
}

TEST_F(Responses, the_same_answer_twice_changes_nothing_more) {
  const Entry entry = pending(3);
  const Uuid id = uuid_v4();
  ASSERT_TRUE(answer("KeyCreatedResponse", entry.id.uuid, "{}", id));
  const auto version = world.stored(entry.id).version;
  ASSERT_TRUE(answer("KeyCreatedResponse", entry.id.uuid, "{}", id));
  ASSERT_TRUE(answer("KeyCreatedResponse", entry.id.uuid, R"({"error":"late"})"));
  EXPECT_EQ(world.stored(entry.id).version, version);
}

TEST_F(Responses, an_answer_about_nothing_is_refused) {
  EXPECT_EQ(answer("KeyCreatedResponse", uuid_v4(), "{}").error().code, Code::not_found);
  EXPECT_EQ(answer("ClaimConfirmedResponse", uuid_v4(), "{}").error().code, Code::not_found);
}

TEST_F(Responses, a_claim_is_confirmed) {
  static_cast<void>(world.phone(world.account(bank_a, natural(5)), 5));
  const Claim claim = world.claim(world.account(bank_b, natural(6)), 5);
  ASSERT_TRUE(world.claims.acknowledge(staff(bank_a), claim.id));
  ASSERT_TRUE(answer("ClaimConfirmedResponse", claim.id.uuid, R"({"reason":"USER_REQUESTED"})"));
  EXPECT_EQ(world.store.claim(claim.id, Deadline::never()).value()->status, ClaimStatus::confirmed);
  ASSERT_TRUE(answer("ClaimConfirmedResponse", claim.id.uuid, "{}")) << "once more is harmless";
}

// A store's answers on synchronisation, told of when one is kept that was not known.
struct WatchedAnswers final : vsync::SyncAnswers {
  clients::memory::MemoryStore store{Secret("key")};
  Guarded<int> calls;
  Result<bool> keep(const vsync::SyncAnswer& answer, const events::Mark& mark, Deadline deadline) override {
    auto kept = store.sync_answers().keep(answer, mark, deadline);
    if (kept && *kept) ++*calls.lock();
    calls.notify_all();
    return kept;
  }
  Result<std::vector<vsync::SyncAnswer>> last(Deadline deadline) override {
    return store.sync_answers().last(deadline);
  }
};

TEST(SyncResponses, change_what_is_known_and_shown_each_once) {
  World world;
  WatchedAnswers answers;
  chaveiro::Registry metrics;
  EventServiceOptions options;
  options.sync_answers = &answers;
  options.served = {bank_a};
  EventService service(std::move(options), world.store, world.claims, world.clock, Logger(), metrics);
  const auto soon = [] { return Deadline::in(std::chrono::seconds{60}); };
  ASSERT_TRUE(service.run_once(soon()));
  const auto bus = service.bus(soon());
  const auto publish = [&](std::string_view result, int second, const Uuid& id) {
    const events::DomainEvent event{.event_id = id,
                                    .event_type = "VSYNCResponse",
                                    .aggregate_id = to_string(bank_a) + "/PHONE",
                                    .aggregate_type = "vsync",
                                    .timestamp = world.clock.now() + std::chrono::seconds{second},
                                    .data = R"({"participant":")" + to_string(bank_a) +
                                            R"(","key_type":"PHONE","result":")" + std::string(result) +
                                            R"(","vsync":")" + std::string(64, '5') + "\"}"};
    ASSERT_TRUE(events::publish(*bus, events::topics::responses_in, events::to_message(event), soon()));
  };
  const auto until_kept = [&](int times) {
    return answers.calls.lock().wait(soon(), [&](int calls) { return calls >= times; });
  };
  const Uuid first = uuid_v4();
  publish("OK", 1, first);
  publish("NOK", 2, uuid_v4());
  ASSERT_TRUE(until_kept(2));
  const auto known = answers.last(soon()).value();
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].participant, bank_a);
  EXPECT_EQ(known[0].key_type, KeyType::phone);
  EXPECT_EQ(known[0].agreement, vsync::Agreement::diverging);
  EXPECT_EQ(to_hex(known[0].vsync), std::string(64, '5'));
  EXPECT_EQ(known[0].verified_at, world.clock.now() + std::chrono::seconds{2});
  ASSERT_TRUE(tell_sync_answers(answers, metrics, soon()));
  EXPECT_THAT(metrics.expose(), testing::ContainsRegex("vsync_in_sync\\{.*PHONE.*\\} 0\n"));
  publish("OK", 3, first);  // known already: whatever it says now
  publish("OK", 4, uuid_v4());
  ASSERT_TRUE(until_kept(3));
  EXPECT_EQ(answers.last(soon()).value()[0].agreement, vsync::Agreement::in_sync);
  EXPECT_EQ(answers.last(soon()).value()[0].verified_at, world.clock.now() + std::chrono::seconds{4});
  ASSERT_TRUE(tell_sync_answers(answers, metrics, soon()));
  EXPECT_THAT(metrics.expose(), testing::ContainsRegex("vsync_in_sync\\{.*PHONE.*\\} 1\n"));
}

TEST(SyncResponses, about_a_participant_of_others_are_refused) {
  WatchedAnswers answers;
  const events::Handler handler = sync_response_handler(answers, {bank_a});
  const events::DomainEvent event{
      .event_id = uuid_v4(),
      .event_type = "VSYNCResponse",
      .data = R"({"participant":"99999999","key_type":"PHONE","result":"OK","vsync":")" + std::string(64, '5') + "\"}"};
  const auto refused = handler(event, events::mark_of("answers", event, UtcTime{}), Deadline::never());
  EXPECT_EQ(refused.error().code, Code::forbidden);
  EXPECT_TRUE(answers.last(Deadline::never()).value().empty());
}

TEST(SyncResponses, of_a_time_to_come_are_refused) {
  WatchedAnswers answers;
  const events::Handler handler = sync_response_handler(answers, {bank_a});
  const UtcTime now{std::chrono::seconds{1'800'000'000}};
  const auto handled = [&](UtcTime verified_at) {
    const events::DomainEvent event{.event_id = uuid_v4(),
                                    .event_type = "VSYNCResponse",
                                    .timestamp = verified_at,
                                    .data = R"({"participant":")" + to_string(bank_a) +
                                            R"(","key_type":"PHONE","result":"OK","vsync":")" + std::string(64, '5') +
                                            "\"}"};
    return handler(event, events::mark_of("answers", event, now), Deadline::never());
  };
  const auto refused = handled(now + std::chrono::minutes{61});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().violations.at(0).field, "data.verified_at");
  EXPECT_TRUE(answers.last(Deadline::never()).value().empty());
  EXPECT_TRUE(handled(now + std::chrono::minutes{59})) << "clocks differ";
}

// Takes payment orders and tells of them.
struct ToldOrders final : api::LimitsPort {
  struct Order {
    std::string participant, end_to_end_id, payer_id;
    UtcTime accepted_at;
    bool operator==(const Order&) const = default;
  };
  Guarded<std::vector<Order>> orders;
  Guarded<std::optional<Error>> fault;

  Result<api::LimitsOverview> show(const Context&, const std::string&, std::size_t) override { return unused(); }
  Result<std::vector<limits::PolicyForecast>> forecast(const Context&, const api::ForecastRequest&) override {
    return unused();
  }
  Result<void> reset(const Context&, const std::string&) override { return unused(); }
  Result<std::size_t> reload_rules(const Context&) override { return unused(); }
  Result<bool> report_payment_order(const Context& context, const api::PaymentOrder& order) override {
    TRY_VOID(authorise(context.caller, Permission::see_full_lookup, context.caller.ispb));
    orders.with([&](auto& all) {
      all.push_back({to_string(context.caller.ispb), order.end_to_end_id, order.payer_id, order.accepted_at});
    });
    orders.notify_all();
    if (const auto failed = *fault.lock()) return *failed;
    return true;
  }
  static Error unused() { return fail(Code::internal, "", "nobody asks"); }
};

constexpr std::string_view order_data =
    R"({"end_to_end_id":"E1234567820260101120000000000001","payer_id":"11144477735"})";

TEST(PaymentOrders, bring_their_credit_from_the_topic_each_once) {
  World world;
  ToldOrders limits;
  chaveiro::Registry metrics;
  EventServiceOptions options;
  options.payment_orders = payment_order_handler(limits, bank_a);
  EventService service(std::move(options), world.store, world.claims, world.clock, Logger(), metrics);
  ASSERT_TRUE(service.run_once(Deadline::in(std::chrono::seconds{60})));
  const auto bus = service.bus(Deadline::in(std::chrono::seconds{60}));
  const auto publish = [&](std::string end_to_end_id, const Uuid& id) {
    const events::DomainEvent event{
        .event_id = id,
        .event_type = "PaymentOrderAccepted",
        .aggregate_id = end_to_end_id,
        .aggregate_type = "payment_order",
        .timestamp = world.clock.now(),
        .data = R"({"end_to_end_id":")" + end_to_end_id + R"(","payer_id":"11144477735","participant":"87654321"})"};
    ASSERT_TRUE(events::publish(*bus, events::topics::payment_orders, events::to_message(event),
                                Deadline::in(std::chrono::seconds{60})));
  };
  const std::string first = "E1234567820260101120000000000001", last = "E1234567820260101120000000000002";
  const Uuid id = uuid_v4();
  publish(first, id);
  publish(first, id);
  publish(last, uuid_v4());
  auto all = limits.orders.lock();
  const auto has = [&](const std::vector<ToldOrders::Order>& told, const std::string& which) {
    return std::count(told.begin(), told.end(), ToldOrders::Order{"87654321", which, "11144477735", world.clock.now()});
  };
  ASSERT_TRUE(all.wait(Deadline::in(std::chrono::seconds{60}),
                       [&](const auto& told) { return has(told, first) > 0 && has(told, last) > 0; }));
  EXPECT_EQ(has(*all, first), 1);
}

TEST(PaymentOrders, of_look_ups_that_cost_nothing_are_done_and_faults_of_the_store_are_tried_again) {
  World world;
  ToldOrders limits;
  const events::Handler handler = payment_order_handler(limits, bank_a);
  const auto told = [&](std::string_view data) {
    const events::DomainEvent event{.event_id = uuid_v4(),
                                    .event_type = "PaymentOrderAccepted",
                                    .aggregate_id = "E1",
                                    .aggregate_type = "payment_order",
                                    .data = std::string(data)};
    return handler(event, events::mark_of("orders", event, world.clock.now()), Deadline::never());
  };
  EXPECT_TRUE(told(order_data));
  EXPECT_EQ(limits.orders.lock()->front().participant, to_string(bank_a));
  *limits.fault.lock() = fail(Code::not_found, "LookupUnknown", "none");
  EXPECT_TRUE(told(order_data));
  *limits.fault.lock() = fail(Code::unavailable, "StoreAway", "away");
  EXPECT_EQ(told(order_data).error().code, Code::unavailable);
  const auto faulty = told(R"({"end_to_end_id":"","payer_id":"1","participant":"x","accepted_at":"soon"})");
  EXPECT_EQ(faulty.error().code, Code::invalid);
  EXPECT_EQ(faulty.error().violations.size(), 4u);
}

}  // namespace
}  // namespace chaveiro::app
