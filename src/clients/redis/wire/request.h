// clients/redis/wire/request.h
//
// Request: a command on its way, with whoever wants the answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "clients/redis/wire/callback.h"
#include "clients/redis/wire/command.h"
#include "clients/redis/wire/waiter.h"

namespace chaveiro::redis {

struct Request {
  Command command = {};
  SteadyTime deadline = SteadyTime::max();
  // One of the two: a blocked caller, who minds its deadline itself, or a callback.
  std::shared_ptr<Waiter> waiter = {};
  Once<Result<Value>&&> done = {};

  SteadyTime began{};          // when it was first handed to a connection
  std::uint8_t tries = 0;      // how often it was sent before
  std::uint8_t redirects = 0;  // MOVED and ASK so far
  bool asking = false;         // to be preceded by ASKING
  bool on_replica = false;     // where it was sent last
  bool pinned = false;         // to this connection: never sent again elsewhere

  // Somebody still waits for the answer.
  bool wanted() const { return waiter ? !waiter->abandoned() : static_cast<bool>(done); }
  // False: the answer came too late and was dropped.
  bool finish(Result<Value>&& answer) {
    if (waiter) return waiter->complete(std::move(answer));
    if (!done) return false;
    done(std::move(answer));
    return true;
  }
};

}  // namespace chaveiro::redis
