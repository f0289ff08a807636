#include "clients/redis/double_keyspace.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;
using Keyspace = DoubleKeyspace;

Reply get(Keyspace& space, const Words& words) {
  bool wrong = false;
  const std::string* const value = space.get<std::string>(words[1], wrong);
  if (wrong) return double_wrong_type();
  return value == nullptr ? Reply{} : Reply::bulk(*value);
}

// EX, PX, EXAT or PXAT and its number; nothing: neither, or not a number (then `bad`).
std::optional<UtcTime> end_of(const Keyspace& space, const Words& words, std::size_t& i, bool& bad) {
  const std::string option = double_upper(words[i]);
  if (option != "EX" && option != "PX" && option != "EXAT" && option != "PXAT") return std::nullopt;
  const auto number = i + 1 < words.size() ? double_integer(words[i + 1]) : std::nullopt;
  if (!number || *number <= 0) {
    bad = true;
    return std::nullopt;
  }
  ++i;
  const Micros time =
      option[0] == 'E' ? Micros{std::chrono::seconds{*number}} : Micros{std::chrono::milliseconds{*number}};
  return option.ends_with("AT") ? UtcTime{time} : space.now() + time;
}

Reply set(Keyspace& space, const Words& words) {
  std::optional<UtcTime> until;
  bool only_new = false, only_old = false, keep = false, answers_old = false;
  for (std::size_t i = 3; i < words.size(); ++i) {
    bool bad = false;
    if (const auto end = end_of(space, words, i, bad)) {
      until = end;
      continue;
    }
    if (bad) return Reply::error("ERR invalid expire time in 'set' command");
    const std::string option = double_upper(words[i]);
    if (option == "NX")
      only_new = true;
    else if (option == "XX")
      only_old = true;
    else if (option == "KEEPTTL")
      keep = true;
    else if (option == "GET")
      answers_old = true;
    else
      return double_syntax();
  }
  const auto* const before = space.find(words[1]);
  Reply old;
  if (answers_old && before != nullptr) {
    const auto* const text = std::get_if<std::string>(&before->value);
    if (text == nullptr) return double_wrong_type();
    old = Reply::bulk(*text);
  }
  if ((only_new && before != nullptr) || (only_old && before == nullptr)) return answers_old ? old : Reply{};
  if (keep && before != nullptr) until = before->until;
  space.set(words[1], words[2], until);
  return answers_old ? old : Reply::ok();
}

Reply set_for(Keyspace& space, const Words& words, Micros unit) {
  const auto number = double_integer(words[2]);
  if (!number || *number <= 0) return Reply::error("ERR invalid expire time");
  space.set(words[1], words[3], space.now() + unit * *number);
  return Reply::ok();
}

Reply add(Keyspace& space, const std::string& key, std::optional<std::int64_t> by) {
  bool wrong = false;
  const std::string* const text = space.get<std::string>(key, wrong);
  if (wrong) return double_wrong_type();
  const auto before = text == nullptr ? 0 : double_integer(*text);
  if (!before || !by) return double_not_integer();
  std::int64_t after = 0;
  if (__builtin_add_overflow(*before, *by, &after)) return Reply::error("ERR increment or decrement would overflow");
  const auto until = text == nullptr ? std::nullopt : space.find(key)->until;
  space.set(key, std::to_string(after), until);
  return Reply::of(after);
}

Reply mset(Keyspace& space, const Words& words) {
  if (words.size() % 2 == 0) return Reply::error("ERR wrong number of arguments for 'mset' command");
  for (std::size_t i = 1; i < words.size(); i += 2) space.set(words[i], words[i + 1], std::nullopt);
  return Reply::ok();
}

Reply mget(Keyspace& space, const Words& words) {
  std::vector<Reply> items;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const Reply one = get(space, {"GET", words[i]});
    items.push_back(one.kind == Reply::Kind::error ? Reply{} : one);
  }
  return Reply::array(std::move(items));
}

Reply get_range(Keyspace& space, const Words& words) {
  const Reply whole = get(space, words);
  if (whole.kind == Reply::Kind::error) return whole;
  const auto size = static_cast<std::int64_t>(whole.text.size());
  auto first = double_integer(words[2]), last = double_integer(words[3]);
  if (!first || !last) return double_not_integer();
  if (*first < 0) *first = std::max<std::int64_t>(size + *first, 0);
  if (*last < 0) *last = size + *last;
  *last = std::min(*last, size - 1);
  if (*first > *last) return Reply::bulk("");
  return Reply::bulk(whole.text.substr(static_cast<std::size_t>(*first), static_cast<std::size_t>(*last - *first + 1)));
}

Reply append(Keyspace& space, const Words& words) {
  const Reply before = get(space, words);
  if (before.kind == Reply::Kind::error) return before;
  const auto* const key = space.find(words[1]);
  space.set(words[1], before.text + words[2], key == nullptr ? std::nullopt : key->until);
  return Reply::of(static_cast<std::int64_t>(before.text.size() + words[2].size()));
}

}  // namespace

void add_string_commands(DoubleCommands& commands) {
  commands["GET"] = {2, get};
  commands["SET"] = {3, set};
  commands["SETEX"] = {
      4, [](Keyspace& space, const Words& words) { return set_for(space, words, std::chrono::seconds{1}); }};
  commands["PSETEX"] = {
      4, [](Keyspace& space, const Words& words) { return set_for(space, words, std::chrono::milliseconds{1}); }};
  commands["SETNX"] = {3, [](Keyspace& space, const Words& words) {
                         if (space.find(words[1]) != nullptr) return Reply::of(0);
                         space.set(words[1], words[2], std::nullopt);
                         return Reply::of(1);
                       }};
  commands["GETDEL"] = {2, [](Keyspace& space, const Words& words) {
                          Reply found = get(space, words);
                          if (found.kind != Reply::Kind::error) space.erase(words[1]);
                          return found;
                        }};
  commands["GETRANGE"] = {4, get_range};
  commands["APPEND"] = {3, append};
  commands["STRLEN"] = {
      2, [](Keyspace& space, const Words& words) {
        const Reply found = get(space, words);
        return found.kind == Reply::Kind::error ? found : Reply::of(static_cast<std::int64_t>(found.text.size()));
      }};
  commands["MGET"] = {2, mget};
  commands["MSET"] = {3, mset};
  commands["INCR"] = {2, [](Keyspace& space, const Words& words) { return add(space, words[1], 1); }};
  commands["DECR"] = {2, [](Keyspace& space, const Words& words) { return add(space, words[1], -1); }};
  commands["INCRBY"] = {
      3, [](Keyspace& space, const Words& words) { return add(space, words[1], double_integer(words[2])); }};
  commands["DECRBY"] = {3, [](Keyspace& space, const Words& words) {
                          auto by = double_integer(words[2]);
                          if (by) by = -*by;
                          return add(space, words[1], by);
                        }};
}

}  // namespace chaveiro::redis
