// tests/chaos/fault_proxy.h
//
// A wire between a client and a server that can be bent: it passes bytes on, or holds them, halves them, puts garbage among them, or
// closes one direction. For what a server cannot be made to do itself.
//
// Threads: one of its own; the rest any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>

namespace chaveiro::tests {

class FaultProxy {
 public:
  enum class Fault : std::uint8_t {
    none,
    partition,    // nothing passes either way; connections stay
    halve,        // answers come in halves, milliseconds apart
    garbage,      // now and then an answer has foreign bytes before it
    half_closed,  // the server's side hangs up its sending half
    cut           // answers end in the middle, and the connection with them
  };
  explicit FaultProxy(std::uint16_t server);
  ~FaultProxy();
  std::uint16_t port() const { return port_; }
  void set_fault(Fault fault) { fault_ = fault; }

 private:
  void loop();
  bool pass_on(int from, int to, bool is_answer);

  const std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<Fault> fault_{Fault::none};
  std::atomic<bool> stopping_{false};
  std::map<int, int> peers_;  // both ways
  std::map<int, bool> is_client_;
  std::uint64_t turns_ = 0;
  std::thread thread_;
};

}  // namespace chaveiro::tests
