#include "directory/lookup_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "directory/lookup_files.h"
#include "directory/lookup_window.h"

namespace chaveiro::directory {

struct LookupFile::Segment {
  Segment(File its_file, Month its_month, std::uint64_t end)
      : file(std::move(its_file)), month(its_month), reserved(end), maps(LookupWindow::can_map(file)) {}
  File file;
  Month month = 0;
  std::uint64_t reserved = 0;  // bytes that the disk has promised
  const bool maps;             // then the file is as long as what is reserved
  LookupWindow window;         // where records are copied; what does not fit there is written
};

struct LookupFile::State {
  std::shared_ptr<Segment> segment;             // none until the first record
  LookupMark end;                               // behind the last record
  std::uint64_t synced = 0;                     // offset
  std::vector<std::shared_ptr<Segment>> ended;  // months that are over and not synced yet
  std::string buffer;
  Counts counts;
  std::optional<Error> failure;
  bool stopping = false;
  std::uint64_t unsynced() const { return segment ? end.offset - synced : 0; }
};

namespace {

Error behind(std::size_t waiting) {
  Error error = fail(Code::exhausted, "LookupLogBehind",
                     std::to_string(waiting) + " bytes of look-up records wait for the disk: it is too slow, or hangs");
  error.retry_after = std::chrono::milliseconds(100);
  return error;
}

}  // namespace

std::string lookup_file_name(std::string_view writer, Month month) {
  return "lookups-" + std::string(writer) + "-" + std::to_string(month) + ".log";
}

LookupFile::LookupFile(LookupFileOptions options)
    : options_(std::move(options)), state_(std::make_unique<Guarded<State>>()), syncing_(false) {}

Result<std::unique_ptr<LookupFile>> LookupFile::open(const LookupFileOptions& options) {
  if (!good_writer_name(options.writer))
    return fail_field("writer", "must be 1 to 64 letters, digits, hyphens or underscores");
  std::unique_ptr<LookupFile> log(new LookupFile(options));
  {
    auto state = log->state_->lock();
    TRY_VOID(log->open_newest(*state));
  }
  log->thread_ = std::thread([self = log.get()] { self->keep_synced(); });
  return log;
}

LookupFile::~LookupFile() {
  state_->with([](State& state) { state.stopping = true; });
  state_->notify_all();
  if (thread_.joinable()) thread_.join();
  static_cast<void>(sync());
  state_->with([](State& state) { give_back(state); });
}

// What was reserved behind the last record.
void LookupFile::give_back(State& state) {
  if (!state.segment || !state.segment->maps) return;
  state.segment->window.close();
  static_cast<void>(state.segment->file.truncate(state.end.offset));
}

// Takes up the chain where the newest file of this writer ends.
Result<void> LookupFile::open_newest(State& state) {
  TRY(auto segments, lookup_segments(options_.folder));
  std::erase_if(segments, [&](const LookupSegmentName& one) { return one.writer != options_.writer; });
  if (segments.empty()) return {};
  const LookupSegmentName newest = segments.back();
  TRY(File file, File::open(newest.path, File::Open::update, 0600));
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::unavailable, "LookupLogInUse",
                newest.path + " is written by another process: give each process a writer name of its own");
  TRY(const std::string bytes, read_lookup_segment(newest.path));
  if (lookup_file_is_stillborn(bytes)) {
    if (::unlink(newest.path.c_str()) != 0) return file_error("remove", newest.path, errno);
    return open_newest(state);
  }
  TRY(const LookupTail tail, lookup_tail(newest.path, bytes, options_.writer));
  if (tail.torn > 0) {
    TRY_VOID(file.truncate(tail.end.offset));
    TRY_VOID(file.sync());
  }
  state.counts.torn = tail.torn;
  state.end = tail.end;
  state.synced = tail.synced;
  state.segment = std::make_shared<Segment>(std::move(file), newest.month, tail.end.offset);
  return {};
}

Result<void> LookupFile::begin_month(State& state, Month month) {
  const std::string path = options_.folder + "/" + lookup_file_name(options_.writer, month);
  const LookupMark mark{lookup_header_size, 0, state.end.hash};
  TRY(File file, File::open(path, File::Open::replace, 0600));
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::unavailable, "LookupLogInUse", path + " is written by another process");
  TRY_VOID(file.write_at(0, lookup_header(options_.writer, month, mark)));
  give_back(state);
  if (state.segment) state.ended.push_back(state.segment);
  state.segment = std::make_shared<Segment>(std::move(file), month, lookup_header_size);
  state.end = mark;
  state.synced = 0;
  return {};
}

// Disk space is taken before it is needed: a full disk is then an error here and never a half-written record. Where the
// disk has not as much as we would like, what the record needs is enough.
Result<void> LookupFile::reserve(Segment& segment, std::uint64_t from, std::uint64_t until) {
  if (until <= segment.reserved || options_.grow_by == 0) return {};
  std::uint64_t to = until + options_.grow_by;
  bool maps = segment.maps;
  while (::fallocate(segment.file.fd(), maps ? 0 : FALLOC_FL_KEEP_SIZE, static_cast<off_t>(segment.reserved),
                     static_cast<off_t>(to - segment.reserved)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP) {  // then the write tells
      maps = false;
      break;
    }
    if ((errno == ENOSPC || errno == EFBIG) && to > until) {
      to = until;
      maps = false;
      continue;
    }
    return file_error("write", segment.file.path(), errno);
  }
  if (maps) segment.window.open(segment.file, from, to);
  segment.reserved = to;
  return {};
}

// Into the window where it fits, else by a call.
Result<void> LookupFile::put(Segment& segment, std::uint64_t at, std::string_view bytes) {
  TRY_VOID(reserve(segment, at, at + bytes.size()));
  if (segment.window.holds(at, at + bytes.size())) {
    segment.window.write(at, bytes);
    return {};
  }
  auto written = segment.file.write_at(at, bytes);
  if (!written) {
    segment.window.close();
    static_cast<void>(segment.file.truncate(at));
    segment.reserved = at;
  }
  return written;
}

Result<void> LookupFile::write(State& state, const LookupRecord& record) {
  if (state.failure) return *state.failure;
  const Month month = month_of(record.at);
  if (!state.segment || month > state.segment->month) TRY_VOID(begin_month(state, month));
  if (state.end.offset - state.synced > options_.unsynced_max) return behind(state.end.offset - state.synced);
  LookupMark end = state.end;
  state.buffer.clear();
  write_lookup(state.buffer, record, end);
  TRY_VOID(put(*state.segment, state.end.offset, state.buffer));
  state.end = end;
  ++state.counts.appended;
  return {};
}

Result<void> LookupFile::append(const LookupRecord& record) {
  bool wake = false;
  {
    auto state = state_->lock();
    const bool was_synced = state->unsynced() == 0;
    if (auto written = write(*state, record); !written) {
      if (options_.when_full == LookupFileOptions::WhenFull::refuse) return written;
      ++state->counts.lost;
      return {};
    }
    wake = was_synced;
  }
  if (wake) state_->notify_all();
  return {};
}

// Remembered: after a failed sync the kernel forgets what it could not write, and the next one would lie.
Result<void> LookupFile::failed(State& state, const Error& error) {
  state.failure = fail(Code::unavailable, "LookupLogFailed",
                       "the look-up log cannot be written to its disk (" + error.message +
                           "): mend that and restart; until then look-ups are refused");
  return *state.failure;
}

Result<void> LookupFile::sync() {
  auto one_at_a_time = syncing_.lock();
  std::shared_ptr<Segment> segment;
  std::vector<std::shared_ptr<Segment>> ended;
  LookupMark end;
  bool new_file = false;
  {
    auto state = state_->lock();
    if (state->failure) return *state->failure;
    if (state->unsynced() == 0) return {};
    segment = state->segment;
    ended = state->ended;
    end = state->end;
    new_file = state->synced <= lookup_header_size;
  }
  const auto to_disk = [&]() -> Result<void> {
    for (const auto& month : ended) TRY_VOID(month->file.sync());
    TRY_VOID(segment->file.sync());
    if (new_file) TRY_VOID(sync_folder(options_.folder));
    return segment->file.write_at(lookup_mark_at, lookup_mark_bytes(end));
  };
  const auto done = to_disk();
  auto state = state_->lock();
  if (!done) return failed(*state, done.error());
  state->ended.erase(state->ended.begin(), state->ended.begin() + static_cast<std::ptrdiff_t>(ended.size()));
  if (state->segment == segment) state->synced = end.offset;
  return {};
}

void LookupFile::keep_synced() {
  for (;;) {
    {
      auto state = state_->lock();
      state.wait(Deadline::never(), [](const State& it) { return it.stopping || (!it.failure && it.unsynced() > 0); });
      if (state->stopping) return;
    }
    static_cast<void>(sync());  // a failure is what the next append answers
    auto state = state_->lock();
    if (state.wait(Deadline::in(options_.sync_every), [](const State& it) { return it.stopping; })) return;
  }
}

LookupFile::Counts LookupFile::counts() const {
  const auto state = std::as_const(*state_).lock();
  Counts counts = state->counts;
  counts.unsynced = state->segment ? state->end.offset - state->synced : 0;
  return counts;
}

}  // namespace chaveiro::directory
