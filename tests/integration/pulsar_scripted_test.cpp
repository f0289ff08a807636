// The Pulsar client on bad days that a real broker cannot be made to have: half frames, frames over the limit, commands from the future,
// brokers that send each other round, damaged messages, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/pulsar/bus.h"
#include "tests/support/scripted_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar;
using namespace events;
using namespace std::chrono_literals;
using tests::ScriptedBroker;
using Peer = ScriptedBroker::Peer;
using wire::Frame;

const std::string topic = "persistent://dict/events/scripted";

class PulsarScripted : public testing::Test {
 protected:
  static Deadline soon() { return Deadline::in(60s); }
  std::unique_ptr<PulsarBus> make(BusOptions options = {}) {
    if (options.client.url == ClientOptions{}.url) options.client.url = broker.url();
    options.client.backoff_min = 5ms;
    options.client.backoff_max = 20ms;
    options.admin.url = "http://127.0.0.1:1";
    if (options.producer.batch_delay == ProducerOptions{}.batch_delay) options.producer.batch_delay = 1ms;
    return PulsarBus::make(std::move(options), Logger{}).value();
  }
  // It does this the first time, and then as usual.
  void once(std::uint32_t command, ScriptedBroker::Script script) {
    broker.at(command,
              [this, done = std::make_shared<bool>(false), script = std::move(script)](Peer& peer, const Frame& frame) {
                if (std::exchange(*done, true)) return broker.as_usual(peer, frame);
                script(peer, frame);
              });
  }
  void refuse(std::uint32_t command, wire::ServerError error) {
    broker.at(command, [error](Peer& peer, const Frame& frame) {
      const auto id = frame.type == wire::Producer::type    ? wire::read_command<wire::Producer>(frame)->request_id
                      : frame.type == wire::Subscribe::type ? wire::read_command<wire::Subscribe>(frame)->request_id
                                                            : 0;
      peer.say(wire::ErrorCommand{.request_id = id, .error = error, .message = "no"});
    });
  }
  static Result<MessageId> send(PulsarBus& bus, const std::string& body) {
    return publish(bus, topic, {.key = "k", .body = body}, soon());
  }
  ScriptedBroker broker;
};

// --- frames

TEST_F(PulsarScripted, half_a_frame_and_a_cut_cost_one_more_connection) {
  const auto bus = make();
  ASSERT_TRUE(send(*bus, "1"));
  once(wire::Connect::type, [](Peer& peer, const Frame&) {
    peer.raw(std::string("\0\0\0\x20\0\0", 6));
    peer.hang_up();
  });
  broker.cut();
  EXPECT_TRUE(send(*bus, "2"));
  EXPECT_EQ(broker.count(wire::Connect::type), 3u);
}

TEST_F(PulsarScripted, a_frame_over_the_limit_ends_the_connection_and_nothing_else) {
  once(wire::Send::type, [](Peer& peer, const Frame&) { peer.raw(std::string("\x7f\xff\xff\xff\0\0\0\1", 8)); });
  EXPECT_TRUE(send(*make(), "1"));
  EXPECT_EQ(broker.count(wire::Connect::type), 2u);
  EXPECT_EQ(broker.count(wire::Send::type), 2u) << "what was not answered is sent again";
}

TEST_F(PulsarScripted, bytes_that_are_no_frame_end_the_connection_and_nothing_else) {
  once(wire::Send::type,
       [](Peer& peer, const Frame&) { peer.raw(std::string("\0\0\0\x08\0\0\0\x04\xff\xff\xff\xff", 12)); });
  EXPECT_TRUE(send(*make(), "1"));
  EXPECT_EQ(broker.count(wire::Connect::type), 2u);
}

struct FromTheFuture {
  static constexpr std::uint32_t type = 99;
  std::uint64_t what = 7;
  template <class V>
  void fields(V& v) {
    v(1, what);
  }
};
TEST_F(PulsarScripted, commands_from_the_future_are_passed_by) {
  broker.at(wire::Send::type, [this](Peer& peer, const Frame& frame) {
    peer.say(FromTheFuture{});
    peer.say(wire::TopicMigrated{});
    broker.as_usual(peer, frame);
  });
  EXPECT_TRUE(send(*make(), "1"));
  EXPECT_EQ(broker.count(wire::Connect::type), 1u);
}

// --- who serves the topic

TEST_F(PulsarScripted, a_redirect_is_followed_and_its_authority_told_on) {
  ScriptedBroker other;
  Guarded<bool> sure;
  other.at(wire::Lookup::type, [&](Peer& peer, const Frame& frame) {
    *sure.lock() = wire::read_command<wire::Lookup>(frame)->authoritative;
    other.as_usual(peer, frame);
  });
  broker.at(wire::Lookup::type, [&](Peer& peer, const Frame& frame) {
    wire::LookupResponse answer;
    answer.broker_url = other.url();
    answer.response = wire::LookupType::redirect;
    answer.request_id = wire::read_command<wire::Lookup>(frame)->request_id;
    answer.authoritative = true;
    peer.say(answer);
  });
  const auto bus = make();
  EXPECT_TRUE(send(*bus, "1"));
  EXPECT_TRUE(*sure.lock());
  EXPECT_EQ(broker.count(wire::Send::type), 0u);
  EXPECT_EQ(other.count(wire::Send::type), 1u);
}

TEST_F(PulsarScripted, brokers_that_send_each_other_round_are_left_alone_after_twenty_hops) {
  broker.at(wire::Lookup::type, [&](Peer& peer, const Frame& frame) {
    wire::LookupResponse answer;
    answer.broker_url = broker.url();
    answer.response = wire::LookupType::redirect;
    answer.request_id = wire::read_command<wire::Lookup>(frame)->request_id;
    peer.say(answer);
  });
  BusOptions options;
  options.client.backoff_min = options.client.backoff_max = 60s;
  options.client.url = broker.url();
  options.admin.url = "http://127.0.0.1:1";
  const auto bus = PulsarBus::make(std::move(options), Logger{}).value();
  bus->publish(topic, {.body = "x"}, [](const Result<MessageId>&) {});
  EXPECT_TRUE(broker.came(wire::Lookup::type, 21, soon()));
  EXPECT_FALSE(broker.came(wire::Lookup::type, 22, Deadline::in(300ms)));
}

TEST_F(PulsarScripted, a_proxy_is_told_which_broker_is_meant) {
  Guarded<std::string> meant;
  broker.at(wire::Connect::type, [&](Peer& peer, const Frame& frame) {
    const auto hello = *wire::read_command<wire::Connect>(frame);
    if (hello.proxy_to_broker_url) *meant.lock() = *hello.proxy_to_broker_url;
    broker.as_usual(peer, frame);
  });
  broker.at(wire::Lookup::type, [&](Peer& peer, const Frame& frame) {
    wire::LookupResponse answer;
    answer.broker_url = "pulsar://broker-7.internal:6650";
    answer.response = wire::LookupType::connect;
    answer.request_id = wire::read_command<wire::Lookup>(frame)->request_id;
    answer.proxy_through_service_url = true;
    peer.say(answer);
  });
  EXPECT_TRUE(send(*make(), "1"));
  EXPECT_EQ(*meant.lock(), "broker-7.internal:6650");
}

TEST_F(PulsarScripted, the_next_of_several_services_is_asked_where_one_is_away) {
  BusOptions options;
  options.client.url = "pulsar://127.0.0.1:1,localhost:" + broker.url().substr(broker.url().rfind(':') + 1);
  const auto bus = make(std::move(options));
  const auto first = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  EXPECT_TRUE(first || bus->subscribe({.topics = {topic}, .name = "sub"}, soon()));
}

// --- refusals

struct Refusal {
  const char* name;
  wire::ServerError error;
  Code code;
  const char* reason;
};
class PulsarRefusals : public PulsarScripted, public testing::WithParamInterface<Refusal> {};

TEST_P(PulsarRefusals, are_told_at_once_to_producers_and_consumers) {
  const Refusal& it = GetParam();
  refuse(wire::Producer::type, it.error);
  refuse(wire::Subscribe::type, it.error);
  const auto bus = make();
  const auto sent = send(*bus, "1");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, it.code);
  EXPECT_EQ(sent.error().reason, it.reason);
  const auto made = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, it.code);
  EXPECT_EQ(made.error().reason, it.reason);
}
INSTANTIATE_TEST_SUITE_P(
    Table, PulsarRefusals,
    testing::Values(Refusal{"not_authorised", wire::ServerError::authorization, Code::forbidden, "Forbidden"},
                    Refusal{"topic_deleted", wire::ServerError::topic_not_found, Code::not_found, "TopicNotFound"},
                    Refusal{"topic_terminated", wire::ServerError::topic_terminated, Code::conflict, "TopicTerminated"},
                    Refusal{"fenced", wire::ServerError::producer_fenced, Code::conflict, "ProducerFenced"},
                    Refusal{"bad_name", wire::ServerError::invalid_topic_name, Code::invalid, "InvalidTopicName"},
                    Refusal{"not_allowed", wire::ServerError::not_allowed, Code::forbidden, "NotAllowed"}),
    [](const auto& made) { return made.param.name; });

TEST_F(PulsarScripted, what_passes_by_itself_is_tried_again) {
  for (const auto error :
       {wire::ServerError::service_not_ready, wire::ServerError::metadata, wire::ServerError::too_many_requests,
        wire::ServerError::producer_blocked_quota, wire::ServerError::producer_busy, wire::ServerError::unknown}) {
    once(wire::Producer::type, [error](Peer& peer, const Frame& frame) {
      peer.say(wire::ErrorCommand{wire::read_command<wire::Producer>(frame)->request_id, error, "not now"});
    });
    EXPECT_TRUE(send(*make(), "1")) << static_cast<int>(error);
  }
}

// Of two partitions one fails for good. The topic is begun anew, and what the other one has on its way is answered before.
TEST_F(PulsarScripted, a_partition_that_is_gone_takes_nothing_of_the_others_with_it) {
  broker.at(wire::PartitionedMetadata::type, [](Peer& peer, const Frame& frame) {
    peer.say(wire::PartitionedMetadataResponse{
        .partitions = 2, .request_id = wire::read_command<wire::PartitionedMetadata>(frame)->request_id});
  });
  broker.at(wire::Producer::type, [&](Peer& peer, const Frame& frame) {
    const auto asked = wire::read_command<wire::Producer>(frame);
    if (!asked->topic.ends_with("-partition-0")) return broker.as_usual(peer, frame);
    peer.say(wire::ErrorCommand{
        .request_id = asked->request_id, .error = wire::ServerError::topic_not_found, .message = "no"});
  });
  once(wire::Send::type, [](Peer&, const Frame&) {});  // not answered
  struct Answers {
    std::vector<std::string> in_order;
    std::map<std::string, Result<MessageId>> of;
  };
  Guarded<Answers> answers;
  const auto bus = make();
  const auto send_to = [&](std::uint32_t partition, const std::string& body) {
    std::string key = "0";
    for (int n = 1; partition_of(key, KeyHash::murmur3, 2) != partition; ++n) key = std::to_string(n);
    bus->publish(topic, {.key = key, .body = body}, [&answers, body](const Result<MessageId>& how) {
      answers.with([&](Answers& now) { now.in_order.push_back(body), now.of.emplace(body, how); });
      answers.notify_all();
    });
  };
  const auto until_answered = [&](const std::string& body) {
    return answers.lock().wait(soon(), [&](const Answers& now) { return now.of.contains(body); });
  };
  send_to(1, "on its way");
  ASSERT_TRUE(broker.came(wire::Send::type, 1, soon()));
  send_to(0, "refused");
  ASSERT_TRUE(until_answered("refused"));
  send_to(0, "refused again");  // at this one the topic is begun anew, if it was not at the first
  send_to(1, "after it");
  EXPECT_FALSE(answers.lock()->of.contains("on its way"));
  broker.cut();  // what was not answered is sent again
  for (const char* body : {"on its way", "refused again", "after it"}) ASSERT_TRUE(until_answered(body)) << body;
  EXPECT_TRUE(broker.came(wire::CloseProducer::type, 1, soon())) << "the old one takes its leave";
  auto now = answers.lock();
  EXPECT_TRUE(now->of.at("on its way"));
  EXPECT_TRUE(now->of.at("after it"));
  EXPECT_EQ(now->of.at("refused").error().reason, "TopicNotFound");
  EXPECT_EQ(now->of.at("refused again").error().reason, "TopicNotFound");
  EXPECT_LT(std::ranges::find(now->in_order, "on its way"), std::ranges::find(now->in_order, "after it"));
}

// As where a topic is given away, or a subscription moved, at that very moment.
TEST_F(PulsarScripted, who_is_sent_away_before_he_is_answered_comes_again_and_the_late_answer_harms_nobody) {
  once(wire::Subscribe::type, [this](Peer& peer, const Frame& frame) {
    const auto asked = wire::read_command<wire::Subscribe>(frame);
    peer.say(wire::CloseConsumer{.consumer_id = asked->consumer_id});
    broker.as_usual(peer, frame);
  });
  once(wire::Producer::type, [this](Peer& peer, const Frame& frame) {
    const auto asked = wire::read_command<wire::Producer>(frame);
    peer.say(wire::CloseProducer{.producer_id = asked->producer_id});
    broker.as_usual(peer, frame);
  });
  const auto bus = make();
  const auto sub = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_TRUE(sub) << sub.error().message;
  EXPECT_EQ(broker.count(wire::Subscribe::type), 2u);
  ASSERT_TRUE(send(*bus, "1"));
  EXPECT_EQ(broker.count(wire::Producer::type), 2u);
  EXPECT_EQ(broker.count(wire::CloseConsumer::type) + broker.count(wire::CloseProducer::type), 0u) << "both are wanted";
}

TEST_F(PulsarScripted, a_token_that_is_not_believed_is_told_at_once) {
  refuse(wire::Connect::type, wire::ServerError::authentication);
  BusOptions options;
  options.client.token = [] { return Secret("forged"); };
  const auto bus = make(std::move(options));
  EXPECT_EQ(send(*bus, "1").error().code, Code::unauthenticated);
}

TEST_F(PulsarScripted, a_fresh_token_is_given_when_the_broker_asks) {
  Guarded<int> asked;
  Guarded<std::vector<std::string>> seen;
  BusOptions options;
  options.client.token = [&] { return Secret("token-" + std::to_string(++*asked.lock())); };
  broker.at(wire::Connect::type, [&](Peer& peer, const Frame& frame) {
    seen.lock()->push_back(*wire::read_command<wire::Connect>(frame)->auth_data);
    broker.as_usual(peer, frame);
  });
  broker.at(wire::Send::type, [&](Peer& peer, const Frame& frame) {
    peer.say(wire::AuthChallenge{});
    broker.as_usual(peer, frame);
  });
  broker.at(wire::AuthResponse::type, [&](Peer&, const Frame& frame) {
    seen.lock()->push_back(wire::read_command<wire::AuthResponse>(frame)->response.data.value_or(""));
  });
  const auto bus = make(std::move(options));
  EXPECT_TRUE(send(*bus, "1"));
  ASSERT_TRUE(broker.came(wire::AuthResponse::type, 1, soon()));
  EXPECT_THAT(*seen.lock(), testing::ElementsAre("token-1", "token-2"));
}

// --- producing

TEST_F(PulsarScripted, what_was_not_answered_is_sent_again_in_order_with_the_same_numbers) {
  Guarded<std::vector<std::pair<std::uint64_t, std::uint64_t>>> seen;  // connection, sequence
  broker.at(wire::Send::type, [&](Peer& peer, const Frame& frame) {
    seen.lock()->emplace_back(peer.number, wire::read_command<wire::Send>(frame)->sequence_id);
    if (peer.number > 1) return broker.as_usual(peer, frame);
    if (seen.lock()->size() == 3) peer.hang_up();
  });
  const auto bus = make();
  Guarded<int> stored;
  for (int n = 0; n < 3; ++n)
    bus->publish(topic, {.key = "k" + std::to_string(n), .body = "x"}, [&](const Result<MessageId>& id) {
      if (id) ++*stored.lock();
    });
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(*stored.lock(), 3);
  EXPECT_THAT(*seen.lock(), testing::ElementsAre(testing::Pair(1, 1), testing::Pair(1, 2), testing::Pair(1, 3),
                                                 testing::Pair(2, 1), testing::Pair(2, 2), testing::Pair(2, 3)));
}

TEST_F(PulsarScripted, a_batch_that_is_not_full_waits_for_more_and_leaves_at_its_own_time) {
  Guarded<std::vector<std::int32_t>> sizes;
  broker.at(wire::Send::type, [&](Peer& peer, const Frame& frame) {
    sizes.lock()->push_back(wire::read_command<wire::Send>(frame)->num_messages);
    broker.as_usual(peer, frame);
  });
  BusOptions options;
  options.producer.batch_delay = 1h;
  const auto bus = make(std::move(options));
  Guarded<int> stored;
  const auto publish = [&](int count) {
    for (int n = 0; n < count; ++n)
      bus->publish(topic, {.body = "x"}, [&](const Result<MessageId>& id) {
        if (id) ++*stored.lock();
      });
  };
  publish(250);
  ASSERT_TRUE(broker.came(wire::Send::type, 2, soon()));
  publish(60);
  ASSERT_TRUE(broker.came(wire::Send::type, 3, soon()));
  EXPECT_THAT(*sizes.lock(), testing::ElementsAre(100, 100, 100));
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_THAT(*sizes.lock(), testing::ElementsAre(100, 100, 100, 10));
  EXPECT_EQ(*stored.lock(), 310);
}

TEST_F(PulsarScripted, a_message_that_was_damaged_on_its_way_fails_alone) {
  broker.at(wire::Send::type, [&](Peer& peer, const Frame& frame) {
    const auto sent = *wire::read_command<wire::Send>(frame);
    if (sent.sequence_id != 1) return broker.as_usual(peer, frame);
    peer.say(wire::SendError{sent.producer_id, sent.sequence_id, wire::ServerError::checksum, "checksum"});
  });
  const auto bus = make();
  const auto first = send(*bus, "1");
  EXPECT_EQ(first.error().reason, "ChecksumMismatch");
  EXPECT_TRUE(send(*bus, "2"));
  EXPECT_EQ(broker.count(wire::Producer::type), 1u);
}

TEST_F(PulsarScripted, another_refusal_of_a_message_begins_anew_and_sends_it_again) {
  once(wire::Send::type, [](Peer& peer, const Frame& frame) {
    const auto sent = *wire::read_command<wire::Send>(frame);
    peer.say(wire::SendError{sent.producer_id, sent.sequence_id, wire::ServerError::persistence, "disk"});
  });
  EXPECT_TRUE(send(*make(), "1"));
  EXPECT_EQ(broker.count(wire::Producer::type), 2u);
}

TEST_F(PulsarScripted, a_producer_that_waits_for_its_turn_sends_when_it_has_it) {
  broker.at(wire::Producer::type, [](Peer& peer, const Frame& frame) {
    const auto id = wire::read_command<wire::Producer>(frame)->request_id;
    peer.say(wire::ProducerSuccess{.request_id = id, .producer_name = "p", .ready = false});
    peer.say(wire::Ping{});
    peer.say(wire::ProducerSuccess{.request_id = id, .producer_name = "p", .ready = true});
  });
  BusOptions options;
  options.producer.access = wire::AccessMode::wait_for_exclusive;
  EXPECT_TRUE(send(*make(std::move(options)), "1"));
  EXPECT_EQ(broker.count(wire::Producer::type), 1u);
}

TEST_F(PulsarScripted, a_broker_that_does_not_answer_is_told_as_maybe_applied) {
  broker.at(wire::Send::type, [](Peer&, const Frame&) {});
  BusOptions options;
  options.producer.send_time_max = 100ms;
  const auto sent = send(*make(std::move(options)), "1");
  EXPECT_EQ(sent.error().code, Code::maybe_applied);
  EXPECT_EQ(sent.error().reason, "PublishUnanswered");
}

TEST_F(PulsarScripted, memory_is_refused_beyond_its_bound_and_given_back) {
  broker.at(wire::Send::type, [](Peer&, const Frame&) {});
  BusOptions options;
  options.client.memory_max = 3'000;
  const auto bus = make(std::move(options));
  Guarded<int> refused, answered;
  for (int n = 0; n < 4; ++n)
    bus->publish(topic, {.key = "k", .body = std::string(1'000, 'x')}, [&](const Result<MessageId>& id) {
      ++*answered.lock();
      if (!id && id.error().reason == "PublishQueueFull") ++*refused.lock();
    });
  ASSERT_TRUE(broker.came(wire::Send::type, 1, soon()));
  EXPECT_EQ(*refused.lock(), 2);
  broker.at(wire::Send::type, {});
  broker.cut();
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(*answered.lock(), 4);
  EXPECT_TRUE(send(*bus, std::string(1'000, 'y')));
}

TEST_F(PulsarScripted, memory_is_waited_for_where_the_options_say_so) {
  BusOptions options;
  options.client.memory_max = 3'000;
  options.producer.when_full = WhenFull::block;
  const auto bus = make(std::move(options));
  ASSERT_TRUE(send(*bus, "0"));
  Guarded<int> stored;
  for (int n = 0; n < 50; ++n)
    bus->publish(topic, {.key = "k", .body = std::string(1'000, 'x')}, [&](const Result<MessageId>& id) {
      if (id) ++*stored.lock();
    });
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(*stored.lock(), 50);
}

// --- consuming

TEST_F(PulsarScripted, a_damaged_message_is_asked_for_again) {
  once(wire::Flow::type, [](Peer& peer, const Frame& frame) {
    std::string bytes = tests::message_frame(wire::read_command<wire::Flow>(frame)->consumer_id, 5, "body");
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    peer.raw(bytes);
  });
  broker.at(wire::Redeliver::type, [](Peer& peer, const Frame& frame) {
    const auto asked = *wire::read_command<wire::Redeliver>(frame);
    for (const auto& id : asked.message_ids) peer.raw(tests::message_frame(asked.consumer_id, id.entry_id, "body"));
  });
  const auto bus = make();
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared}, soon());
  ASSERT_TRUE(sub);
  const auto got = (*sub)->receive(1, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  EXPECT_EQ(got->front().message.body, "body");
  EXPECT_EQ(got->front().delivery.id.entry, 5u);
}

// A MESSAGE whose place is a number, as if the protocol had changed.
struct Misshapen {
  static constexpr std::uint32_t type = wire::MessageCommand::type;
  std::uint64_t consumer_id = 0, message_id = 9;
  template <class V>
  void fields(V& v) {
    v(1, consumer_id), v(2, message_id);
  }
};
TEST_F(PulsarScripted, a_message_that_cannot_be_read_does_not_use_up_the_permits) {
  Guarded<std::uint64_t> consumer;
  broker.at(wire::Flow::type, [&](Peer& peer, const Frame& frame) {
    const std::uint64_t id = wire::read_command<wire::Flow>(frame)->consumer_id;
    if (broker.count(wire::Flow::type) < 3) return peer.say(Misshapen{.consumer_id = id});
    peer.raw(tests::message_frame(id, 5, "body"));
  });
  const auto bus = make();
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .queue_max = 1}, soon());
  ASSERT_TRUE(sub);
  const auto got = (*sub)->receive(1, soon());
  ASSERT_TRUE(got && got->size() == 1u) << "permits were lost with the messages that could not be read";
}

TEST_F(PulsarScripted, acknowledgements_that_were_not_answered_are_told_again) {
  broker.at(wire::Flow::type, [](Peer& peer, const Frame& frame) {
    peer.raw(tests::message_frame(wire::read_command<wire::Flow>(frame)->consumer_id, 5, "body"));
  });
  once(wire::Ack::type, [](Peer& peer, const Frame&) { peer.hang_up(); });
  const auto bus = make();
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .queue_max = 1}, soon());
  ASSERT_TRUE(sub);
  const auto got = (*sub)->receive(1, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  ASSERT_TRUE((*sub)->ack(got->front()));
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(broker.count(wire::Ack::type), 2u);
}

// --- the system's clock steps, the steady one goes on

struct SteppingClock final : Clock {
  Guarded<UtcTime> utc{SystemClock{}.now()};
  UtcTime now() const override { return *utc.lock(); }
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  void step(Micros by) { *utc.lock() += by; }
};

TEST_F(PulsarScripted, a_clock_that_steps_fails_no_message_and_keeps_the_numbers_in_order) {
  SteppingClock clock;
  Guarded<std::vector<std::pair<std::uint64_t, std::uint64_t>>> seen;  // sequence, time of publishing
  const auto note = [&](Peer& peer, const Frame& frame) {
    seen.lock()->emplace_back(wire::read_command<wire::Send>(frame)->sequence_id,
                              wire::read_payload(frame.rest)->metadata.publish_time);
    broker.as_usual(peer, frame);
  };
  broker.at(wire::Send::type, note);
  BusOptions options;
  options.client.clock = &clock;
  const auto bus = make(std::move(options));
  std::vector<testing::Matcher<std::pair<std::uint64_t, std::uint64_t>>> told;
  for (const Micros step : {Micros{0}, Micros{-24h}, Micros{24h * 3'650}, Micros{-24h * 3'650}}) {
    clock.step(step);
    ASSERT_TRUE(send(*bus, "x"));
    const auto millis = std::chrono::floor<std::chrono::milliseconds>(clock.now().time_since_epoch()).count();
    told.push_back(testing::Pair(told.size() + 1, static_cast<std::uint64_t>(millis)));
  }
  EXPECT_THAT(*seen.lock(), testing::ElementsAreArray(told));
  // One that waits for its answer is neither given up early, nor kept for ever.
  broker.at(wire::Send::type, [](Peer&, const Frame&) {});
  Guarded<int> stored, failed;
  bus->publish(topic, {.body = "late"}, [&](const Result<MessageId>& id) { ++*(id ? stored : failed).lock(); });
  ASSERT_TRUE(broker.came(wire::Send::type, 5, soon()));
  clock.step(24h * 365);
  EXPECT_EQ(bus->flush(Deadline::in(600ms)).error().code, Code::deadline);  // the producer looks each 500 ms
  EXPECT_EQ(*failed.lock(), 0);
  broker.at(wire::Send::type, {});
  broker.cut();
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(*stored.lock(), 1);
}

TEST_F(PulsarScripted, a_clock_that_is_put_back_holds_up_no_time_limit_and_no_redelivery) {
  SteppingClock clock;
  Guarded<std::optional<Error>> why;  // outlives the bus, whose thread tells it
  broker.at(wire::Flow::type, [](Peer& peer, const Frame& frame) {
    peer.raw(tests::message_frame(wire::read_command<wire::Flow>(frame)->consumer_id, 5, "body"));
  });
  BusOptions options;
  options.client.clock = &clock;
  options.producer.send_time_max = 100ms;
  const auto bus = make(std::move(options));
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .queue_max = 1}, soon());
  ASSERT_TRUE(sub);
  const auto got = (*sub)->receive(1, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  broker.at(wire::Send::type, [](Peer&, const Frame&) {});
  bus->publish(topic, {.body = "x"}, [&](const Result<MessageId>& id) {
    if (!id) *why.lock() = id.error();
    why.notify_all();
  });
  ASSERT_TRUE((*sub)->nack(got->front().delivery, 50ms));
  clock.step(-24h * 365);
  EXPECT_TRUE(broker.came(wire::Redeliver::type, 1, soon()));
  auto failed = why.lock();
  ASSERT_TRUE(failed.wait(soon(), [](const std::optional<Error>& it) { return it.has_value(); }));
  EXPECT_EQ((*failed)->reason, "PublishUnanswered");
}

}  // namespace
}  // namespace chaveiro::contract
