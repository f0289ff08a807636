// cache/backplane.h
//
// Backplane: how bulletins travel between the nodes. It carries bytes to everybody, the sender too, and may lose them, but it says when
// it does not know; cache/invalidator.h makes out of it that nobody reads what is old.
//
// Guarantees: what one node posts is heard in that order, or not at all. After lost() nothing is heard until connected().
// Threads: post() any, listeners one call at a time, on a thread of the backplane, never from within post().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::cache {

class BackplaneListener {
 public:
  virtual ~BackplaneListener() = default;
  // `members`: publishers seen lately that have not left.
  virtual void connected(std::span<const std::uint64_t> members) = 0;
  virtual void lost() = 0;
  // Something was never heard, and it is known: another server answers, a stream was cut.
  virtual void missed() = 0;
  virtual void heard(std::string_view bytes) = 0;
};

class Backplane {
 public:
  virtual ~Backplane() = default;
  // "pub/sub", "stream": for people.
  virtual std::string_view kind() const = 0;
  // Whether it goes on where it stood after a lost connection.
  virtual bool replays() const = 0;
  // Never waits. What cannot be handed over within `limit` is not sent at all: those who listen find the gap.
  virtual void post(std::string bytes, Deadline limit) = 0;
  // The listener is called until the end of the returned object, whose destructor waits for a call under way.
  class Following {
   public:
    virtual ~Following() = default;
  };
  // Whoever follows is a member under this number from then on; others learn of it when they connect.
  [[nodiscard]] virtual Result<std::unique_ptr<Following>> follow(BackplaneListener& listener,
                                                                  std::uint64_t publisher) = 0;
  // A member no longer, and not missed. Never waits.
  virtual void leave(std::uint64_t publisher) = 0;
};

}  // namespace chaveiro::cache
