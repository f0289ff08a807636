// Publishes three events on the embedded log and prints where they lie.
#include <cstdio>
#include <filesystem>

#include "base/uuid.h"
#include "events/domain_event.h"
#include "events/log/bus.h"

using namespace chaveiro;

int main() {
  const std::string folder = (std::filesystem::temp_directory_path() / ("events-" + to_string(uuid_v4()))).string();
  const Deadline deadline = Deadline::in(std::chrono::seconds{10});
  int published = 0;
  {
    SystemClock clock;
    events::log::LocalDisk disk;
    events::log::LogOptions options;
    options.folder = folder;
    auto bus = events::log::LogBus::open(options, disk, clock, Logger{});
    if (!bus) return 1;
    if (!(*bus)->create_topic("orders", {.partitions = 4}, deadline)) return 1;
    UuidV7 ids;
    for (std::uint64_t version = 1; version <= 3; ++version) {
      events::DomainEvent event;
      event.event_id = ids.make(clock.now());
      event.event_type = "order.changed";
      event.aggregate_id = "order-7";  // the key: its events keep their order
      event.aggregate_type = "order";
      event.timestamp = clock.now();
      event.version = version;
      event.previous_version = version - 1;
      // Answered once it is on the disk.
      const auto id = events::publish(**bus, "orders", events::to_message(event), deadline);
      if (!id) return std::fprintf(stderr, "%s\n", id.error().message.c_str()), 1;
      std::printf("version %d lies at %s\n", static_cast<int>(version), events::to_string(*id).c_str());
      ++published;
    }
  }
  std::filesystem::remove_all(folder);
  return published == 3 ? 0 : 1;
}
