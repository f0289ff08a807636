#include "clients/pulsar/bus.h"

#include <algorithm>

#include "clients/pulsar/bus_impl.h"
#include "clients/pulsar/latch.h"
#include "clients/pulsar/subscription.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::string_view scheme = "persistent://";
constexpr auto close_time_max = std::chrono::seconds{10};

std::string namespace_of(const std::string& topic) {
  const std::size_t end = topic.rfind('/');
  if (!topic.starts_with(scheme) || end == std::string::npos || end <= scheme.size()) return {};
  return topic.substr(scheme.size(), end - scheme.size());
}

}  // namespace

std::string partition_topic(const std::string& topic, std::int32_t partition) {
  return partition < 0 ? topic : topic + "-partition-" + std::to_string(partition);
}

Result<std::unique_ptr<PulsarBus>> PulsarBus::make(BusOptions options, Logger log) {
  auto impl = std::make_shared<Impl>();
  TRY(impl->client, Client::make(options.client, log));
  TRY(impl->admin, Admin::make(options.admin));
  impl->topics.lock()->namespaces.insert(options.namespaces.begin(), options.namespaces.end());
  impl->options = std::move(options);
  impl->log = std::move(log);
  return std::unique_ptr<PulsarBus>(new PulsarBus(std::move(impl)));
}

PulsarBus::~PulsarBus() {
  std::vector<std::shared_ptr<Producer>> producers;
  auto all = impl_->topics.with([](Impl::Topics& topics) { return std::exchange(topics, {}); });
  for (const auto& [name, retired] : all.retired)
    for (const auto& weak : retired)
      if (auto producer = weak.lock()) producers.push_back(std::move(producer));
  for (const auto& [name, topic] : all.out) {
    impl_->give_up(*topic, fail(Code::unavailable, "ProducerClosed", "the producer was closed"));
    const auto its = topic->state.with([](const OutTopic::State& state) { return state.producers; });
    producers.insert(producers.end(), its.begin(), its.end());
  }
  const auto closed = std::make_shared<Latch>(producers.size());
  impl_->client->loop().post([producers, closed] {
    for (const auto& producer : producers) producer->close([closed](const Result<void>& how) { closed->answer(how); });
  });
  static_cast<void>(closed->wait(Deadline::in(close_time_max)));
}

// --- topics

Result<void> PulsarBus::create_topic(const std::string& topic, const events::TopicOptions& options, Deadline deadline) {
  if (options.partitions == 0) return fail_field("partitions", "must be at least 1");
  auto made = impl_->admin->create_topic(topic, options.partitions, deadline);
  if (!made && made.error().code == Code::not_found) {
    TRY_VOID(impl_->admin->create_namespace(namespace_of(topic), deadline));
    made = impl_->admin->create_topic(topic, options.partitions, deadline);
  }
  if (!made && made.error().reason != "TopicExists") return made;
  if (!made) {
    TRY(const std::uint32_t there, impl_->admin->partitions(topic, deadline));
    if (std::max(there, 1u) != options.partitions)
      return fail(Code::conflict, "TopicDiffers",
                  "topic " + topic + " is there with " + std::to_string(there) + " partitions, which cannot change");
  } else {
    TRY_VOID(impl_->admin->keep(topic, options, deadline));
  }
  impl_->topics.with([&](Impl::Topics& topics) {
    topics.hashes[topic] = options.hash;
    topics.namespaces.insert(namespace_of(topic));
  });
  return {};
}

Result<std::vector<std::string>> PulsarBus::topics(Deadline deadline) {
  const std::set<std::string> namespaces = impl_->topics.lock()->namespaces;
  std::vector<std::string> all;
  for (const std::string& name : namespaces) {
    auto some = impl_->admin->topics(name, deadline);
    if (!some && some.error().code == Code::not_found) continue;
    if (!some) return some.error();
    all.insert(all.end(), some->begin(), some->end());
  }
  return all;
}

Result<events::Lag> PulsarBus::lag(const std::string& topic, const std::string& subscription, Deadline deadline) {
  return impl_->admin->lag(topic, subscription, deadline);
}

Result<void> PulsarBus::make_subscription(const std::string& topic, const std::string& name, Deadline deadline) {
  return impl_->admin->create_subscription(topic, name, deadline);
}

Result<void> PulsarBus::check(Deadline deadline) { return impl_->admin->check(deadline); }

Result<void> PulsarBus::unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) {
  return impl_->admin->delete_subscription(topic, name, deadline);
}

Result<std::uint32_t> PulsarBus::Impl::partitions(const std::string& topic, Deadline deadline) {
  const auto told = std::make_shared<Guarded<std::optional<Result<std::uint32_t>>>>();
  client->loop().post([this, topic, told] {
    client->partitions(topic, [told](Result<std::uint32_t> answer) {
      told->with([&](auto& it) { it.emplace(std::move(answer)); });
      told->notify_all();
    });
  });
  auto answer = told->lock();
  if (!answer.wait(deadline, [](const auto& it) { return it.has_value(); }))
    return fail(Code::deadline, "DeadlineExceeded", "the broker has not answered in time");
  return **answer;
}

// --- publishing

std::shared_ptr<OutTopic> PulsarBus::Impl::out_topic(std::string_view name) {
  auto all = topics.lock();
  if (const auto found = all->out.find(name); found != all->out.end()) return found->second;
  auto topic = std::make_shared<OutTopic>();
  topic->name = name;
  if (const auto hash = all->hashes.find(name); hash != all->hashes.end()) topic->hash = hash->second;
  all->out.emplace(topic->name, topic);
  client->loop().post([this, topic] { resolve(topic); });
  return topic;
}

void PulsarBus::Impl::resolve(const std::shared_ptr<OutTopic>& topic) {
  if (topic->state.lock()->given_up) return;
  const bool predecessors = topics.with([&](Topics& all) {
    const auto found = all.retired.find(topic->name);
    if (found == all.retired.end()) return false;
    std::erase_if(found->second, [](const auto& gone) { return gone.expired(); });
    if (!found->second.empty()) return true;
    all.retired.erase(found);
    return false;
  });
  if (predecessors)
    return client->loop().at(std::chrono::steady_clock::now() + client->pause(0), [this, topic] { resolve(topic); });
  client->partitions(topic->name,
                     [this, topic](const Result<std::uint32_t>& partitions) { resolved(topic, partitions); });
}

// Those that wait are told; where it is ready nothing changes.
void PulsarBus::Impl::give_up(OutTopic& topic, const Error& why) {
  auto waiting = topic.state.with([](OutTopic::State& state) {
    if (!state.ready) state.given_up = true;
    return std::exchange(state.waiting, {});
  });
  for (OutTopic::Waiting& one : waiting) {
    client->give_memory(Producer::size_of(one.message));
    one.done(why);
  }
  topic.state.notify_all();
}

void PulsarBus::Impl::resolved(const std::shared_ptr<OutTopic>& topic, const Result<std::uint32_t>& partitions) {
  if (topic->state.lock()->given_up) return;
  if (!partitions) {
    const Micros most = options.producer.send_time_max;
    const SteadyTime now = std::chrono::steady_clock::now();
    const SteadyTime again = now + client->pause(topic->tries++);
    if (passes_by_itself(partitions.error()) && (most == Micros{0} || again < topic->since + most))
      return client->loop().at(again, [this, topic] { resolve(topic); });
    topics.with([&](Topics& all) {
      const auto found = all.out.find(topic->name);
      if (found != all.out.end() && found->second == topic) all.out.erase(found);
    });
    return give_up(*topic, partitions.error());
  }
  std::vector<std::shared_ptr<Producer>> producers;
  for (std::uint32_t p = 0; p < std::max(*partitions, 1u); ++p) {
    const auto own = options.producers.find(topic->name);
    ProducerOptions its = own == options.producers.end() ? options.producer : own->second;
    its.partition = *partitions == 0 ? -1 : static_cast<std::int32_t>(p);
    its.topic = partition_topic(topic->name, its.partition);
    if (!its.name.empty() && *partitions > 0) its.name += "-" + std::to_string(p);
    producers.push_back(std::make_shared<Producer>(*client, std::move(its)));
    producers.back()->open();
  }
  topic->state.lock()->producers = std::move(producers);
  for (;;) {
    std::deque<OutTopic::Waiting> waiting;
    {
      auto state = topic->state.lock();
      waiting.swap(state->waiting);
      if (waiting.empty()) state->ready = true;
    }
    if (waiting.empty()) return topic->state.notify_all();
    for (OutTopic::Waiting& one : waiting) {
      const auto to =
          topic->state.with([&](OutTopic::State& state) { return producer_of(*topic, state, one.message); });
      to->publish(std::move(one.message), std::move(one.done), Producer::Memory::taken);
    }
  }
}

// Nothing new comes to its producers; what the sound ones have is answered before they close.
void PulsarBus::Impl::retire(const std::shared_ptr<OutTopic>& topic) {
  const auto producers = topic->state.with([](const OutTopic::State& state) { return state.producers; });
  const bool known = topics.with([&](Topics& all) {
    const auto found = all.out.find(topic->name);
    if (found == all.out.end() || found->second != topic) return false;
    all.out.erase(found);
    auto& retired = all.retired[topic->name];
    retired.insert(retired.end(), producers.begin(), producers.end());
    return true;
  });
  if (!known) return;
  client->loop().post([this, producers] {
    for (const auto& producer : producers)
      producer->flush([this, producer](const Result<void>&) {
        client->loop().post([producer] { producer->close([](const Result<void>&) {}); });
      });
  });
}

std::shared_ptr<Producer> PulsarBus::Impl::producer_of(OutTopic& topic, OutTopic::State& state,
                                                       const events::Message& message) const {
  const auto count = static_cast<std::uint32_t>(state.producers.size());
  if (count == 1) return state.producers.front();
  return state.producers[message.key.empty() ? static_cast<std::uint32_t>(state.without_key++ /
                                                                          options.producer.batch_messages_max % count)
                                             : events::partition_of(message.key, topic.hash, count)];
}

// Puts the message where it waits for the topic's partitions; false: they are known, or nobody will tell.
bool PulsarBus::Impl::wait_for_partitions(OutTopic& topic, OutTopic::Waiting& one) {
  std::optional<Error> refused;
  {
    auto state = topic.state.lock();
    const auto decided = [](const OutTopic::State& it) { return it.ready || it.given_up; };
    if (decided(*state)) return false;
    if (client->take_memory(Producer::size_of(one.message), {})) {
      state->waiting.push_back(std::move(one));
      return true;
    }
    const Micros most = options.producer.send_time_max;
    const bool may_wait = options.producer.when_full == WhenFull::block && !client->loop().here();
    if (may_wait && state.wait(most == Micros{0} ? Deadline::never() : Deadline::in(most), decided)) return false;
    refused = fail(Code::exhausted, "PublishQueueFull", "the broker has not said yet how the topic is partitioned");
    refused->retry_after = std::chrono::milliseconds{100};
  }
  one.done(std::move(*refused));
  return true;
}

void PulsarBus::publish(std::string_view name, events::Message message, Published done) {
  const std::shared_ptr<OutTopic> topic = impl_->out_topic(name);
  const auto producer = [&](const events::Message& its) {
    return topic->state.with(
        [&](OutTopic::State& state) { return state.ready ? impl_->producer_of(*topic, state, its) : nullptr; });
  };
  auto to = producer(message);
  if (!to) {
    OutTopic::Waiting one{std::move(message), std::move(done)};
    if (impl_->wait_for_partitions(*topic, one)) return;
    message = std::move(one.message);
    done = std::move(one.done);
    to = producer(message);
  }
  if (!to)  // it was found before it was given up
    return done(fail(Code::unavailable, "BrokerUnavailable", "nobody says how the topic is partitioned"));
  if (to->broken()) impl_->retire(topic);  // for good, as far as it can tell: the next message begins anew
  to->publish(std::move(message), std::move(done));
}

Result<void> PulsarBus::flush(Deadline deadline) {
  std::vector<std::shared_ptr<Producer>> producers;
  const auto out = impl_->topics.lock()->out;
  for (const auto& [name, topic] : out) {
    auto state = topic->state.lock();
    if (!state.wait(deadline, [](const OutTopic::State& it) { return it.ready || it.given_up; }))
      return fail(Code::deadline, "DeadlineExceeded", "the broker has not said how a topic is partitioned");
    producers.insert(producers.end(), state->producers.begin(), state->producers.end());
  }
  std::vector<std::shared_ptr<Consumer>> consumers;
  impl_->consumers.with([&](const auto& all) {
    for (const auto& weak : all)
      if (auto consumer = weak.lock()) consumers.push_back(std::move(consumer));
  });
  const auto flushed = std::make_shared<Latch>(producers.size() + consumers.size());
  impl_->client->loop().post([producers, consumers, flushed] {
    const auto answer = [flushed](const Result<void>& how) { flushed->answer(how); };
    for (const auto& producer : producers) producer->flush(answer);
    for (const auto& consumer : consumers) consumer->flush(answer);
  });
  return flushed->wait(deadline);
}

Result<std::unique_ptr<events::Subscription>> PulsarBus::subscribe(events::SubscribeOptions options,
                                                                   Deadline deadline) {
  TRY(auto made, subscribe(std::move(options), SubscribeExtras{}, deadline));
  return std::unique_ptr<events::Subscription>(std::move(made));
}

Result<std::unique_ptr<PulsarSubscription>> PulsarBus::subscribe(events::SubscribeOptions options,
                                                                 SubscribeExtras extras, Deadline deadline) {
  return open_subscription(impl_, std::move(options), std::move(extras), deadline);
}

}  // namespace chaveiro::clients::pulsar
