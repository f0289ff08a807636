#include "events/log/file_partition.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::events::log {
namespace {

constexpr std::size_t read_bytes = 256u << 10;
constexpr std::size_t answer_bytes_max = 1u << 20;

Error broken() {
  return fail(Code::unavailable, "LogBroken",
              "the disk failed while the event log was synced; start the program again, and look at the disk");
}

}  // namespace

Result<std::unique_ptr<FilePartition>> FilePartition::open(Disk& disk, std::string folder,
                                                           FilePartitionOptions options) {
  std::unique_ptr<FilePartition> made(new FilePartition(disk, std::move(folder), options));
  TRY_VOID(made->load());
  return made;
}

Result<void> FilePartition::load() {
  TRY_VOID(disk_.make_folder(folder_));
  TRY(const std::vector<std::string> names, disk_.list(folder_));
  std::vector<std::uint64_t> bases;
  for (const std::string& name : names) {
    if (name.size() != 24 || !name.ends_with(".log")) continue;
    if (const auto base = parse_uint(std::string_view(name).substr(0, 20))) bases.push_back(*base);
  }
  std::sort(bases.begin(), bases.end());
  Segments segments;
  for (const std::uint64_t base : bases) {
    if (!segments.empty() && segments.back()->end != base)
      return fail(
          Code::corrupt, "LogCorrupt",
          segment_path(folder_, base) + ".log does not go on where the file before it ends: one is missing or foreign");
    const std::string path = segment_path(folder_, base);
    if (base == bases.back()) {
      TRY(Opened last, open_last_segment(disk_, path, base));
      cut_bytes_ = last.cut_bytes;
      segments.push_back(std::move(last.segment));
    } else {
      TRY(auto full, open_full_segment(disk_, path, base));
      segments.push_back(std::move(full));
    }
  }
  if (segments.empty()) {
    TRY(auto first, make_segment(disk_, folder_, 0));
    segments.push_back(std::move(first));
  }
  active_ = segments.back();
  next_ = active_->end;
  written_ = active_->size;
  newest_ = active_->newest;
  auto state = state_.lock();
  state->visible = next_;
  state->segments = std::move(segments);
  return {};
}

// The active segment is on the disk before there is a newer one: damage in it is then never a torn tail.
Result<void> FilePartition::roll() {
  TRY_VOID(sync());
  TRY_VOID(write_index(disk_, *active_));
  TRY(auto fresh, make_segment(disk_, folder_, next_));
  active_ = fresh;
  written_ = 0;
  state_.with([&](State& state) { state.segments.push_back(std::move(fresh)); });
  return {};
}

Result<std::uint64_t> FilePartition::append(Batches& batches, UtcTime at) {
  if (broken_) return broken();
  if (written_ >= options_.segment_bytes) TRY_VOID(roll());
  const std::uint64_t first = next_;
  batches.seal(first, state_.lock()->visible, at);
  if (auto written = active_->file->write_at(written_, batches.bytes()); !written) {
    if (const auto cut = active_->file->truncate(written_); !cut) broken_ = true;
    return std::move(written).error();
  }
  for (const Batches::Mark& mark : batches.marks())
    marks_.push_back({first + mark.record, written_ + mark.position, at});
  written_ += batches.bytes().size();
  next_ += batches.records();
  newest_ = at;
  return first;
}

Result<void> FilePartition::sync() {
  if (broken_) return broken();
  if (marks_.empty()) return {};
  if (auto synced = active_->file->sync(); !synced) {
    broken_ = true;
    return synced;
  }
  auto state = state_.lock();
  for (const IndexEntry& mark : marks_) active_->note(mark.offset, mark.position, mark.at);
  marks_.clear();
  active_->end = next_;
  active_->size = written_;
  active_->newest = newest_;
  state->visible = next_;
  return {};
}

std::uint64_t FilePartition::begin() const { return state_.lock()->segments.front()->base; }
std::uint64_t FilePartition::end() const { return state_.lock()->visible; }

std::uint64_t FilePartition::bytes() const {
  const auto state = state_.lock();
  std::uint64_t sum = 0;
  for (const auto& segment : state->segments) sum += segment->size;
  return sum;
}

std::optional<FilePartition::Place> FilePartition::place_of(std::uint64_t& from) const {
  const auto state = state_.lock();
  from = std::max(from, state->segments.front()->base);
  if (from >= state->visible) return std::nullopt;
  const auto behind = std::upper_bound(state->segments.begin(), state->segments.end(), from,
                                       [](std::uint64_t value, const auto& segment) { return value < segment->base; });
  const std::shared_ptr<Segment>& segment = *std::prev(behind);
  const IndexEntry* const entry = segment->at_or_before(from);
  return Place{segment, entry == nullptr ? 0 : entry->position, segment->size, state->visible};
}

Result<std::vector<Stored>> FilePartition::read(std::uint64_t from, std::size_t max) const {
  std::vector<Stored> found;
  const auto place = place_of(from);
  if (!place || max == 0) return found;
  std::string bytes;
  std::uint64_t position = place->position;
  std::size_t answered = 0;
  std::string_view left;
  while (found.size() < max && answered < answer_bytes_max && position < place->size) {
    auto head = read_batch_head(left);
    if (!head || left.size() < head->whole_size()) {
      const std::size_t wanted = std::max(read_bytes, head ? head->whole_size() : 0);
      bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(wanted, place->size - position)));
      TRY(const std::size_t read, place->segment->file->read_at(position, bytes));
      left = std::string_view(bytes).substr(0, read);
      head = read_batch_head(left);
      if (head && left.size() < head->whole_size() && head->whole_size() <= place->size - position) continue;
    }
    const bool sound = head && left.size() >= head->whole_size() &&
                       (head->end() <= from || batch_is_whole(left.substr(0, head->whole_size()), *head));
    if (!sound)
      return fail(Code::corrupt, "LogCorrupt",
                  place->segment->path + ".log is damaged at byte " + std::to_string(position) +
                      ": restore it from a backup, or seek the subscription past it");
    if (head->end() > from) {
      TRY_VOID(read_records(left.substr(0, head->whole_size()), *head, from, found));
      answered += head->size;
    }
    position += head->whole_size();
    left.remove_prefix(head->whole_size());
  }
  return found;
}

Result<std::uint64_t> FilePartition::offset_at(UtcTime time) const {
  std::uint64_t from = 0, visible = 0;
  {
    const auto state = state_.lock();
    visible = state->visible;
    from = state->segments.front()->base;
    for (const auto& segment : state->segments) {
      if (segment->newest < time && segment->end > segment->base) {
        from = segment->end;
        continue;
      }
      for (const IndexEntry& entry : segment->index)
        if (entry.at < time) from = entry.offset;
      break;
    }
  }
  while (from < visible) {
    TRY(const std::vector<Stored> some, read(from, 1'000));
    if (some.empty()) break;
    for (const Stored& stored : some)
      if (stored.at >= time) return stored.offset;
    from = some.back().offset + 1;
  }
  return visible;
}

Result<void> FilePartition::trim(const Trim& trim) {
  if (broken_) return broken();
  const bool active_is_old = next_ > active_->base && trim.everybody_has >= next_ && newest_ < trim.before;
  if (active_is_old) TRY_VOID(roll());
  for (;;) {
    std::shared_ptr<Segment> oldest;
    {
      auto state = state_.lock();
      std::uint64_t sum = 0;
      for (const auto& segment : state->segments) sum += segment->size;
      const std::shared_ptr<Segment>& first = state->segments.front();
      const bool too_much = trim.bytes_max != 0 && sum > trim.bytes_max;
      if (state->segments.size() == 1 || first->end > trim.everybody_has || (first->newest >= trim.before && !too_much))
        return {};
      oldest = first;
      state->segments.erase(state->segments.begin());
    }
    // Readers that still hold it read on: the file goes when they are done.
    TRY_VOID(disk_.remove(oldest->path + ".idx"));
    TRY_VOID(disk_.remove(oldest->path + ".log"));
  }
}

}  // namespace chaveiro::events::log
