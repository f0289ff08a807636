#include "net/body.h"

#include <algorithm>
#include <utility>

#include "net/body_pipe.h"

namespace chaveiro::net {
namespace {
Error late() { return chaveiro::fail(Code::deadline, "DeadlineExceeded", "the other side of the body was too slow"); }
Error given_up(const char* what) { return chaveiro::fail(Code::cancelled, "Cancelled", what); }
}  // namespace

BodyPipe::BodyPipe(std::size_t window_bytes, std::function<void()> wake)
    : window_bytes_(std::max<std::size_t>(window_bytes, 1)), wake_(std::move(wake)) {}

void BodyPipe::wake_if(bool wanted) {
  if (wanted && wake_) wake_();
}

Result<std::string> BodyPipe::wait_take(Deadline deadline) {
  std::string bytes;
  bool wake = false;
  {
    auto state = state_.lock();
    if (!state.wait(deadline, [](const State& s) { return s.readable(); })) {
      return late();
    }
    if (state->bytes.empty() && state->error) return *state->error;
    bytes.swap(state->bytes);
    wake = std::exchange(state->connection_waits, false);
  }
  wake_if(wake);
  return bytes;
}

Result<void> BodyPipe::wait_put(std::string_view piece, Deadline deadline) {
  bool wake = false;
  {
    auto state = state_.lock();
    // A piece larger than the window is taken when the window is empty: it is in memory anyway.
    const auto has_room = [&](const State& s) {
      return s.error || s.finished || s.bytes.empty() || s.bytes.size() + piece.size() <= window_bytes_;
    };
    if (!state.wait(deadline, has_room)) return late();
    if (state->error) return *state->error;
    CHECK(!state->finished);
    state->bytes.append(piece);
    wake = std::exchange(state->connection_waits, false);
  }
  wake_if(wake);
  return {};
}

bool BodyPipe::put(std::string_view piece) {
  const bool room = state_.with([&](State& state) {
    if (state.error) return true;  // nobody reads any more: swallow it
    state.bytes.append(piece);
    state.connection_waits = state.bytes.size() >= window_bytes_;
    return !state.connection_waits;
  });
  state_.notify_all();
  return room;
}

BodyPipe::Taken BodyPipe::take(std::size_t bytes_max) {
  Taken taken = state_.with([&](State& state) {
    Taken out;
    if (state.error) {
      out.broken = true;
    } else if (state.bytes.size() <= bytes_max) {
      out.bytes.swap(state.bytes);
      out.finished = state.finished;
    } else {
      out.bytes = state.bytes.substr(0, bytes_max);
      state.bytes.erase(0, bytes_max);
    }
    state.connection_waits = out.bytes.empty() && !out.finished && !out.broken;
    return out;
  });
  state_.notify_all();
  return taken;
}

void BodyPipe::finish() {
  const bool wake = state_.with([](State& state) {
    if (!state.error) state.finished = true;
    return std::exchange(state.connection_waits, false);
  });
  state_.notify_all();
  wake_if(wake);
}

void BodyPipe::fail(Error why) {
  const bool wake = state_.with([&](State& state) {
    if (!state.error && !state.finished) state.error = std::move(why);
    return std::exchange(state.connection_waits, false);
  });
  state_.notify_all();
  wake_if(wake);
}

BodyReader::BodyReader(std::shared_ptr<BodyPipe> pipe) : pipe_(std::move(pipe)) {}
BodyReader::~BodyReader() { pipe_->fail(given_up("the body is not wanted any more")); }
Result<std::string> BodyReader::next(Deadline deadline) { return pipe_->wait_take(deadline); }

ResponseWriter::ResponseWriter(std::shared_ptr<BodyPipe> pipe) : pipe_(std::move(pipe)) {}
ResponseWriter::~ResponseWriter() {
  if (pipe_) pipe_->fail(given_up("the answer was given up half-way"));
}

ResponseWriter& ResponseWriter::operator=(ResponseWriter&& other) noexcept {
  if (this != &other) {
    ResponseWriter old(std::move(*this));
    pipe_ = std::move(other.pipe_);
  }
  return *this;
}

Result<void> ResponseWriter::write(std::string_view piece, Deadline deadline) {
  CHECK(pipe_ != nullptr);
  return piece.empty() ? Result<void>{} : pipe_->wait_put(piece, deadline);
}

void ResponseWriter::finish() {
  CHECK(pipe_ != nullptr);
  pipe_->finish();
}

}  // namespace chaveiro::net
