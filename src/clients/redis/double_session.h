// clients/redis/double_session.h
//
// What the double knows of a connection, and the commands that concern connections: greeting, transactions, pub/sub, tracking, scripts.
// No sockets: bytes come in and go out. Part of clients/redis/double.h.
//
// Threads: one at a time.
#pragma once

#include <list>

#include "clients/redis/double_keyspace.h"

namespace chaveiro::redis {

struct DoubleSession {
  std::uint64_t id = 0;
  std::string in;   // not yet understood
  std::string out;  // may leave now
  struct Later {
    SteadyTime at;
    std::string bytes;
  };
  std::deque<Later> later;  // may leave then, in this order
  bool resp3 = false, authenticated = false;
  bool closing = false;  // after what is in `out`
  bool reads = true;     // false: what it says is not heard any more
  std::string name;
  std::set<std::string> channels, shard_channels, patterns;

  bool queueing = false, queue_broken = false, watch_broken = false;
  std::vector<DoubleWords> queue;
  std::set<std::string> watched;

  struct Tracking {
    bool on = false, broadcast = false, no_loop = false;
    std::vector<std::string> prefixes;
    std::set<std::string> keys;
  } tracking;

  struct Blocked {
    DoubleWords words;
    SteadyTime until;
  };
  std::optional<Blocked> blocked;
};

std::string double_encode(const DoubleReply& reply, bool resp3);
// The next command of the bytes, which are taken from them. Nothing: not all of it is there; `broken`: it is none.
std::optional<DoubleWords> double_take_command(std::string& bytes, bool& broken);

class DoubleServer {
 public:
  DoubleServer(DoubleOptions options, const Clock& clock) : options_(std::move(options)), space_(clock) {}

  DoubleSession& open();
  void close(const DoubleSession& session);
  std::list<DoubleSession>& sessions() { return sessions_; }

  // Runs what has come in.
  void work(DoubleSession& session);
  // Time has passed: late answers, blocked readers.
  void tick();
  std::optional<SteadyTime> wakes_at() const;

  DoubleReply command(const DoubleWords& words);
  void teach(std::string_view script, DoubleScript function);
  void set_answer(std::string command, DoubleReply reply) {
    answers_.insert_or_assign(std::move(command), std::move(reply));
  }
  void set_fault(DoubleFault fault);
  std::uint64_t calls(std::string_view command) const;

 private:
  using Handler = DoubleReply (DoubleServer::*)(DoubleSession&, const DoubleWords&);
  static const std::map<std::string, Handler, std::less<>>& handlers();

  void handle(DoubleSession& session, const DoubleWords& words);
  DoubleFault::Kind fault_for(const std::string& name);
  void answer(DoubleSession& session, const DoubleReply& reply, DoubleFault::Kind fault);
  std::optional<DoubleReply> run(DoubleSession& session, DoubleWords words);
  DoubleReply run_data(DoubleSession& session, const DoubleWords& words);
  void tell_changes(const DoubleSession* by);
  std::int64_t publish(const std::string& channel, const std::string& text, bool sharded);

  DoubleReply hello(DoubleSession& session, const DoubleWords& words);
  DoubleReply auth(DoubleSession& session, const DoubleWords& words);
  DoubleReply client(DoubleSession& session, const DoubleWords& words);
  DoubleReply tracking(DoubleSession& session, const DoubleWords& words);
  DoubleReply info(DoubleSession& session, const DoubleWords& words);
  DoubleReply simple(DoubleSession& session, const DoubleWords& words);
  DoubleReply config(DoubleSession& session, const DoubleWords& words);
  DoubleReply transaction(DoubleSession& session, const DoubleWords& words);
  DoubleReply exec(DoubleSession& session);
  DoubleReply subscribe(DoubleSession& session, const DoubleWords& words);
  DoubleReply published(DoubleSession& session, const DoubleWords& words);
  DoubleReply eval(DoubleSession& session, const DoubleWords& words);
  DoubleReply script(DoubleSession& session, const DoubleWords& words);

  const DoubleOptions options_;
  DoubleKeyspace space_;
  std::list<DoubleSession> sessions_;
  std::uint64_t last_id_ = 0;
  std::map<std::string, DoubleScript, std::less<>> taught_;  // by SHA-1
  std::set<std::string> loaded_;
  std::map<std::string, DoubleReply, std::less<>> answers_;
  DoubleFault fault_;
  std::size_t fault_seen_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> calls_;
};

}  // namespace chaveiro::redis
