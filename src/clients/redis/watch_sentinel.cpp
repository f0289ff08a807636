#include <algorithm>

#include "base/text.h"
#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

constexpr auto pause_min = std::chrono::milliseconds{250};  // between two questions, however many ask for one
constexpr auto next_sentinel_after = std::chrono::milliseconds{50};

// Stays connected to one Sentinel at a time: asks it for the master and its replicas, then listens. One that goes, or that knows no
// such master, is followed by the next.
class SentinelWatch final : public Connection::Owner, public std::enable_shared_from_this<SentinelWatch> {
 public:
  explicit SentinelWatch(Core& core) : core_(core) {}

  void start() { dial(); }

  void stop() {
    const auto connection = state_.with([](State& state) {
      state.stopped = true;
      return std::exchange(state.connection, nullptr);
    });
    if (connection) connection->close(fail(Code::cancelled, "Stopped", "Redis: the client is being destroyed"));
  }

  void look_again() {
    const SteadyTime now = std::chrono::steady_clock::now();
    const auto when = state_.with([&](State& state) -> std::optional<SteadyTime> {
      if (state.stopped || state.scheduled) return std::nullopt;
      state.scheduled = true;
      return std::max(now, state.asked_at + pause_min);
    });
    if (!when) return;
    core_.io(0).at(*when, [weak = weak_from_this()](Nothing) {
      const auto self = weak.lock();
      if (!self) return;
      const auto connection = self->state_.with([](State& state) {
        state.scheduled = false;
        return state.connection;
      });
      // Its greeting asks anew.
      if (connection) connection->restart(fail(Code::cancelled, "AskAgain", "Redis: the Sentinel is asked again"));
    });
  }

  void on_error_line(Connection&, Request&&, Value&&) override {}
  void on_lost(Connection&, Request&&, const Error&, bool) override {}

  void on_up(Connection& connection, const ServerIdentity&, const std::vector<Value>& replies) override {
    state_.with([](State& state) { state.asked_at = std::chrono::steady_clock::now(); });
    const auto master = replies.empty() ? std::nullopt : address(replies[0]);
    if (!master) {
      core_.log().warn("the Sentinel knows no such master", {{"sentinel", to_string(connection.endpoint())}});
      core_.io(0).post([weak = connection.weak_from_this()](Nothing) {
        const auto held = weak.lock();
        if (held) held->restart(fail(Code::unavailable, "NoMaster", "Redis: the Sentinel knows no such master"));
      });
      return;
    }
    std::vector<Endpoint> replicas;
    for (const Value& replica : replies.size() > 1 ? replies[1].items : std::vector<Value>()) {
      if (auto endpoint = live_replica(replica)) replicas.push_back(std::move(*endpoint));
    }
    adopt(*master, std::move(replicas));
  }

  void on_push(Connection&, Value&& push) override {
    if (push.items.size() < 3 || push.items[0].text != "message") return;
    const std::string& channel = push.items[1].text;
    if (channel != "+switch-master") return look_again();
    // name old-host old-port new-host new-port
    std::vector<std::string_view> words;
    for (std::string_view rest = push.items[2].text; !rest.empty();) {
      const std::size_t space = rest.find(' ');
      words.push_back(rest.substr(0, space));
      rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
    }
    if (words.size() != 5 || words[0] != core_.options().master_name) return;
    const auto port = parse_uint(words[4], 65'535);
    if (port) adopt(Endpoint{std::string(words[3]), static_cast<std::uint16_t>(*port), {}}, {});
    look_again();
  }

  void on_down(Connection&, const Error& why, bool) override {
    const bool next = state_.with([&](State& state) {
      state.connection = nullptr;
      // A Sentinel that is merely asked again stays the one.
      if (why.reason != "AskAgain") ++state.turn;
      return !state.stopped;
    });
    if (!next) return;
    const auto pause = why.reason == "AskAgain" ? std::chrono::milliseconds{0} : next_sentinel_after;
    core_.io(0).at(std::chrono::steady_clock::now() + pause, [weak = weak_from_this()](Nothing) {
      if (const auto self = weak.lock()) self->dial();
    });
  }

 private:
  struct State {
    std::shared_ptr<Connection> connection;
    std::size_t turn = 0;
    bool scheduled = false;
    bool stopped = false;
    SteadyTime asked_at{};
  };

  void dial() {
    const auto turn = state_.with(
        [](State& state) { return state.stopped ? std::optional<std::size_t>() : std::optional(state.turn); });
    if (!turn) return;
    const std::vector<Endpoint>& sentinels = core_.options().endpoints;
    const std::string& name = core_.options().master_name;
    auto connection = core_.make_connection(
        sentinels[*turn % sentinels.size()], *this, [&](ConnectionOptions& made, GreetingOptions& greeting) {
          made.comes_back = false;
          made.callers_drive = false;
          made.dial_timeout = std::min<Micros>(made.dial_timeout, std::chrono::seconds{1});
          made.keeps = shared_from_this();
          greeting.sentinel = true;
          greeting.setup.emplace_back("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
          greeting.setup.emplace_back("SENTINEL", "REPLICAS", name);
          greeting.setup.emplace_back("SUBSCRIBE", "+switch-master", "+slave", "+sdown", "-sdown");
        });
    state_.with([&](State& state) { state.connection = connection; });
    connection->start();
  }

  void adopt(const Endpoint& master, std::vector<Endpoint> replicas) {
    core_.adopt({Core::Servers{master, std::move(replicas), {}}});
  }

  static std::optional<Endpoint> address(const Value& value) {
    if (value.items.size() != 2) return std::nullopt;
    const auto port = parse_uint(value.items[1].text, 65'535);
    if (!port || *port == 0) return std::nullopt;
    return Endpoint{value.items[0].text, static_cast<std::uint16_t>(*port), {}};
  }

  // From a list of names and values; one that is down or not in touch with the master is left out.
  static std::optional<Endpoint> live_replica(const Value& value) {
    std::string host, port, flags, link;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const std::string& name = value.items[i].text;
      const std::string& text = value.items[i + 1].text;
      if (name == "ip") host = text;
      if (name == "port") port = text;
      if (name == "flags") flags = text;
      if (name == "master-link-status") link = text;
    }
    const auto number = parse_uint(port, 65'535);
    if (host.empty() || !number || link != "ok") return std::nullopt;
    for (const std::string_view sick : {"s_down", "o_down", "disconnected"}) {
      if (flags.find(sick) != std::string::npos) return std::nullopt;
    }
    return Endpoint{host, static_cast<std::uint16_t>(*number), {}};
  }

  Core& core_;
  Guarded<State> state_;
};

class Holder final : public Watch {
 public:
  explicit Holder(Core& core) : watch_(std::make_shared<SentinelWatch>(core)) {}
  void start() override { watch_->start(); }
  void look_again() override { watch_->look_again(); }
  void stop() override { watch_->stop(); }

 private:
  std::shared_ptr<SentinelWatch> watch_;
};

}  // namespace

std::unique_ptr<Watch> make_sentinel_watch(Core& core) { return std::make_unique<Holder>(core); }

}  // namespace chaveiro::redis
