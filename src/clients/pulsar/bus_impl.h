// clients/pulsar/bus_impl.h
//
// What a PulsarBus holds, shared by the files that implement it: topics and publishing (bus.cpp), subscriptions (subscription.cpp).
//
// Threads: each part says who may touch it.
#pragma once

#include <deque>
#include <set>

#include "clients/pulsar/bus.h"
#include "clients/pulsar/consumer.h"

namespace chaveiro::clients::pulsar {

// A topic that is published on. Messages wait here until its partitions are known.
struct OutTopic {
  std::string name;
  events::KeyHash hash = events::KeyHash::murmur3;
  struct Waiting {
    events::Message message;
    events::Bus::Published done;
  };
  struct State {
    bool ready = false;
    bool given_up = false;  // nobody could say how it is partitioned
    std::vector<std::shared_ptr<Producer>> producers;
    std::deque<Waiting> waiting;  // their room in the client's memory is taken
    std::uint64_t without_key = 0;
  };
  Guarded<State> state;
  const SteadyTime since = std::chrono::steady_clock::now();
  unsigned tries = 0;  // to learn its partitions; the loop's
};

struct PulsarBus::Impl {
  BusOptions options;
  Logger log;
  std::unique_ptr<Admin> admin;
  struct Topics {
    std::map<std::string, std::shared_ptr<OutTopic>, std::less<>> out;
    // Of topics that were begun anew: what they have is answered before the new ones open, so that no message overtakes another.
    std::map<std::string, std::vector<std::weak_ptr<Producer>>, std::less<>> retired;
    std::map<std::string, events::KeyHash, std::less<>> hashes;
    std::set<std::string> namespaces;
  };
  Guarded<Topics> topics;
  Guarded<std::vector<std::weak_ptr<Consumer>>> consumers;
  std::unique_ptr<Client> client;  // last: its thread, whose work names this object, ends before the rest goes

  std::shared_ptr<OutTopic> out_topic(std::string_view name);
  void resolve(const std::shared_ptr<OutTopic>& topic);
  void resolved(const std::shared_ptr<OutTopic>& topic, const Result<std::uint32_t>& partitions);
  void give_up(OutTopic& topic, const Error& why);
  void retire(const std::shared_ptr<OutTopic>& topic);
  bool wait_for_partitions(OutTopic& topic, OutTopic::Waiting& one);
  // Of the message's partition.
  std::shared_ptr<Producer> producer_of(OutTopic& topic, OutTopic::State& state, const events::Message& message) const;
  Result<std::uint32_t> partitions(const std::string& topic, Deadline deadline);
};

// "topic-partition-3"; the topic itself where it has none.
std::string partition_topic(const std::string& topic, std::int32_t partition);

}  // namespace chaveiro::clients::pulsar
