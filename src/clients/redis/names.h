// clients/redis/names.h
//
// Names: host names to addresses on a thread of their own, so that a slow name server holds up no socket. Asked before each new
// connection: a name that moved is followed.
//
// Threads: any; answers come on the thread of Names.
#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "clients/redis/wire/callback.h"
#include "net/resolver.h"

namespace chaveiro::redis {

class Names {
 public:
  using Addresses = Result<std::vector<net::Address>>;

  Names() = default;
  ~Names() { stop(); }
  void stop();

  // Addresses written in digits are known at once.
  static std::optional<net::Address> in_digits(const std::string& host, std::uint16_t port);
  void resolve(std::string host, std::uint16_t port, Deadline deadline, Once<Addresses&&> done);

 private:
  struct Question {
    std::string host;
    std::uint16_t port;
    Deadline deadline;
    Once<Addresses&&> done;
  };
  struct State {
    std::deque<Question> questions;
    bool running = false;
    bool stopping = false;
  };
  void run();

  net::Resolver resolver_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace chaveiro::redis
