// net/body_pipe.h
//
// A bounded window of body bytes between a thread that may wait and a connection that must not. One side puts, the other
// takes; which of them waits depends on the direction, so both sides have a waiting and a non-waiting form. The pipe ends
// well (finish), or is broken by either side with the reason.
//
// Threads: one thread a side.
// Time:    wait_* obey their Deadline; the others only take the lock.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro::net {

class BodyPipe {
 public:
  // `wake`: called without the lock when the connection, which had found the pipe full (or empty), can go on.
  BodyPipe(std::size_t window_bytes, std::function<void()> wake);

  // The side that may wait.
  Result<std::string> wait_take(Deadline deadline);
  Result<void> wait_put(std::string_view piece, Deadline deadline);

  // The connection's side. put() takes all and says whether there is room for more; where there is none, the connection
  // stops until it is woken.
  bool put(std::string_view piece);
  struct Taken {
    std::string bytes;
    bool finished = false;  // and nothing is left
    bool broken = false;
  };
  // Nothing and neither flag: the connection stops until it is woken.
  Taken take(std::size_t bytes_max);

  // Either side.
  void finish();
  void fail(Error why);  // the first end counts

 private:
  struct State {
    std::string bytes;
    bool finished = false;
    std::optional<Error> error;
    bool connection_waits = false;
    bool readable() const { return !bytes.empty() || finished || error; }
  };
  void wake_if(bool wanted);

  const std::size_t window_bytes_;
  const std::function<void()> wake_;
  Guarded<State> state_;
};

}  // namespace chaveiro::net
