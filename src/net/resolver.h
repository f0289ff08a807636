// net/resolver.h
//
// Names to addresses within a deadline. The system's look-up cannot be interrupted, so it runs on a thread of its own, which is
// left behind when the deadline passes; at most `running_max` may be under way, so a dead name server cannot collect threads.
//
// Threads: any.
// Errors:  unavailable (no such name, too many look-ups under way), deadline.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// Blocks until it knows.
using LookUp = std::function<Result<std::vector<Address>>(const std::string& host, std::uint16_t port)>;
Result<std::vector<Address>> look_up_by_system(const std::string& host, std::uint16_t port);

class Resolver {
 public:
  static constexpr std::size_t running_max = 16;

  // `look_up` may still run when the Resolver is gone.
  explicit Resolver(LookUp look_up = look_up_by_system);
  // At least one address, in the system's order of preference. Numeric hosts need no thread.
  Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Deadline deadline);
  // The same without waiting: `done` is called at once for a numeric host or where no thread may be had, else on that thread.
  using Done = std::function<void(Result<std::vector<Address>>)>;
  void resolve(const std::string& host, std::uint16_t port, const Done& done);

 private:
  LookUp look_up_;
  std::shared_ptr<Guarded<std::size_t>> running_;
};

}  // namespace chaveiro::net
