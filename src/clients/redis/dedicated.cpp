#include <algorithm>

#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

constexpr auto refused_pause = std::chrono::milliseconds{20};

Error not_connected() { return fail(Code::unavailable, "NotConnected", "Redis: the dedicated connection is down"); }

// Makes one connection after the other; each goes where the map says at that moment.
class DedicatedState final : public Connection::Owner,
                             public MapFollower,
                             public std::enable_shared_from_this<DedicatedState> {
 public:
  DedicatedState(std::shared_ptr<Core> core, DedicatedOptions options)
      : core_(std::move(core)),
        options_(std::move(options)),
        backoff_(core_->options().reconnect_delay_min, core_->options().reconnect_delay_max, random_u64()) {
    state_.with([&](State& state) { state.setup = options_.setup; });
  }

  void start() {
    if (core_->options().mode == Mode::cluster && !options_.node && !options_.key.empty())
      core_->follow(weak_from_this());
    dial();
  }

  void dial() {
    const auto endpoint = options_.node ? options_.node : core_->node_for(options_.key);
    if (!endpoint) return dial_later(refused_pause);
    auto setup = state_.with([](State& state) { return state.setup; });
    auto connection = core_->make_connection(*endpoint, *this, [&](ConnectionOptions& made, GreetingOptions& greeting) {
      made.comes_back = false;
      made.callers_drive = false;
      made.keeps = shared_from_this();
      made.session.wait_replicas = 0;
      greeting.setup = std::move(setup);
      if (!options_.name.empty()) greeting.client_name = options_.name;
      if (core_->options().mode == Mode::sentinel && !options_.node) greeting.role_wanted = "master";
    });
    const bool closed = state_.with([&](State& state) {
      if (!state.closed) state.connection = connection;
      return state.closed;
    });
    if (!closed) connection->start();
  }

  void close() {
    std::shared_ptr<Connection> connection;
    state_.with([&](State& state) {
      state.closed = true;
      connection = std::exchange(state.connection, nullptr);
    });
    if (!connection) return;
    // On its own thread: when that has run, no callback runs any more.
    const auto end = [&] {
      connection->close(fail(Code::cancelled, "Closed", "Redis: the connection is being closed"));
    };
    connection->io().run(end);
  }

  std::shared_ptr<Connection> connection() const {
    return state_.with([](const State& state) { return state.connection; });
  }
  void set_setup(std::vector<Command> setup) {
    state_.with([&](State& state) { state.setup = std::move(setup); });
  }
  Core& core() { return *core_; }

  void on_answered(Connection&, const Request& request, const Value& value, SteadyTime now) override {
    core_->gauges().answered(request.command, now - request.began, value.is_error());
  }
  void on_error_line(Connection&, Request&& request, Value&& line) override {
    Error error = error_of(line.text);
    core_->gauges().error(error.reason);
    // The key has moved, or the server is no master any more: this connection goes where it belongs.
    const bool elsewhere = error.reason == "MOVED" || error.reason == "READONLY";
    request.finish(Result<Value>(std::move(error)));
    if (elsewhere) reconnect();
  }
  void on_lost(Connection&, Request&& request, const Error& why, bool sent) override {
    Error error = why;
    if (sent && request.command.access() != Access::read) {
      error = fail(Code::maybe_applied, "AnswerLost", why.message);
    } else if (error.code == Code::corrupt) {
      error.code = Code::unavailable;
    }
    core_->gauges().error(error.reason);
    request.finish(Result<Value>(std::move(error)));
  }
  void on_push(Connection&, Value&& push) override {
    // The slot has gone to another node.
    if (!push.items.empty() && push.items.front().text == "sunsubscribe") reconnect();
    if (open() && options_.on_push) options_.on_push(push);
  }
  void on_up(Connection& connection, const ServerIdentity&, const std::vector<Value>& replies) override {
    backoff_.reset();
    if (open() && options_.on_up) options_.on_up(connection.endpoint(), replies);
  }
  void on_down(Connection&, const Error& why, bool had_been_up) override {
    if (!open()) return;
    if (had_been_up && options_.on_down) options_.on_down(why);
    state_.with([](State& state) { state.connection = nullptr; });
    core_->note_trouble();
    dial_later(had_been_up ? Micros{0} : backoff_.next());
  }

  // The key's slot has gone to another node: the one that had it may be quiet about it.
  void on_map_changed() override {
    const auto held = connection();
    const auto wanted = core_->node_for(options_.key);
    if (held && wanted && held->endpoint() != *wanted) reconnect();
  }

  void reconnect() {
    if (const auto held = connection())
      held->restart(fail(Code::unavailable, "Restarted", "Redis: the connection is made anew"));
  }

 private:
  struct State {
    std::shared_ptr<Connection> connection;
    std::vector<Command> setup;
    bool closed = false;
  };
  bool open() const {
    return state_.with([](const State& state) { return !state.closed; });
  }
  void dial_later(Micros pause) {
    core_->io(0).at(std::chrono::steady_clock::now() + pause, [weak = weak_from_this()](Nothing) {
      const auto self = weak.lock();
      if (self && self->open() && !self->core_->stopping()) self->dial();
    });
  }

  const std::shared_ptr<Core> core_;
  const DedicatedOptions options_;
  Guarded<State> state_;
  Backoff backoff_;  // of the connection's thread
};

class DedicatedConnection final : public Dedicated {
 public:
  explicit DedicatedConnection(std::shared_ptr<DedicatedState> state) : state_(std::move(state)) {}
  ~DedicatedConnection() override { state_->close(); }

  void send(Command command, Deadline deadline, Callback done) override {
    Request request;
    request.command = std::move(command);
    request.deadline = deadline.when();
    request.done = std::move(done);
    submit(std::move(request));
  }
  Result<Value> call(Command command, Deadline deadline) override {
    const Access access = command.access();
    const auto waiter = std::make_shared<Waiter>();
    Request request;
    request.command = std::move(command);
    request.deadline = deadline.when();
    request.waiter = waiter;
    submit(std::move(request));
    if (waiter->wait(deadline, state_->core().spin())) return waiter->take();
    const std::optional<bool> sent = waiter->abandon();
    if (!sent) return waiter->take();
    if (*sent && access != Access::read) {
      return fail(Code::maybe_applied, "AnswerLost", "Redis: no answer in time; the command may have been executed");
    }
    return fail(Code::deadline, "DeadlineExceeded", "Redis: no answer in time");
  }
  bool up() const override {
    const auto connection = state_->connection();
    return connection && connection->up();
  }
  void set_setup(std::vector<Command> setup) override { state_->set_setup(std::move(setup)); }
  void reconnect() override { state_->reconnect(); }

 private:
  void submit(Request request) {
    request.pinned = true;
    const auto connection = state_->connection();
    if (!connection || !connection->up()) {
      if (!request.done || IoThread::on_any()) {
        request.finish(Result<Value>(not_connected()));
        return;
      }
      // The caller may hold a lock that its callback takes.
      const auto held = std::make_shared<Request>(std::move(request));
      const auto end = [held](Nothing) { held->finish(Result<Value>(not_connected())); };
      if (!state_->core().io(0).post(end)) end(Nothing{});
      return;
    }
    connection->send(std::move(request));
  }

  const std::shared_ptr<DedicatedState> state_;
};

}  // namespace

std::unique_ptr<Dedicated> Client::dedicate(DedicatedOptions options) {
  auto state = std::make_shared<DedicatedState>(core_, std::move(options));
  state->start();
  return std::make_unique<DedicatedConnection>(std::move(state));
}

}  // namespace chaveiro::redis
