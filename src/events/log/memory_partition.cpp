#include "events/log/memory_partition.h"

#include <algorithm>

namespace chaveiro::events::log {
namespace {

std::uint64_t size_of(const Message& message) {
  std::uint64_t size = message.body.size() + message.key.size();
  for (const auto& [name, value] : message.headers) size += name.size() + value.size();
  return size;
}

}  // namespace

Result<std::uint64_t> MemoryPartition::append(Batches& batches, UtcTime at) {
  auto state = state_.lock();
  const std::uint64_t first = state->begin + state->messages.size();
  batches.seal(first, state->visible, at);
  std::vector<Stored> read;
  for (std::size_t i = 0; i < batches.marks().size(); ++i) {
    std::string_view bytes(batches.bytes());
    bytes.remove_prefix(batches.marks()[i].position);
    const auto head = read_batch_head(bytes);
    CHECK(head);
    TRY_VOID(read_records(bytes.substr(0, head->whole_size()), *head, 0, read));
  }
  for (Stored& stored : read) {
    state->bytes += size_of(stored.message);
    state->messages.push_back(std::move(stored));
  }
  return first;
}

Result<void> MemoryPartition::sync() {
  state_.with([](State& state) { state.visible = state.begin + state.messages.size(); });
  return {};
}

std::uint64_t MemoryPartition::begin() const { return state_.lock()->begin; }
std::uint64_t MemoryPartition::end() const { return state_.lock()->visible; }
std::uint64_t MemoryPartition::bytes() const { return state_.lock()->bytes; }

Result<std::vector<Stored>> MemoryPartition::read(std::uint64_t from, std::size_t max) const {
  const auto state = state_.lock();
  from = std::max(from, state->begin);
  std::vector<Stored> found;
  for (std::uint64_t at = from; at < state->visible && found.size() < max; ++at)
    found.push_back(state->messages[at - state->begin]);
  return found;
}

Result<std::uint64_t> MemoryPartition::offset_at(UtcTime time) const {
  const auto state = state_.lock();
  for (std::uint64_t at = state->begin; at < state->visible; ++at)
    if (state->messages[at - state->begin].at >= time) return at;
  return state->visible;
}

Result<void> MemoryPartition::trim(const Trim& trim) {
  auto state = state_.lock();
  while (!state->messages.empty() && state->begin < std::min(trim.everybody_has, state->visible)) {
    const Stored& oldest = state->messages.front();
    if (oldest.at >= trim.before && (trim.bytes_max == 0 || state->bytes <= trim.bytes_max)) break;
    state->bytes -= size_of(oldest.message);
    state->messages.pop_front();
    ++state->begin;
  }
  return {};
}

}  // namespace chaveiro::events::log
