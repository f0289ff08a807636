#include "clients/redis/wire/greeting.h"

namespace chaveiro::redis {

void Greeting::ask(Asked what, const Command& command, std::string& bytes) {
  // SUBSCRIBE is answered by a push for each channel.
  const std::size_t replies = command.subscribes() ? command.size() - 1 : 1;
  asked_.insert(asked_.end(), replies, what);
  command.append_to(bytes);
}

std::string Greeting::begin() {
  std::string bytes;
  const std::string_view password = options_.password.expose();
  const std::string user = options_.user.empty() ? "default" : options_.user;
  if (options_.protocol_max >= 3) {
    Command hello("HELLO", 3);
    if (!password.empty()) hello.add("AUTH").add(user).add(password);
    ask(Asked::hello, hello, bytes);
    return bytes;
  }
  if (!password.empty()) {
    ask(Asked::auth, options_.user.empty() ? Command("AUTH", password) : Command("AUTH", user, password), bytes);
  }
  ask_rest(bytes);
  return bytes;
}

void Greeting::ask_rest(std::string& bytes) {
  if (!options_.client_name.empty()) ask(Asked::optional, Command("CLIENT", "SETNAME", options_.client_name), bytes);
  if (!options_.sentinel) {
    ask(Asked::optional, Command("CLIENT", "SETINFO", "LIB-NAME", "chaveiro"), bytes);
    if (options_.database != 0) ask(Asked::select, Command("SELECT", options_.database), bytes);
    if (options_.readonly) ask(Asked::readonly, Command("READONLY"), bytes);
  }
  for (const Command& command : options_.setup) ask(Asked::setup, command, bytes);
  // Also the end of what is asked without HELLO, when nothing else is.
  if (asked_.size() == answered_) ask(Asked::optional, Command("PING"), bytes);
}

Greeting::Next Greeting::after(std::string bytes) {
  if (!bytes.empty()) return {Next::What::send, std::move(bytes), {}};
  if (answered_ < asked_.size()) return {};
  return {Next::What::ready, {}, {}};
}

Greeting::Next Greeting::refused(const Value& reply) { return {Next::What::failed, {}, error_of(reply.text)}; }

Greeting::Next Greeting::on_reply(Value&& reply) {
  if (answered_ >= asked_.size()) {
    return {Next::What::failed, {}, fail(Code::corrupt, "UnexpectedReply", "Redis: a reply that nobody asked for")};
  }
  const Asked what = asked_[answered_++];
  std::string bytes;
  switch (what) {
    case Asked::hello:
      if (reply.is_error()) {
        const Error error = error_of(reply.text);
        // Servers before 6 do not know HELLO, and some proxies refuse its protocol.
        const bool unknown = error.code == Code::invalid && (error.reason == "ERR" || error.reason == "NOPROTO");
        if (!unknown || options_.protocol_min >= 3) return refused(reply);
        options_.protocol_max = 2;
        return after(begin());
      }
      for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
        const Value& name = reply.items[i];
        Value& value = reply.items[i + 1];
        if (name.text == "proto") server_.protocol = static_cast<int>(value.integer);
        if (name.text == "version") server_.version = std::move(value.text);
        if (name.text == "role") server_.role = std::move(value.text);
        if (name.text == "mode") server_.mode = std::move(value.text);
      }
      if (!options_.role_wanted.empty() && !server_.role.empty() && server_.role != options_.role_wanted) {
        return {Next::What::failed, {}, fail(Code::unavailable, "WrongRole", "Redis: the server is " + server_.role)};
      }
      ask_rest(bytes);
      return after(std::move(bytes));
    case Asked::auth:
    case Asked::select:
    case Asked::readonly:
      if (reply.is_error()) return refused(reply);
      break;
    case Asked::optional:
      break;
    case Asked::setup:
      if (reply.is_error()) return refused(reply);
      setup_replies_.push_back(std::move(reply));
      break;
  }
  return after({});
}

}  // namespace chaveiro::redis
