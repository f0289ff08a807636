// clients/redis/double.h
//
// Double: a Redis in this process, on a port of loopback, for tests that want no server: of whoever uses the client, and our own. It
// speaks RESP2 and RESP3 and knows the commands that clients of a cache need: strings, hashes, lists, sets, sorted sets, streams
// without groups, expiry, transactions, pub/sub, client tracking. It runs no Lua: a script is a function, taught by the script's text.
//
// Faults on command: answers that are late, halved, cut, garbage, never come; connections that close before or after the command ran.
//
// It is no server: one thread, everything in memory, no replication, no cluster (slots are not checked), no access lists.
//
// Threads: all of it, any. Scripts run on the thread of the double, one at a time, and must not call it.
// Time:    what a Clock says for expiry and TIME; real time for the delays of faults.
// Errors:  unknown commands answer -ERR, as a server does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::redis {

// What a command answers, before it is written as RESP.
struct DoubleReply {
  enum class Kind : std::uint8_t { nil, simple, error, integer, bulk, array, map, pairs, set, push, number };
  Kind kind = Kind::nil;
  std::string text;  // of simple, error, bulk, number
  std::int64_t integer = 0;
  std::vector<DoubleReply> items;  // of a map and of pairs (in RESP2 an array of arrays): key, value, key, value

  static DoubleReply ok() { return {Kind::simple, "OK"}; }
  static DoubleReply of(std::int64_t number) { return {Kind::integer, {}, number}; }
  static DoubleReply bulk(std::string text) { return {Kind::bulk, std::move(text)}; }
  static DoubleReply error(std::string text) { return {Kind::error, std::move(text)}; }
  static DoubleReply array(std::vector<DoubleReply> items) { return {Kind::array, {}, 0, std::move(items)}; }
  bool is_nil() const { return kind == Kind::nil; }
  bool operator==(const DoubleReply&) const = default;
};

// What a script sees. command() is redis.call: it runs at once, with nothing in between.
struct DoubleCall {
  std::vector<std::string> keys;
  std::vector<std::string> arguments;
  std::function<DoubleReply(std::vector<std::string> words)> command;
};
using DoubleScript = std::function<DoubleReply(DoubleCall& call)>;

struct DoubleFault {
  enum class Kind : std::uint8_t {
    none,
    delay,         // the answer comes after `delay`
    close_before,  // the connection closes, the command does not run
    close_after,   // the command runs, the connection closes without an answer
    halve,         // half of the answer, and after `delay` the rest
    cut,           // half of the answer, then the connection closes
    garbage,       // `text` in place of the answer
    silence,       // the command does not run and there is never an answer
    error          // `text` as an error, the command does not run
  };
  Kind kind = Kind::none;
  std::string command = {};  // only commands of this name, in capitals; empty: all
  std::size_t skip = 0;      // so many go well first
  std::size_t times = SIZE_MAX;
  Micros delay{0};
  std::string text = {};
};

struct DoubleOptions {
  std::string address = "127.0.0.1";  // of loopback, in digits
  std::uint16_t port = 0;             // 0: any free one
  std::string password = {};          // empty: none is asked for
  bool resp3 = true;                  // false: HELLO is unknown, as before Redis 6
  std::string run_id = "0000000000000000000000000000000000000001";
};

class Double {
 public:
  static Result<std::unique_ptr<Double>> start(DoubleOptions options, const Clock& clock);
  ~Double();
  Double(const Double&) = delete;
  Double& operator=(const Double&) = delete;

  std::uint16_t port() const;
  std::string url() const;

  // EVAL and EVALSHA of exactly this text call the function.
  void teach(std::string_view script, DoubleScript function);
  // Runs a command as one more client would, without a connection.
  DoubleReply command(std::vector<std::string> words);

  // From now on this command (in capitals) answers so, whatever its arguments: one that the double does not know, or knows otherwise.
  void set_answer(std::string command, DoubleReply reply);
  void set_fault(DoubleFault fault);
  void close_connections();
  // Connections that were open are closed, and new ones refused, until listen().
  void hang_up();
  void listen();

  std::uint64_t calls(std::string_view command) const;  // in capitals; of connections only
  std::size_t connections() const;

 private:
  struct Parts;
  explicit Double(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace chaveiro::redis
