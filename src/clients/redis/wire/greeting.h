// clients/redis/wire/greeting.h
//
// Greeting: what is said on a new connection before it serves: HELLO with the ACL user (or AUTH where the server knows no HELLO),
// SELECT, the client's name and library, READONLY on a replica of a cluster, and the commands that the owner wants to come first. A
// state machine without I/O: begin() says what to send, each reply says what next.
//
// Guarantees: a server that refuses what only informs it (CLIENT SETNAME, SETINFO) is no error. Passwords are in the bytes to send only.
// Source: Redis command reference, HELLO; CLIENT SETINFO came with 7.2.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "clients/redis/wire/command.h"
#include "clients/redis/wire/value.h"

namespace chaveiro::redis {

struct GreetingOptions {
  std::string user = {};
  Secret password = {};
  int database = 0;
  std::string client_name = {};
  int protocol_min = 2;          // 3: a server without RESP3 is refused
  int protocol_max = 3;          // 2: HELLO is not tried
  bool readonly = false;         // a replica of a cluster
  std::string role_wanted = {};  // "master": another one is refused; empty: any. Only RESP3 tells
  bool sentinel = false;         // a Sentinel knows neither SELECT nor CLIENT SETINFO
  std::vector<Command> setup = {};
};

// What the server said about itself; empty where it did not.
struct ServerIdentity {
  int protocol = 2;
  std::string version = {};
  std::string role = {};  // "master", "replica"
  std::string mode = {};  // "standalone", "cluster", "sentinel"
};

class Greeting {
 public:
  explicit Greeting(GreetingOptions options) : options_(std::move(options)) {}

  struct Next {
    enum class What : std::uint8_t { wait, send, ready, failed } what = What::wait;
    std::string bytes = {};           // of send
    std::optional<Error> error = {};  // of failed
  };
  std::string begin();
  Next on_reply(Value&& reply);

  const ServerIdentity& server() const { return server_; }
  // What the setup commands answered, in their order.
  const std::vector<Value>& setup_replies() const { return setup_replies_; }
  const std::vector<Command>& setup() const { return options_.setup; }

 private:
  // What the reply that comes next belongs to.
  enum class Asked : std::uint8_t { hello, auth, select, readonly, optional, setup };
  void ask(Asked what, const Command& command, std::string& bytes);
  void ask_rest(std::string& bytes);
  Next after(std::string bytes);
  Next refused(const Value& reply);

  GreetingOptions options_;
  ServerIdentity server_;
  std::vector<Asked> asked_;
  std::size_t answered_ = 0;
  std::vector<Value> setup_replies_;
};

}  // namespace chaveiro::redis
