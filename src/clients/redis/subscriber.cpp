#include "clients/redis/subscriber.h"

#include <set>

#include "base/guarded.h"

namespace chaveiro::redis {

struct Subscriber::State {
  struct Names {
    std::set<std::string, std::less<>> channels, patterns, shard_channels;
  };
  SubscriberOptions options;
  Guarded<Names> names;

  void on_push(const Value& push) const {
    if (push.items.size() < 3 || !options.on_message) return;
    const std::string& kind = push.items[0].text;
    if (kind == "message" || kind == "smessage") {
      options.on_message({push.items[1].text, push.items[2].text, {}});
    } else if (kind == "pmessage" && push.items.size() >= 4) {
      options.on_message({push.items[2].text, push.items[3].text, push.items[1].text});
    }
  }

  std::vector<Command> setup() const {
    return names.with([](const Names& it) {
      std::vector<Command> commands;
      const auto add = [&](std::string_view name, const auto& all) {
        if (!all.empty()) commands.push_back(Command(name).add_all(all));
      };
      add("SUBSCRIBE", it.channels);
      add("PSUBSCRIBE", it.patterns);
      // Shard channels of different slots cannot be named in one command.
      for (const std::string& channel : it.shard_channels) commands.emplace_back("SSUBSCRIBE", channel);
      return commands;
    });
  }
};

Subscriber::Subscriber(Client& client, SubscriberOptions options) : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  DedicatedOptions dedicated;
  dedicated.key = state_->options.shard_key;
  dedicated.on_push = [state = state_](const Value& push) { state->on_push(push); };
  dedicated.on_up = [state = state_](const Endpoint&, const std::vector<Value>&) {
    if (state->options.on_gap) state->options.on_gap();
  };
  dedicated.on_down = [state = state_](const Error& why) {
    if (state->options.on_down) state->options.on_down(why);
  };
  connection_ = client.dedicate(std::move(dedicated));
}

Subscriber::~Subscriber() = default;

bool Subscriber::up() const { return connection_->up(); }

Result<void> Subscriber::change(std::string_view command, std::string_view name, Deadline deadline) {
  connection_->set_setup(state_->setup());
  return expect_ok(connection_->call(Command(command, name), deadline));
}

Result<void> Subscriber::subscribe(std::string_view channel, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.channels.emplace(channel); });
  return change("SUBSCRIBE", channel, deadline);
}
Result<void> Subscriber::psubscribe(std::string_view pattern, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.patterns.emplace(pattern); });
  return change("PSUBSCRIBE", pattern, deadline);
}
Result<void> Subscriber::ssubscribe(std::string_view channel, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.shard_channels.emplace(channel); });
  return change("SSUBSCRIBE", channel, deadline);
}
Result<void> Subscriber::unsubscribe(std::string_view channel, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.channels.erase(std::string(channel)); });
  return change("UNSUBSCRIBE", channel, deadline);
}
Result<void> Subscriber::punsubscribe(std::string_view pattern, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.patterns.erase(std::string(pattern)); });
  return change("PUNSUBSCRIBE", pattern, deadline);
}
Result<void> Subscriber::sunsubscribe(std::string_view channel, Deadline deadline) {
  state_->names.with([&](State::Names& names) { names.shard_channels.erase(std::string(channel)); });
  return change("SUNSUBSCRIBE", channel, deadline);
}

}  // namespace chaveiro::redis
