// events/log/impl.h
//
// What a LogBus holds, shared by the files that implement it: topics and publishing (bus.cpp), the writing thread (writer.cpp),
// subscriptions (subscription.cpp).
//
// Threads: each part says who may touch it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "base/guarded.h"
#include "events/log/bus.h"
#include "events/log/cursor_file.h"
#include "events/log/group.h"

namespace chaveiro::events::log {

// A subscription of a topic, and what of it is on the disk.
struct SharedGroup {
  SharedGroup(std::string its_name, bool is_durable, SubscriptionType type, std::vector<Cursor> cursors)
      : name(std::move(its_name)), durable(is_durable), group(std::in_place, type, std::move(cursors)) {}
  const std::string name;
  const bool durable;
  Guarded<Group> group;
  Guarded<std::uint64_t> saved;  // Group::changes() as of the file; held while it is written
};

struct Topic {
  std::string name;
  std::string folder;  // empty: memory
  TopicOptions options;
  std::vector<std::unique_ptr<Partition>> partitions;
  std::size_t first_outbox = 0;  // of its partitions among all
  Guarded<std::map<std::string, std::shared_ptr<SharedGroup>>> groups;
};

// Messages on their way to one partition.
struct Outgoing {
  Batches batches;
  std::vector<Bus::Published> answers;
};

struct LogBus::Impl {
  Impl(LogOptions its_options, Disk* its_disk, const Clock& its_clock, Logger its_log)
      : options(std::move(its_options)), disk(its_disk), clock(its_clock), log(std::move(its_log)) {}

  struct Outbox {
    std::vector<Outgoing> partitions;
    std::size_t bytes = 0;    // of everything that waits
    std::uint64_t taken = 0;  // rounds of the writer that began
    std::uint64_t finished = 0;
    std::uint64_t sticky = 0;  // messages without a key go round
    bool trim = false;
    bool stopping = false;
  };
  struct Route {
    std::shared_ptr<Topic> topic;
    std::uint32_t partition = 0;
  };
  struct Topics {
    std::map<std::string, std::shared_ptr<Topic>, std::less<>> by_name;
    std::vector<Route> routes;  // by place in Outbox::partitions
  };
  struct Answer {
    Bus::Published done;
    Result<MessageId> id;
  };

  // bus.cpp
  Result<void> load();
  Result<void> add_topic(const std::string& name, const TopicOptions& topic_options, const std::string& folder);
  Result<void> load_cursors(Topic& topic);
  std::shared_ptr<Topic> find(std::string_view name) const;
  std::vector<std::shared_ptr<Topic>> all_topics() const;
  void signal();

  // writer.cpp
  void write_loop();
  // Writes and answers what waits. One at a time: under `writing` in memory, on the writer's thread otherwise.
  bool write_once();
  void write_partition(const Route& route, Outgoing& outgoing, std::vector<Answer>& answers);
  void trim_all();
  Result<void> save_cursors();
  Result<void> save(Topic& topic, SharedGroup& shared);
  void cursor_loop();

  const LogOptions options;
  Disk* const disk;  // null: memory
  const Clock& clock;
  const Logger log;
  std::shared_ptr<void> lock;  // of the folder
  Recovered recovered;
  Guarded<Topics> topics;
  Guarded<Outbox> outbox;
  Guarded<std::vector<Outgoing>> writing;  // the writer's side of the outbox; keeps its memory
  Guarded<std::uint64_t> changed;          // grows when a subscription may have something new
  Guarded<bool> cursors_stop;
  std::thread writer, cursor_writer;
};

Result<std::unique_ptr<Subscription>> open_subscription(LogBus::Impl& bus, SubscribeOptions options);

}  // namespace chaveiro::events::log
