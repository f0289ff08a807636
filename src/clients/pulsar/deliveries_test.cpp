#include "clients/pulsar/deliveries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chaveiro::clients::pulsar {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr EntryId first{1, 1}, second{1, 2};
SteadyTime at(Micros time) { return SteadyTime(time); }

class DeliveriesOfAConsumer : public testing::Test {
 protected:
  void take(EntryId entry, std::uint32_t count) {
    for (const std::uint32_t i : deliveries.arrived(entry, count, {})) deliveries.taken({entry, i}, {});
  }
  Deliveries deliveries;
};

TEST_F(DeliveriesOfAConsumer, acknowledge_an_entry_once_all_of_it_is_done) {
  take(first, 3);
  deliveries.ack({first, 0});
  deliveries.ack({first, 2});
  auto acks = deliveries.acks();
  ASSERT_EQ(acks.size(), 1u);
  EXPECT_THAT(acks[0].ack_set, ElementsAre(0b010));
  deliveries.ack({first, 1});
  deliveries.ack({first, 1});
  acks = deliveries.acks();
  ASSERT_EQ(acks.size(), 1u);
  EXPECT_THAT(acks[0].ack_set, IsEmpty());
  EXPECT_THAT(deliveries.acks(), IsEmpty());
  EXPECT_EQ(deliveries.entries(), 0u);
}

TEST_F(DeliveriesOfAConsumer, tell_the_acknowledgement_of_what_comes_once_more_before_it_was_told) {
  take(first, 1);
  deliveries.ack({first, 0});
  EXPECT_THAT(deliveries.arrived(first, 1, {}), IsEmpty());
  EXPECT_EQ(deliveries.acks().size(), 1u);
  EXPECT_EQ(deliveries.entries(), 0u);
}

TEST_F(DeliveriesOfAConsumer, count_batches_longer_than_a_word) {
  take(first, 130);
  for (std::uint32_t i = 0; i < 129; ++i) deliveries.ack({first, i});
  const auto acks = deliveries.acks();
  ASSERT_EQ(acks.size(), 1u);
  EXPECT_THAT(acks[0].ack_set, ElementsAre(0, 0, 2));
}

TEST_F(DeliveriesOfAConsumer, give_on_only_the_refused_one_of_an_entry_that_comes_again) {
  take(first, 3);
  deliveries.ack({first, 0});
  deliveries.nack({first, 1}, at(10s));
  EXPECT_THAT(deliveries.due(at(9s)), IsEmpty());
  EXPECT_EQ(deliveries.wakes_at(), at(10s));
  EXPECT_THAT(deliveries.due(at(10s)), ElementsAre(first));
  EXPECT_THAT(deliveries.due(at(11s)), IsEmpty());
  EXPECT_THAT(deliveries.arrived(first, 3, {}), ElementsAre(1u));
}

TEST_F(DeliveriesOfAConsumer, leave_out_what_the_broker_calls_done) {
  const std::int64_t left[] = {0b101};
  EXPECT_THAT(deliveries.arrived(first, 3, left), ElementsAre(0u, 2u));
}

TEST_F(DeliveriesOfAConsumer, ask_again_for_what_nobody_acknowledged_in_time) {
  for (const std::uint32_t i : deliveries.arrived(first, 2, {})) deliveries.taken({first, i}, at(5s));
  deliveries.ack({first, 0});
  EXPECT_THAT(deliveries.due(at(5s)), ElementsAre(first));
  EXPECT_THAT(deliveries.arrived(first, 2, {}), ElementsAre(1u));
}

TEST_F(DeliveriesOfAConsumer, keep_what_the_application_has_when_the_connection_goes) {
  take(first, 1);
  EXPECT_THAT(deliveries.arrived(second, 1, {}), ElementsAre(0u));
  deliveries.queue_lost();
  EXPECT_THAT(deliveries.arrived(first, 1, {}), IsEmpty());
  EXPECT_THAT(deliveries.arrived(second, 1, {}), ElementsAre(0u));
}

TEST_F(DeliveriesOfAConsumer, acknowledge_up_to_a_place_within_a_batch) {
  take(first, 2);
  take(second, 3);
  deliveries.ack_up_to({second, 1});
  const auto acks = deliveries.acks();
  ASSERT_EQ(acks.size(), 2u);
  EXPECT_THAT(acks[0].ack_set, IsEmpty());
  EXPECT_THAT(acks[1].ack_set, ElementsAre(0b100));
}

}  // namespace
}  // namespace chaveiro::clients::pulsar
