// What neighbours answer changes what we hold, once, however often they answer.
#include "app/event_service.h"
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

}  // namespace
}  // namespace chaveiro::app
