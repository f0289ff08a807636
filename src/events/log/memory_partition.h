// events/log/memory_partition.h
//
// A partition that is forgotten with the process.
//
// Threads: as partition.h says.
#pragma once

#include <deque>

#include "base/guarded.h"
#include "events/log/partition.h"

namespace chaveiro::events::log {

class MemoryPartition final : public Partition {
 public:
  Result<std::uint64_t> append(Batches& batches, UtcTime at) override;
  Result<void> sync() override;
  std::uint64_t begin() const override;
  std::uint64_t end() const override;
  std::uint64_t bytes() const override;
  Result<std::vector<Stored>> read(std::uint64_t from, std::size_t max) const override;
  Result<std::uint64_t> offset_at(UtcTime time) const override;
  Result<void> trim(const Trim& trim) override;

 private:
  struct State {
    std::deque<Stored> messages;
    std::uint64_t begin = 0;
    std::uint64_t visible = 0;  // end of what was synced
    std::uint64_t bytes = 0;
  };
  Guarded<State> state_;
};

}  // namespace chaveiro::events::log
