// tests/support/scripted_broker.h
//
// A broker of the Pulsar protocol that does what a script says: by itself it greets, serves every topic itself, takes messages and
// forgets them, and gives consumers what a test put there; a script replaces what it does at a command, so that it can be as bad as the
// real one cannot be made.
//
// Threads: one of its own, on which scripts run; the calls of the class any.
// Time:    whatever does not wait; a benchmark measures against it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "clients/pulsar/wire/frame.h"

namespace chaveiro::tests {

class ScriptedBroker {
 public:
  // A connection, as a script sees it.
  class Peer {
   public:
    template <class Command>
    void say(const Command& command) {
      clients::pulsar::wire::append_frame(out, command);
    }
    // As it is, also half a frame or none.
    void raw(std::string_view bytes) { out.append(bytes); }
    void hang_up() { gone = true; }

    std::string out;
    bool gone = false;
    std::uint64_t number = 0;  // 1 is the first that came
  };
  using Script = std::function<void(Peer&, const clients::pulsar::wire::Frame&)>;

  ScriptedBroker();
  ~ScriptedBroker();
  ScriptedBroker(const ScriptedBroker&) = delete;
  ScriptedBroker& operator=(const ScriptedBroker&) = delete;

  // pulsar://127.0.0.1:PORT
  const std::string& url() const { return url_; }

  // Instead of what it does at this command; an empty script: that again.
  void at(std::uint32_t command, Script script);
  // What it does without a script.
  void as_usual(Peer& peer, const clients::pulsar::wire::Frame& frame);
  // How often a command came.
  std::uint64_t count(std::uint32_t command) const;
  // Waits until it came so often.
  bool came(std::uint32_t command, std::uint64_t times, Deadline deadline) const;
  // Ends all connections, from its side.
  void cut();

 private:
  struct Connection;
  struct State {
    std::map<std::uint32_t, Script> scripts;
    std::map<std::uint32_t, std::uint64_t> counts;
    bool cutting = false;
    bool stopping = false;
  };
  void work();
  void accept_one();
  void read_one(Connection& connection);
  static void write_one(Connection& connection);
  void wake() const;

  int listening_ = -1;
  int event_ = -1;
  std::string url_;
  Guarded<State> state_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uint64_t accepted_ = 0;
  std::uint64_t entries_ = 0;
  std::thread thread_;
};

// A frame with a message for a consumer, checksum and all.
std::string message_frame(std::uint64_t consumer, std::uint64_t entry, std::string_view body);

}  // namespace chaveiro::tests
