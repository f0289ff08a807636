#include "clients/redis/double_session.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/hash.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;
using Kind = DoubleFault::Kind;

constexpr std::size_t words_max = 1'000'000;
constexpr std::int64_t word_bytes_max = 512LL << 20;

std::string sha1_of(std::string_view text) {
  const Digest160 digest = sha1_of_two(as_bytes(text), {});
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : digest) hex += {digits[byte >> 4], digits[byte & 15]};
  return hex;
}

// The number of a line "*3\r\n" at `at`, which moves behind it. Nothing: not all there; `broken`: not that.
std::optional<std::int64_t> head(const std::string& bytes, std::size_t& at, char type, bool& broken) {
  const std::size_t end = bytes.find("\r\n", at);
  if (end == std::string::npos) {
    broken = bytes.size() - at > 64;
    return std::nullopt;
  }
  const auto number = double_integer(std::string_view(bytes).substr(at + 1, end - at - 1));
  if (bytes[at] != type || !number || *number < 0) {
    broken = true;
    return std::nullopt;
  }
  at = end + 2;
  return number;
}

}  // namespace

std::optional<Words> double_take_command(std::string& bytes, bool& broken) {
  std::size_t at = 0;
  const auto count = bytes.empty() ? std::nullopt : head(bytes, at, '*', broken);
  if (!count) return std::nullopt;
  if (static_cast<std::size_t>(*count) > words_max) {
    broken = true;
    return std::nullopt;
  }
  Words words;
  for (std::int64_t i = 0; i < *count; ++i) {
    if (at >= bytes.size()) return std::nullopt;
    const auto size = head(bytes, at, '$', broken);
    if (!size) return std::nullopt;
    if (*size > word_bytes_max) {
      broken = true;
      return std::nullopt;
    }
    const auto length = static_cast<std::size_t>(*size);
    if (bytes.size() < at + length + 2) return std::nullopt;
    words.push_back(bytes.substr(at, length));
    at += length + 2;
  }
  bytes.erase(0, at);
  return words;
}

std::string double_encode(const Reply& reply, bool resp3) {
  const auto items = [&](char type, std::size_t count) {
    std::string text = type + std::to_string(count) + "\r\n";
    for (const Reply& item : reply.items) text += double_encode(item, resp3);
    return text;
  };
  switch (reply.kind) {
    case Reply::Kind::nil:
      return resp3 ? "_\r\n" : "$-1\r\n";
    case Reply::Kind::simple:
      return "+" + reply.text + "\r\n";
    case Reply::Kind::error:
      return "-" + reply.text + "\r\n";
    case Reply::Kind::integer:
      return ":" + std::to_string(reply.integer) + "\r\n";
    case Reply::Kind::number:
      if (resp3) return "," + reply.text + "\r\n";
      [[fallthrough]];
    case Reply::Kind::bulk:
      return "$" + std::to_string(reply.text.size()) + "\r\n" + reply.text + "\r\n";
    case Reply::Kind::map:
      return resp3 ? items('%', reply.items.size() / 2) : items('*', reply.items.size());
    case Reply::Kind::pairs: {
      if (resp3) return items('%', reply.items.size() / 2);
      std::string text = "*" + std::to_string(reply.items.size() / 2) + "\r\n";
      for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2)
        text += "*2\r\n" + double_encode(reply.items[i], resp3) + double_encode(reply.items[i + 1], resp3);
      return text;
    }
    case Reply::Kind::set:
      return items(resp3 ? '~' : '*', reply.items.size());
    case Reply::Kind::push:
      return items(resp3 ? '>' : '*', reply.items.size());
    case Reply::Kind::array:
      break;
  }
  return items('*', reply.items.size());
}

DoubleSession& DoubleServer::open() {
  DoubleSession& session = sessions_.emplace_back();
  session.id = ++last_id_;
  session.authenticated = options_.password.empty();
  return session;
}

void DoubleServer::close(const DoubleSession& session) {
  sessions_.remove_if([&](const DoubleSession& one) { return &one == &session; });
}

void DoubleServer::set_fault(DoubleFault fault) {
  fault_ = std::move(fault);
  fault_seen_ = 0;
}

void DoubleServer::teach(std::string_view script, DoubleScript function) {
  taught_.insert_or_assign(sha1_of(script), std::move(function));
}

std::uint64_t DoubleServer::calls(std::string_view command) const {
  const auto found = calls_.find(command);
  return found == calls_.end() ? 0 : found->second;
}

void DoubleServer::work(DoubleSession& session) {
  bool broken = false;
  while (session.reads && !session.closing && !session.blocked) {
    const auto words = double_take_command(session.in, broken);
    if (!words) break;
    if (!words->empty()) handle(session, *words);
  }
  if (broken) {
    session.out += "-ERR Protocol error\r\n";
    session.closing = true;
  }
}

Kind DoubleServer::fault_for(const std::string& name) {
  if (fault_.kind == Kind::none || (!fault_.command.empty() && fault_.command != name)) return Kind::none;
  const std::size_t seen = fault_seen_++;
  return seen < fault_.skip || seen - fault_.skip >= fault_.times ? Kind::none : fault_.kind;
}

void DoubleServer::handle(DoubleSession& session, const Words& words) {
  const std::string name = double_upper(words[0]);
  ++calls_[name];
  const Kind fault = fault_for(name);
  if (fault == Kind::close_before) {
    session.closing = true;
  } else if (fault == Kind::silence) {
    session.reads = false;
  } else if (fault == Kind::error) {
    answer(session, Reply::error(fault_.text), Kind::none);
  } else if (const auto reply = run(session, words)) {
    answer(session, *reply, fault);
  }
}

void DoubleServer::answer(DoubleSession& session, const Reply& reply, Kind fault) {
  std::string bytes = fault == Kind::garbage ? fault_.text : double_encode(reply, session.resp3);
  const std::size_t half = bytes.size() / 2;
  const SteadyTime due = std::chrono::steady_clock::now() + fault_.delay;
  const auto late = [&](std::string some, SteadyTime at) { session.later.push_back({at, std::move(some)}); };
  switch (fault) {
    case Kind::delay:
      return late(std::move(bytes), due);
    case Kind::close_after:
      session.closing = true;
      return;
    case Kind::halve:
      late(bytes.substr(0, half), SteadyTime::min());
      return late(bytes.substr(half), due);
    case Kind::cut:
      session.closing = true;
      bytes.resize(half);
      break;
    default:
      break;
  }
  // Nothing overtakes what is late.
  if (session.later.empty())
    session.out += bytes;
  else
    late(std::move(bytes), SteadyTime::min());
}

void DoubleServer::tick() {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (DoubleSession& session : sessions_) {
    while (!session.later.empty() && session.later.front().at <= now) {
      session.out += session.later.front().bytes;
      session.later.pop_front();
    }
    if (session.blocked && session.blocked->until <= now) {
      session.blocked.reset();
      answer(session, {}, Kind::none);
      work(session);
    }
  }
  space_.expire();
  tell_changes(nullptr);
}

std::optional<SteadyTime> DoubleServer::wakes_at() const {
  std::optional<SteadyTime> wakes;
  const auto sooner = [&](SteadyTime at) { wakes = wakes ? std::min(*wakes, at) : at; };
  for (const DoubleSession& session : sessions_) {
    if (!session.later.empty()) sooner(session.later.front().at);
    if (session.blocked) sooner(session.blocked->until);
  }
  return wakes;
}

DoubleReply DoubleServer::command(const Words& words) {
  DoubleSession session;
  session.authenticated = true;
  const auto reply = run(session, words);
  return reply.value_or(Reply{});
}

// What changed is told to those who track it, breaks transactions that watch it, and wakes those who wait for it.
void DoubleServer::tell_changes(const DoubleSession* by) {
  for (const std::string& key : space_.take_touched()) {
    for (DoubleSession& session : sessions_) {
      if (key.empty() || session.watched.contains(key)) session.watch_broken |= &session != by || !session.queueing;
      DoubleSession::Tracking& tracking = session.tracking;
      if (!tracking.on) continue;
      const auto is_prefix = [&](const std::string& prefix) { return key.starts_with(prefix); };
      const bool concerned = key.empty() || (tracking.broadcast ? std::ranges::any_of(tracking.prefixes, is_prefix)
                                                                : tracking.keys.erase(key) > 0);
      if (!concerned || (tracking.no_loop && &session == by)) continue;
      Reply push{Reply::Kind::push};
      push.items = {Reply::bulk("invalidate"), key.empty() ? Reply{} : Reply::array({Reply::bulk(key)})};
      if (session.resp3) answer(session, push, Kind::none);
    }
  }
  for (DoubleSession& session : sessions_) {
    if (!session.blocked) continue;
    const auto reply = space_.run(session.blocked->words);
    if (!reply || reply->is_nil()) continue;
    session.blocked.reset();
    answer(session, *reply, Kind::none);
  }
}

DoubleReply DoubleServer::eval(DoubleSession& session, const Words& words) {
  if (words.size() < 3) return Reply::error("ERR wrong number of arguments");
  const bool by_sha = double_upper(words[0]).starts_with("EVALSHA");
  const std::string sha = by_sha ? words[1] : sha1_of(words[1]);
  if (!by_sha) loaded_.insert(sha);
  if (!loaded_.contains(sha)) return Reply::error("NOSCRIPT No matching script. Please use EVAL.");
  const auto found = taught_.find(sha);
  if (found == taught_.end()) return Reply::error("ERR the double was not taught this script");
  const auto count = double_integer(words[2]);
  if (!count || *count < 0 || static_cast<std::size_t>(*count) > words.size() - 3)
    return Reply::error("ERR Number of keys can't be greater than number of args");
  const auto first = words.begin() + 3, split = first + *count;
  DoubleCall call{{first, split}, {split, words.end()}, [&](const Words& inner) { return run_data(session, inner); }};
  return found->second(call);
}

DoubleReply DoubleServer::script(DoubleSession&, const Words& words) {
  const std::string what = words.size() > 1 ? double_upper(words[1]) : "";
  if (what == "LOAD" && words.size() == 3) {
    loaded_.insert(sha1_of(words[2]));
    return Reply::bulk(sha1_of(words[2]));
  }
  if (what == "FLUSH") {
    loaded_.clear();
    return Reply::ok();
  }
  if (what == "EXISTS") {
    std::vector<Reply> known;
    for (std::size_t i = 2; i < words.size(); ++i) known.push_back(Reply::of(loaded_.contains(words[i]) ? 1 : 0));
    return Reply::array(std::move(known));
  }
  return double_syntax();
}

}  // namespace chaveiro::redis
