// clients/redis/client.h
//
// Client: commands for one Redis server, a master watched by Sentinels, or a cluster. Concurrent callers share few connections, on
// which their commands are pipelined without anybody asking for it. One core, send(), completes by callback; call() waits for it.
//
//   TRY(auto client, Client::create(options));
//   auto reply = client->call(Command("GET", key), Deadline::in(50ms));
//   client->send(Command("INCR", key), deadline, [](Result<Value>&& reply) { … });
//
// Guarantees: every command gets exactly one answer, its own or an error, at the latest at its deadline; an answer that comes later is
//             dropped. Reads and idempotent commands whose connection was lost are sent again (Options::retries), as is whatever the
//             server surely did not execute. Any other write whose answer was lost says `maybe_applied` and is left to the caller.
//             Commands with the same first key that one thread hands in one after another reach the server in that order, unless one
//             of them had to be sent again. An error line of the server is an Error (wire/value.h); errors inside a list stay values.
// Threads: all of it, any. Callbacks run on an I/O thread, one after another for each connection: they must not block, may send(), and
//          must not call() or destroy the client.
// Time:    every call returns by its deadline. send() may write to a socket but never waits.
// Errors:  deadline (not executed, or a read) · maybe_applied · unavailable (no connection, or lost before it was sent; `retry_after`)
//          · exhausted (too much in flight, pool empty; the server's memory is full) · cancelled (the client is being destroyed), and
//          what error_of() makes of the server's words.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "clients/redis/options.h"
#include "clients/redis/script.h"
#include "clients/redis/value.h"
#include "clients/redis/wire/callback.h"
#include "clients/redis/wire/command.h"

namespace chaveiro::redis {

using Callback = Once<Result<Value>&&>;
// One answer for each command, in their order; a command's own error stands in its place.
using Replies = std::vector<Result<Value>>;
using PipelineCallback = Once<Replies&&>;

class Borrowed;
class Dedicated;
struct DedicatedOptions;
class Core;

// What the client writes about itself; both may be left out. Both must outlive the client.
struct Surroundings {
  Logger log = {};
  Registry* metrics = nullptr;
};

// What a server says about itself.
struct ServerReport {
  Endpoint endpoint;
  std::string version;                // "7.0.15"
  std::string role;                   // "master", "replica"
  std::string eviction_policy;        // empty: we may not ask
  std::vector<std::string> warnings;  // what a person should change: too old, wrong policy, disabled commands
};

// What the data is for decides which eviction policy is right: a cache may lose keys, state must not.
enum class Purpose : std::uint8_t { cache, state };

class Client {
 public:
  // Begins to connect and does not wait for it: a server that is away now may come. Errors: invalid (options, TLS files).
  static Result<std::unique_ptr<Client>> create(Options options, Surroundings surroundings = {});
  // Answers everything under way with `cancelled`; no callback runs after it.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(Command command, Deadline deadline, Callback done);
  Result<Value> call(Command command, Deadline deadline);

  // An explicit pipeline: handed over as one, in order for each node; not atomic.
  void send_pipeline(std::vector<Command> commands, Deadline deadline, PipelineCallback done);
  Replies pipeline(std::vector<Command> commands, Deadline deadline);

  // MULTI, the commands, EXEC on a borrowed connection: all or none is executed, and nothing of others between them.
  // Errors: also conflict "EXECABORT" (a command was refused when it was queued: none was executed).
  Result<std::vector<Value>> transaction(std::vector<Command> commands, Deadline deadline);

  // A connection of one's own for a while: WATCH, blocking commands. Waits in turn while all are lent; goes back when it is destroyed.
  // `key` says which node of a cluster.
  Result<Borrowed> borrow(Deadline deadline, std::string_view key = {});

  // A connection of one's own for good, outside the pool, which comes back by itself: pub/sub, tracking, blocking loops.
  std::unique_ptr<Dedicated> dedicate(DedicatedOptions options);

  // EVALSHA, and EVAL where the server does not know the script yet. The keys must share a slot in a cluster.
  void send_script(const Script& script, std::span<const std::string_view> keys, std::span<const std::string_view> args,
                   Deadline deadline, Callback done);
  Result<Value> eval(const Script& script, std::span<const std::string_view> keys,
                     std::span<const std::string_view> args, Deadline deadline);

  // Waits until the server (the master; a node for each slot) can be asked. Errors: the reason why it cannot, at the deadline.
  Result<void> wait_ready(Deadline deadline);
  // Version, role, eviction policy and disabled commands of every master, for the start of a program. Logs the warnings.
  Result<std::vector<ServerReport>> check(Purpose purpose, Deadline deadline);
  // The masters known now: one, or those of the cluster.
  std::vector<Endpoint> masters() const;

  // Sends the command to this node, whatever its key: for administration and for scanning a cluster.
  void send_to(const Endpoint& node, Command command, Deadline deadline, Callback done);
  Result<Value> call_node(const Endpoint& node, Command command, Deadline deadline);

  const Options& options() const;

  struct Figures {
    std::uint64_t commands = 0;          // answered, with whatever answer
    std::uint64_t errors = 0;            // of them with an error
    std::uint64_t retries = 0;           // sent again
    std::uint64_t reconnects = 0;        // connections lost
    std::uint64_t late = 0;              // answers that came after their deadline and were dropped
    std::uint64_t slow = 0;              // slower than Options::slow_command
    std::size_t connections_active = 0;  // up: shared, lent and dedicated ones
    std::size_t connections_idle = 0;    // in the pool
    std::size_t in_flight = 0;
  };
  Figures figures() const;
  // The keys met most often among the sampled ones with an estimate of their share, most frequent first.
  std::vector<std::pair<std::string, double>> hot_keys(std::size_t count_max) const;

 private:
  explicit Client(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

// A pooled connection that is ours until this object goes. What was begun on it (MULTI, WATCH) need not be ended: a connection that
// is not clean is reset or closed. Must not outlive the client.
class Borrowed {
 public:
  Borrowed(Borrowed&& other) noexcept;
  Borrowed& operator=(Borrowed&& other) noexcept;
  ~Borrowed();

  // Nothing is sent again here. After `deadline`, `maybe_applied` or `unavailable` the connection is closed: every further call says
  // unavailable. A command that blocks on the server may wait until the deadline.
  Result<Value> call(Command command, Deadline deadline);
  Replies pipeline(std::vector<Command> commands, Deadline deadline);
  // MULTI, the commands, EXEC. Nothing: a WATCHed key changed, and nothing was executed.
  Result<std::optional<std::vector<Value>>> transaction(std::vector<Command> commands, Deadline deadline);
  bool usable() const;

 private:
  friend class Core;
  struct Lent;
  explicit Borrowed(std::unique_ptr<Lent> lent);
  std::unique_ptr<Lent> lent_;
};

struct DedicatedOptions {
  std::string name = {};  // for logs and CLIENT SETNAME; empty: the client's
  std::string key = {};   // in a cluster: the node that serves this key, also after it moved; empty: any master
  std::optional<Endpoint> node = {};  // this node and no other
  std::vector<Command> setup =
      {};  // sent whenever the connection is made, before anything else; an error closes it again
  // All on an I/O thread, in the order in which the server spoke. A push is what is no answer: messages, invalidations.
  std::function<void(const Value& push)> on_push = {};
  std::function<void(const Endpoint& node, const std::vector<Value>& setup_replies)> on_up = {};
  std::function<void(const Error& why)> on_down = {};  // after it was up; pushes may have been missed from now on
};

// A connection of one's own. While it is down, commands fail `unavailable`. After the destructor no callback runs.
class Dedicated {
 public:
  virtual ~Dedicated() = default;
  // Callbacks and pushes of this connection run one after another, in the server's order.
  virtual void send(Command command, Deadline deadline, Callback done) = 0;
  virtual Result<Value> call(Command command, Deadline deadline) = 0;
  virtual bool up() const = 0;
  // Changes what is sent after the next reconnect; what stands now is the caller's business.
  virtual void set_setup(std::vector<Command> setup) = 0;
  // Closes the connection; it comes back by itself.
  virtual void reconnect() = 0;
};

}  // namespace chaveiro::redis
