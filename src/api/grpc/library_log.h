// api/grpc/library_log.h
//
// What the gRPC library has to say of its own (handshakes that failed, connections that broke) goes into the structured log
// instead of raw to stderr: as warnings, with what could be personal data or a token masked, and at most so many lines a
// minute, since a stranger can cause as many as he likes. What was held back is counted and told with the next line.
//
// The library knows one function for the whole process: one LibraryLog at a time, made before the server.
//
// Threads: messages come on any thread; make and destroy it on one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"

namespace chaveiro::api::grpc {

struct LibraryLogOptions {
  std::uint32_t lines_per_minute = 30;  // 0: none is written, all are counted
};

class LibraryLog {
 public:
  LibraryLog(Logger log, const Clock& clock, LibraryLogOptions options = {});
  ~LibraryLog();  // the library's own way from here on
  LibraryLog(const LibraryLog&) = delete;
  LibraryLog& operator=(const LibraryLog&) = delete;

  void take(Level level, std::string_view place, std::string_view message);
  std::uint64_t held_back() const { return state_.lock()->held_back_ever; }

 private:
  struct State {
    SteadyTime minute{};  // when the present one began
    std::uint32_t lines = 0;
    std::uint64_t held_back = 0;  // since the last line
    std::uint64_t held_back_ever = 0;
  };
  // Whether a line may be written now, and how many were held back before it.
  std::pair<bool, std::uint64_t> admit();

  const Logger log_;
  const Clock& clock_;
  const LibraryLogOptions options_;
  Guarded<State> state_;
};

// The message with every word masked that could be a key, a tax id or a token.
std::string masked_message(std::string_view message);

}  // namespace chaveiro::api::grpc
