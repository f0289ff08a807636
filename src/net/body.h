// net/body.h
//
// Bodies too large to hold: the reading end of a request that streams in, and the writing end of a response that
// streams out. Both sit on a bounded window of bytes between the caller's thread and the connection: when the window is
// full, the faster side waits, down to TCP's own window, so neither end can fill the other's memory.
//
// Threads: one caller at a time, never the server's I/O thread (the calls wait for it).
// Time:    every call obeys its Deadline.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::net {

class BodyPipe;

class BodyReader {
 public:
  explicit BodyReader(std::shared_ptr<BodyPipe> pipe);
  ~BodyReader();
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  // The next bytes, as many as have come; empty at the end of the body, and from then on.
  // Errors: deadline (call again: nothing was lost), cancelled (the peer went away or the server stops), invalid (the
  // body is malformed, or larger than allowed: reason PayloadTooLarge).
  Result<std::string> next(Deadline deadline);

 private:
  std::shared_ptr<BodyPipe> pipe_;
};

// Destroyed before finish(): the connection is cut, so that the peer sees that the body is not whole.
class ResponseWriter {
 public:
  explicit ResponseWriter(std::shared_ptr<BodyPipe> pipe);
  ~ResponseWriter();
  ResponseWriter(ResponseWriter&&) noexcept = default;
  ResponseWriter& operator=(ResponseWriter&&) noexcept;

  // Waits while the window is full. An empty piece does nothing.
  // Errors: deadline (nothing of this piece was taken: it may be written again), cancelled (the peer went away or the
  // server stops).
  Result<void> write(std::string_view piece, Deadline deadline);
  // The body is whole. Does not wait.
  void finish();

 private:
  std::shared_ptr<BodyPipe> pipe_;
};

}  // namespace chaveiro::net
