// clients/redis/names.h
//
// Names: host names to addresses on threads of their own, so that a slow name server holds up no socket, nor one name another. Asked
// before each new connection, and nothing is remembered: a name that moved is followed. Who asks for a name that is just being looked up
// gets the same answer.
//
// A look-up cannot be interrupted: one that has not ended when its first asker's time is over is left to itself and begun once more for the
// next who asks. At most `running_max` are under way, left ones included; what is asked beyond that waits its turn.
//
// Threads: any; answers come on a thread of a look-up. After stop() none comes, and nobody was waited for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "clients/redis/wire/callback.h"
#include "net/resolver.h"

namespace chaveiro::redis {

class Names {
 public:
  using Addresses = Result<std::vector<net::Address>>;
  static constexpr std::size_t running_max = 8;
  static_assert(running_max <= net::Resolver::running_max);

  explicit Names(net::LookUp look_up = net::look_up_by_system);
  ~Names() { stop(); }
  void stop();

  // Addresses written in digits are known at once.
  static std::optional<net::Address> in_digits(const std::string& host, std::uint16_t port);
  // `done` must be quick, and is dropped when `until` has passed.
  void resolve(std::string host, std::uint16_t port, SteadyTime until, Once<const Addresses&> done);

 private:
  struct Asker {
    SteadyTime until;
    Once<const Addresses&> done;
  };
  struct Question {
    std::string host;
    std::uint16_t port = 0;
    SteadyTime until{};  // of the first asker
    bool running = false;
    std::vector<Asker> askers;
  };
  struct State {
    std::map<std::uint64_t, Question> questions;
    std::uint64_t asked = 0;
    std::size_t running = 0;  // look-ups
    bool stopped = false;
  };
  struct Shared {
    explicit Shared(net::LookUp look_up) : resolver(std::move(look_up)) {}
    net::Resolver resolver;
    Guarded<State> state;
  };
  static void run_next(const std::shared_ptr<Shared>& shared);
  static void answer(const std::shared_ptr<Shared>& shared, std::uint64_t number, const Addresses& found);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace chaveiro::redis
