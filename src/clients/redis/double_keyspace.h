// clients/redis/double_keyspace.h
//
// The memory of the double: keys with their values and ends, and the commands on them. Part of clients/redis/double.h.
//
// Threads: one at a time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "clients/redis/double.h"

namespace chaveiro::redis {

using DoubleWords = std::vector<std::string>;

struct DoubleStreamId {
  std::uint64_t ms = 0, sequence = 0;
  auto operator<=>(const DoubleStreamId&) const = default;
  std::string text() const { return std::to_string(ms) + "-" + std::to_string(sequence); }
};
struct DoubleStream {
  std::map<DoubleStreamId, DoubleWords> entries;
  DoubleStreamId last;
};
using DoubleHash = std::map<std::string, std::string>;
using DoubleList = std::deque<std::string>;
using DoubleSet = std::set<std::string>;
using DoubleScores = std::map<std::string, double>;
using DoubleValue = std::variant<std::string, DoubleHash, DoubleList, DoubleSet, DoubleScores, DoubleStream>;

class DoubleKeyspace {
 public:
  explicit DoubleKeyspace(const Clock& clock) : clock_(clock) {}

  // Nothing: no command of data by that name.
  std::optional<DoubleReply> run(const DoubleWords& words);

  struct Key {
    DoubleValue value;
    std::optional<UtcTime> until;
  };
  Key* find(const std::string& key);
  // The key, made with an empty value of the type where there is none; null: another type is there.
  template <class T>
  T* make(const std::string& key);
  // Null: no such key, or another type (then `wrong`).
  template <class T>
  T* get(const std::string& key, bool& wrong);
  void set(const std::string& key, DoubleValue value, std::optional<UtcTime> until);
  bool erase(const std::string& key);
  void touch(const std::string& key) { touched_.push_back(key); }
  void clear();

  std::map<std::string, Key>& keys() { return keys_; }
  UtcTime now() const { return clock_.now(); }
  // Keys that were changed since the last call; an empty text stands for all.
  std::vector<std::string> take_touched() { return std::exchange(touched_, {}); }
  // Keys whose time is over go, as changes.
  void expire();

 private:
  const Clock& clock_;
  std::map<std::string, Key> keys_;
  std::vector<std::string> touched_;
};

using DoubleCommand = DoubleReply (*)(DoubleKeyspace&, const DoubleWords&);
struct DoubleCommandEntry {
  std::size_t words_min;  // with the name
  DoubleCommand run;
};
using DoubleCommands = std::map<std::string, DoubleCommandEntry, std::less<>>;
void add_string_commands(DoubleCommands& commands);
void add_key_commands(DoubleCommands& commands);
void add_collection_commands(DoubleCommands& commands);
void add_stream_commands(DoubleCommands& commands);
// `$` of an XREAD becomes what it stands for now.
void double_fix_last_ids(DoubleKeyspace& space, DoubleWords& words);

std::string double_upper(std::string_view text);
std::optional<std::int64_t> double_integer(std::string_view text);
bool double_matches(std::string_view pattern, std::string_view text);  // * and ? only
inline DoubleReply double_wrong_type() {
  return DoubleReply::error("WRONGTYPE Operation against a key holding the wrong kind of value");
}
inline DoubleReply double_syntax() { return DoubleReply::error("ERR syntax error"); }
inline DoubleReply double_not_integer() { return DoubleReply::error("ERR value is not an integer or out of range"); }

template <class T>
T* DoubleKeyspace::make(const std::string& key) {
  if (find(key) == nullptr) keys_[key] = {T{}, std::nullopt};
  return std::get_if<T>(&keys_[key].value);
}

template <class T>
T* DoubleKeyspace::get(const std::string& key, bool& wrong) {
  Key* const found = find(key);
  if (found == nullptr) return nullptr;
  T* const value = std::get_if<T>(&found->value);
  wrong = value == nullptr;
  return value;
}

}  // namespace chaveiro::redis
