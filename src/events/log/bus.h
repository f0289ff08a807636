// events/log/bus.h
//
// The bus inside the program: topics in a folder of files (the embedded log, the default where there is no broker), or in memory.
//
// Guarantees: those of events/bus.h. In files, what publish() has answered survives the death of the process and the loss of power:
//             one thread writes what waits and syncs once for all of it (group fsync), then answers. Cursors are saved every
//             `cursor_interval` and when a subscription is closed: after a crash what was acknowledged since comes again.
//             In memory publish() answers on the caller's thread before it returns.
// Threads: all of it, any.
// Time:    publish() about 0.5 µs a message of 500 bytes; it is answered one sync later.
// Errors:  those of events/bus.h; open(): conflict "FolderInUse", corrupt "LogCorrupt".
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "events/bus.h"
#include "events/log/disk.h"

namespace chaveiro::events::log {

struct LogOptions {
  std::string folder;                         // made where it is not there
  std::uint64_t segment_bytes = 64u << 20;    // of one file
  std::size_t pending_bytes_max = 64u << 20;  // messages that wait for the disk; beyond it publish() answers exhausted
  Micros cursor_interval = std::chrono::milliseconds{200};
  Micros trim_interval = std::chrono::seconds{30};
};

// What opening found.
struct Recovered {
  std::uint64_t topics = 0, messages = 0;
  std::uint64_t cut_bytes = 0;  // of torn tails: writes that a crash interrupted, never answered
};

class LogBus final : public Bus {
 public:
  // `disk` must outlive the bus.
  static Result<std::unique_ptr<LogBus>> open(LogOptions options, Disk& disk, const Clock& clock, Logger log);
  static std::unique_ptr<LogBus> in_memory(const Clock& clock);
  // What was published is written and answered first.
  ~LogBus() override;

  Result<void> create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) override;
  Result<std::vector<std::string>> topics(Deadline deadline) override;
  void publish(std::string_view topic, Message message, Published done) override;
  Result<void> flush(Deadline deadline) override;
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions options, Deadline deadline) override;
  Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) override;

  const Recovered& recovered() const;
  // Cursors reach the disk and what need not be kept goes, now.
  Result<void> maintain(Deadline deadline);
  // Looks at the clock again: for whoever moves it.
  void poke();

  // Of each subscription: its topic, its name, how far it is behind.
  struct SubscriptionLag {
    std::string topic, name;
    Lag lag;
  };
  std::vector<SubscriptionLag> lags() const;

  struct Impl;  // of this room only

 private:
  explicit LogBus(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::events::log
