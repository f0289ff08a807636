#include "cache/write_journal.h"

#include <filesystem>

#include "cache/codec.h"

namespace chaveiro::cache {
namespace {

constexpr std::uint8_t kind_done = 3;
constexpr std::size_t journal_max = std::size_t{1} << 30;

void put(std::string& out, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> 8 * i & 0xFF);
}
std::uint64_t number_at(std::string_view text, std::size_t at, std::size_t bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    number |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(text[at + i])) << 8 * i;
  return number;
}

std::string record_of(std::uint8_t kind, const QueuedWrite& write) {
  std::string inside;
  put(inside, kind, 1);
  put(inside, write.sequence, 8);
  put(inside, write.key.size(), 4);
  inside += write.key;
  inside += write.bytes;
  std::string out;
  put(out, inside.size(), 4);
  const std::uint64_t check = checksum64(inside);
  out += inside;
  put(out, check, 8);
  return out;
}

// How many bytes the record at the front takes; 0: it is torn.
std::size_t read_record(std::string_view from, std::uint8_t& kind, QueuedWrite& write) {
  if (from.size() < 4) return 0;
  const std::uint64_t size = number_at(from, 0, 4);
  if (size < 13 || from.size() < 4 + size + 8) return 0;
  const std::string_view inside = from.substr(4, size);
  if (number_at(from, 4 + size, 8) != checksum64(inside)) return 0;
  kind = static_cast<std::uint8_t>(inside[0]);
  write.sequence = number_at(inside, 1, 8);
  const std::uint64_t key_bytes = number_at(inside, 9, 4);
  if (key_bytes > size - 13 || kind < 1 || kind > kind_done) return 0;
  write.key = inside.substr(13, key_bytes);
  write.bytes = inside.substr(13 + key_bytes);
  if (kind != kind_done) write.kind = static_cast<QueuedWrite::Kind>(kind);
  return 4 + size + 8;
}

Error broken() {
  return fail(Code::unavailable, "JournalFailed", "the journal of a write queue could not be written: open it anew");
}

}  // namespace

Result<std::unique_ptr<WriteJournal>> WriteJournal::open(const std::string& path, std::vector<QueuedWrite>& undone) {
  auto content = read_file(path, journal_max);
  if (!content && content.error().code != Code::not_found) return std::move(content).error();
  const std::string text = content ? std::move(*content) : std::string();

  std::map<std::uint64_t, QueuedWrite> waiting;
  std::size_t good = 0;
  while (good < text.size()) {
    std::uint8_t kind = 0;
    QueuedWrite write;
    const std::size_t size = read_record(std::string_view(text).substr(good), kind, write);
    if (size == 0) break;
    good += size;
    if (kind == kind_done)
      waiting.erase(write.sequence);
    else
      waiting[write.sequence] = std::move(write);
  }
  TRY(File file, File::open(path, File::Open::append));
  if (good < text.size()) TRY_VOID(file.truncate(good));
  TRY_VOID(file.sync());
  TRY_VOID(sync_folder(
      std::filesystem::path(path).parent_path().empty() ? "." : std::filesystem::path(path).parent_path().string()));
  for (const auto& [sequence, write] : waiting) undone.push_back(write);
  State state{std::move(file), good, std::move(waiting), false};
  return std::unique_ptr<WriteJournal>(new WriteJournal(path, std::move(state), text.size() - good));
}

Result<WriteJournal::Place> WriteJournal::append(const QueuedWrite& write) {
  const std::string record = record_of(static_cast<std::uint8_t>(write.kind), write);
  return state_.with([&](State& state) -> Result<Place> {
    if (state.failed) return broken();
    if (auto written = state.file.append(record); !written) {
      // What stands at the end of the file now is unknown: nothing more may be promised on it.
      state.failed = true;
      return written.error();
    }
    state.size += record.size();
    state.undone[write.sequence] = write;
    return ++state.appended;
  });
}

// Whoever comes first syncs for all who have appended so far; the others wait for him, and then one of them for the rest.
Result<void> WriteJournal::wait(Place place) {
  for (;;) {
    Place until = 0;
    File* file = nullptr;
    {
      auto state = state_.lock();
      state.wait(Deadline::never(), [&](const State& it) { return it.failed || it.synced >= place || !it.syncing; });
      if (state->synced >= place) return {};
      if (state->failed) return broken();
      state->syncing = true;
      until = state->appended;
      file = &state->file;
    }
    const Result<void> done = file->sync();
    state_.with([&](State& state) {
      state.syncing = false;
      ++state.syncs;
      if (done)
        state.synced = std::max(state.synced, until);
      else
        state.failed = true;
    });
    state_.notify_all();
    if (!done) return done;
  }
}

void WriteJournal::done(std::uint64_t sequence) {
  state_.with([&](State& state) {
    if (state.undone.erase(sequence) == 0 || state.failed) return;
    const std::string record = record_of(kind_done, {.sequence = sequence, .key = {}, .bytes = {}});
    if (!state.file.append(record)) {
      state.failed = true;
      return;
    }
    state.size += record.size();
    if (state.size > compact_above && state.undone.size() < 1'000 && !state.syncing) compact(state);
  });
}

void WriteJournal::compact(State& state) {
  std::string whole;
  for (const auto& [sequence, write] : state.undone) whole += record_of(static_cast<std::uint8_t>(write.kind), write);
  if (!write_file(path_, whole)) return;
  auto file = File::open(path_, File::Open::append);
  if (!file) {
    state.failed = true;
    return;
  }
  state.file = std::move(*file);
  state.size = whole.size();
  state.synced = state.appended;
}

}  // namespace chaveiro::cache
