// Commands of the double that concern the connection itself.
#include <algorithm>

#include "clients/redis/double_session.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;

bool is_before_auth(const std::string& name) { return name == "AUTH" || name == "HELLO" || name == "QUIT"; }

bool is_of_transactions(const std::string& name) {
  return name == "EXEC" || name == "DISCARD" || name == "MULTI" || name == "WATCH" || name == "UNWATCH";
}

}  // namespace

const std::map<std::string, DoubleServer::Handler, std::less<>>& DoubleServer::handlers() {
  static const std::map<std::string, Handler, std::less<>> all = [] {
    std::map<std::string, Handler, std::less<>> map{
        {"HELLO", &DoubleServer::hello},       {"AUTH", &DoubleServer::auth},
        {"CLIENT", &DoubleServer::client},     {"INFO", &DoubleServer::info},
        {"CONFIG", &DoubleServer::config},     {"EVAL", &DoubleServer::eval},
        {"EVALSHA", &DoubleServer::eval},      {"EVAL_RO", &DoubleServer::eval},
        {"EVALSHA_RO", &DoubleServer::eval},   {"SCRIPT", &DoubleServer::script},
        {"PUBLISH", &DoubleServer::published}, {"SPUBLISH", &DoubleServer::published}};
    for (const char* name :
         {"PING", "ECHO", "SELECT", "ROLE", "WAIT", "QUIT", "READONLY", "READWRITE", "COMMAND", "RESET"})
      map[name] = &DoubleServer::simple;
    for (const char* name : {"MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"}) map[name] = &DoubleServer::transaction;
    for (const char* name : {"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"})
      map[name] = &DoubleServer::subscribe;
    return map;
  }();
  return all;
}

// Nothing: there is no answer now, or it has been given.
std::optional<DoubleReply> DoubleServer::run(DoubleSession& session, Words words) {
  const std::string name = double_upper(words[0]);
  if (!session.authenticated && !is_before_auth(name)) return Reply::error("NOAUTH Authentication required.");
  if (session.queueing && !is_of_transactions(name)) {
    session.queue.push_back(words);
    return Reply{Reply::Kind::simple, "QUEUED"};
  }
  if (name == "XREAD") double_fix_last_ids(space_, words);
  if (const auto taught = answers_.find(name); taught != answers_.end()) return taught->second;
  std::optional<Reply> reply;
  if (const auto found = handlers().find(name); found != handlers().end()) {
    reply = (this->*found->second)(session, words);
    if (found->second == &DoubleServer::subscribe && reply->is_nil()) reply.reset();
  } else {
    reply = run_data(session, words);
    const auto block = std::ranges::find_if(words, [](const auto& word) { return double_upper(word) == "BLOCK"; });
    if (name == "XREAD" && reply->is_nil() && block != words.end() && block + 1 != words.end()) {
      const auto wait = std::chrono::milliseconds{double_integer(*(block + 1)).value_or(1)};
      const SteadyTime end = wait.count() == 0 ? SteadyTime::max() : std::chrono::steady_clock::now() + wait;
      session.blocked = {words, end};
      return std::nullopt;
    }
  }
  tell_changes(&session);
  return reply;
}

DoubleReply DoubleServer::run_data(DoubleSession& session, const Words& words) {
  const auto reply = space_.run(words);
  if (!reply) return Reply::error("ERR unknown command '" + words[0] + "'");
  const std::string name = double_upper(words[0]);
  if (session.tracking.on && !session.tracking.broadcast && (name.find("GET") != std::string::npos || name == "PTTL")) {
    const std::size_t last = name == "MGET" ? words.size() : 2;
    for (std::size_t i = 1; i < last; ++i) session.tracking.keys.insert(words[i]);
  }
  return *reply;
}

DoubleReply DoubleServer::hello(DoubleSession& session, const Words& words) {
  if (!options_.resp3) return Reply::error("ERR unknown command 'HELLO'");
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::string option = double_upper(words[i]);
    if (option == "AUTH" && i + 2 < words.size()) {
      if (words[i + 2] != options_.password)
        return Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
      session.authenticated = true;
      i += 2;
    } else if (option == "SETNAME" && i + 1 < words.size()) {
      session.name = words[++i];
    } else {
      return double_syntax();
    }
  }
  if (!session.authenticated) return Reply::error("NOAUTH HELLO must be called with the client already authenticated");
  if (words.size() > 1) {
    if (words[1] != "2" && words[1] != "3") return Reply::error("NOPROTO unsupported protocol version");
    session.resp3 = words[1] == "3";
  }
  return {Reply::Kind::map,
          {},
          0,
          {Reply::bulk("server"), Reply::bulk("redis"), Reply::bulk("version"), Reply::bulk("7.0.15"),
           Reply::bulk("proto"), Reply::of(session.resp3 ? 3 : 2), Reply::bulk("id"),
           Reply::of(static_cast<std::int64_t>(session.id)), Reply::bulk("mode"), Reply::bulk("standalone"),
           Reply::bulk("role"), Reply::bulk("master"), Reply::bulk("modules"), Reply::array({})}};
}

DoubleReply DoubleServer::auth(DoubleSession& session, const Words& words) {
  if (words.size() < 2 || words.back() != options_.password)
    return Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
  session.authenticated = true;
  return Reply::ok();
}

DoubleReply DoubleServer::client(DoubleSession& session, const Words& words) {
  const std::string what = words.size() > 1 ? double_upper(words[1]) : "";
  if (what == "ID") return Reply::of(static_cast<std::int64_t>(session.id));
  if (what == "GETNAME") return Reply::bulk(session.name);
  if (what == "SETNAME" && words.size() > 2) session.name = words[2];
  if (what == "SETNAME" || what == "NO-EVICT" || what == "CACHING") return Reply::ok();
  if (what == "TRACKING") return tracking(session, words);
  if (what == "KILL" && words.size() == 4 && double_upper(words[2]) == "ID") {
    std::int64_t killed = 0;
    for (DoubleSession& one : sessions_) {
      if (std::to_string(one.id) != words[3]) continue;
      one.closing = true;
      ++killed;
    }
    return Reply::of(killed);
  }
  return Reply::error("ERR Unknown subcommand or wrong number of arguments for '" + what + "'");
}

DoubleReply DoubleServer::tracking(DoubleSession& session, const Words& words) {
  if (words.size() < 3) return double_syntax();
  session.tracking = {};
  if (double_upper(words[2]) == "OFF") return Reply::ok();
  if (!session.resp3) return Reply::error("ERR Client tracking can be enabled only with RESP3 or REDIRECT here");
  session.tracking.on = true;
  for (std::size_t i = 3; i < words.size(); ++i) {
    const std::string option = double_upper(words[i]);
    if (option == "BCAST")
      session.tracking.broadcast = true;
    else if (option == "NOLOOP")
      session.tracking.no_loop = true;
    else if (option == "PREFIX" && i + 1 < words.size())
      session.tracking.prefixes.push_back(words[++i]);
    else
      return double_syntax();
  }
  if (session.tracking.prefixes.empty()) session.tracking.prefixes.emplace_back();
  return Reply::ok();
}

DoubleReply DoubleServer::info(DoubleSession&, const Words&) {
  return Reply::bulk("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:" + options_.run_id +
                     "\r\n# Memory\r\nused_memory:1000000\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"
                     "# Replication\r\nrole:master\r\nmaster_replid:" +
                     options_.run_id + "\r\nmaster_repl_offset:0\r\n# Cluster\r\ncluster_enabled:0\r\n");
}

DoubleReply DoubleServer::config(DoubleSession&, const Words& words) {
  if (words.size() > 2 && double_upper(words[1]) == "GET") {
    if (words[2] == "maxmemory-policy")
      return {Reply::Kind::map, {}, 0, {Reply::bulk(words[2]), Reply::bulk("allkeys-lru")}};
    return {Reply::Kind::map};
  }
  return Reply::ok();
}

DoubleReply DoubleServer::simple(DoubleSession& session, const Words& words) {
  const std::string name = double_upper(words[0]);
  if (name == "PING") {
    if (!session.resp3 && !(session.channels.empty() && session.patterns.empty()))
      return Reply::array({Reply::bulk("pong"), Reply::bulk(words.size() > 1 ? words[1] : "")});
    return words.size() > 1 ? Reply::bulk(words[1]) : Reply{Reply::Kind::simple, "PONG"};
  }
  if (name == "ECHO") return words.size() > 1 ? Reply::bulk(words[1]) : double_syntax();
  if (name == "ROLE") return Reply::array({Reply::bulk("master"), Reply::of(0), Reply::array({})});
  if (name == "WAIT") return Reply::of(0);
  if (name == "COMMAND") return Reply::array({});
  if (name == "QUIT") session.closing = true;
  return Reply::ok();
}

DoubleReply DoubleServer::transaction(DoubleSession& session, const Words& words) {
  const std::string name = double_upper(words[0]);
  if (name == "WATCH") {
    if (session.queueing) return Reply::error("ERR WATCH inside MULTI is not allowed");
    session.watched.insert(words.begin() + 1, words.end());
    return Reply::ok();
  }
  if (name == "MULTI") {
    if (session.queueing) return Reply::error("ERR MULTI calls can not be nested");
    session.queueing = true;
    return Reply::ok();
  }
  if (name == "EXEC") return session.queueing ? exec(session) : Reply::error("ERR EXEC without MULTI");
  if (name == "DISCARD" && !session.queueing) return Reply::error("ERR DISCARD without MULTI");
  session.queueing = session.watch_broken = false;
  session.queue.clear();
  session.watched.clear();
  return Reply::ok();
}

DoubleReply DoubleServer::exec(DoubleSession& session) {
  const std::vector<Words> queue = std::exchange(session.queue, {});
  const bool broken = std::exchange(session.watch_broken, false);
  session.queueing = false;
  session.watched.clear();
  if (broken) return {};
  std::vector<Reply> replies;
  for (const Words& words : queue) replies.push_back(run(session, words).value_or(Reply{}));
  return Reply::array(std::move(replies));
}

// Its answers are pushes, one for each channel; given here.
DoubleReply DoubleServer::subscribe(DoubleSession& session, const Words& words) {
  const std::string name = double_upper(words[0]);
  const bool leaves = name.find("UNSUB") != std::string::npos;
  std::set<std::string>& set = name[0] == 'P'                                      ? session.patterns
                               : name.starts_with("SS") || name.starts_with("SUN") ? session.shard_channels
                                                                                   : session.channels;
  Words names(words.begin() + 1, words.end());
  if (leaves && names.empty()) names.assign(set.begin(), set.end());
  if (!leaves && names.empty()) return Reply::error("ERR wrong number of arguments");
  std::string kind = name;
  std::ranges::transform(kind, kind.begin(), [](char c) { return static_cast<char>(c + 32); });
  const auto told = [&](Reply channel) {
    const auto count = static_cast<std::int64_t>(name.starts_with("S") && !name.starts_with("SUB")
                                                     ? session.shard_channels.size()
                                                     : session.channels.size() + session.patterns.size());
    answer(session, {Reply::Kind::push, {}, 0, {Reply::bulk(kind), std::move(channel), Reply::of(count)}},
           DoubleFault::Kind::none);
  };
  for (const std::string& channel : names) {
    if (leaves)
      set.erase(channel);
    else
      set.insert(channel);
    told(Reply::bulk(channel));
  }
  if (names.empty()) told({});
  return {};
}

DoubleReply DoubleServer::published(DoubleSession&, const Words& words) {
  if (words.size() != 3) return Reply::error("ERR wrong number of arguments for 'publish' command");
  return Reply::of(publish(words[1], words[2], double_upper(words[0]) == "SPUBLISH"));
}

std::int64_t DoubleServer::publish(const std::string& channel, const std::string& text, bool sharded) {
  std::int64_t heard = 0;
  const auto tell = [&](DoubleSession& session, std::vector<Reply> items) {
    answer(session, {Reply::Kind::push, {}, 0, std::move(items)}, DoubleFault::Kind::none);
    ++heard;
  };
  for (DoubleSession& session : sessions_) {
    if ((sharded ? session.shard_channels : session.channels).contains(channel))
      tell(session, {Reply::bulk(sharded ? "smessage" : "message"), Reply::bulk(channel), Reply::bulk(text)});
    for (const std::string& pattern : session.patterns) {
      if (!sharded && double_matches(pattern, channel))
        tell(session, {Reply::bulk("pmessage"), Reply::bulk(pattern), Reply::bulk(channel), Reply::bulk(text)});
    }
  }
  return heard;
}

}  // namespace chaveiro::redis
