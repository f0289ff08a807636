// clients/pulsar/reader.h
//
// Reads a topic from a place on, without leaving a trace on the broker: nothing is acknowledged, nothing is remembered. After a lost
// connection it goes on behind the last message that it gave out.
//
// Threads: one at a time.
// Errors:  those of bus.h.
#pragma once

#include <memory>
#include <optional>

#include "clients/pulsar/subscription.h"

namespace chaveiro::clients::pulsar {

struct ReaderOptions {
  std::string topic;  // of one partition, or with one partition
  // The end, the beginning, or behind this message.
  std::variant<events::Earliest, events::Latest, events::MessageId> start = events::Earliest{};
  bool inclusive = false;  // with that message
  std::size_t queue_max = 1'000;
};

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(PulsarBus& bus, ReaderOptions options, Deadline deadline);

  // Nothing when the deadline passes.
  Result<std::optional<events::Received>> next(Deadline deadline);
  // Whether next() would find one that is there already.
  Result<bool> has_more(Deadline deadline);
  Result<void> seek(const events::SeekTo& to, Deadline deadline);
  Result<void> close(Deadline deadline) { return subscription_->close(deadline); }

 private:
  explicit Reader(std::unique_ptr<PulsarSubscription> subscription) : subscription_(std::move(subscription)) {}
  Result<void> behind_the_last(Deadline deadline);

  std::unique_ptr<PulsarSubscription> subscription_;
  std::optional<Slot> read_;  // everything up to here; none: nothing
};

}  // namespace chaveiro::clients::pulsar
