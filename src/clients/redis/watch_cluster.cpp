#include <algorithm>

#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

// Between two questions, however many ask for one: doubled while the answer tells nothing new.
constexpr auto pause_min = std::chrono::milliseconds{100};
constexpr auto pause_max = std::chrono::milliseconds{500};
// Before the next node is asked when one has not answered, or not well.
constexpr auto failure_pause_min = std::chrono::milliseconds{50};
constexpr auto failure_pause_max = std::chrono::seconds{1};
constexpr auto calm = std::chrono::seconds{5};  // after that, trouble is new trouble
constexpr auto refresh_interval = std::chrono::seconds{30};
constexpr auto answer_time_max = std::chrono::seconds{1};

// Asks one node at a time for CLUSTER SLOTS, for all connections of the client, and another one each time. A thousand redirections at once
// lead to one question, and to a second one at most if they go on coming while it is under way.
class ClusterWatch final : public Watch, public std::enable_shared_from_this<ClusterWatch> {
 public:
  explicit ClusterWatch(Core& core) : core_(core) {}

  void start() override {
    look_again();
    refresh_later();
  }
  void stop() override {
    state_.with([](State& state) { state.stopped = true; });
  }

  void look_again() override {
    const SteadyTime now = std::chrono::steady_clock::now();
    const auto when = state_.with([&](State& state) -> std::optional<SteadyTime> {
      if (state.stopped || state.scheduled) return std::nullopt;
      state.scheduled = true;
      return std::max(now, state.asked_at + state.pause);
    });
    if (when) ask_at(*when);
  }

 private:
  struct State {
    bool scheduled = false;  // a question will be asked, or is under way
    bool stopped = false;
    bool failing = false;  // the last one was not answered well
    SteadyTime asked_at{};
    std::size_t turn = random_u64() % 1024;  // clients that begin together shall not ask the same node together
    Micros pause{0};
    Backoff pauses{pause_min, pause_max, random_u64()};
    Backoff failures{failure_pause_min, failure_pause_max, random_u64()};
    std::vector<Core::Servers> known;
  };

  void ask_at(SteadyTime when) {
    core_.io(0).at(when, [weak = weak_from_this()](Nothing) {
      if (const auto self = weak.lock()) self->ask();
    });
  }
  void refresh_later() {
    core_.io(0).at(std::chrono::steady_clock::now() + refresh_interval, [weak = weak_from_this()](Nothing) {
      const auto self = weak.lock();
      if (!self) return;
      self->look_again();
      self->refresh_later();
    });
  }

  void ask() {
    const SteadyTime now = std::chrono::steady_clock::now();
    bool failing = false;
    const auto turn = state_.with([&](State& state) {
      if (now - state.asked_at > calm) state.pauses.reset();
      state.asked_at = now;
      failing = state.failing;
      return state.stopped ? std::optional<std::size_t>() : state.turn++;
    });
    if (!turn) return;
    const Endpoint endpoint = node_to_ask(*turn, failing);
    Request request;
    request.command = Command("CLUSTER", "SLOTS");
    request.deadline = now + answer_time_max;
    request.pinned = true;
    request.done = [weak = weak_from_this(), endpoint](Result<Value>&& reply) {
      if (const auto self = weak.lock()) self->on_answer(endpoint, std::move(reply));
    };
    core_.find_or_make(endpoint)->shared(0).send(std::move(request));
  }

  // The masters that we are connected to; where there is none, or one has just failed us, those that we began with too.
  Endpoint node_to_ask(std::size_t turn, bool failing) const {
    std::vector<Endpoint> nodes;
    const auto map = core_.map();
    for (const auto& node : map->masters) {
      if (node->shared(0).up()) nodes.push_back(node->endpoint());
    }
    if (failing || nodes.empty()) {
      nodes.insert(nodes.end(), core_.options().endpoints.begin(), core_.options().endpoints.end());
    }
    return nodes[turn % nodes.size()];
  }

  void on_answer(const Endpoint& from, Result<Value>&& reply) {
    auto servers = reply ? read(from, *reply) : Result<std::vector<Core::Servers>>(reply.error());
    if (!servers || servers->empty()) {
      const auto pause = state_.with([](State& state) {
        state.failing = true;
        return state.stopped ? std::optional<Micros>() : state.failures.next();
      });
      if (pause) ask_at(std::chrono::steady_clock::now() + *pause);
      return;
    }
    core_.adopt(*servers);
    state_.with([&](State& state) {
      if (state.failing || *servers != state.known) state.pauses.reset();
      state.pause = state.pauses.next();
      state.known = std::move(*servers);
      state.failing = false;
      state.failures.reset();
      state.scheduled = false;
    });
  }

  static Result<std::vector<Core::Servers>> read(const Endpoint& from, const Value& answer) {
    TRY(const std::vector<SlotRange> ranges, read_slots(answer));
    std::vector<Core::Servers> servers;
    const auto endpoint = [&](const SlotNode& node) {
      return Endpoint{node.host.empty() ? from.host : node.host, node.port, {}};
    };
    for (const SlotRange& range : ranges) {
      const Endpoint master = endpoint(range.master);
      auto group = std::ranges::find(servers, master, &Core::Servers::master);
      if (group == servers.end()) {
        group = servers.insert(group, Core::Servers{master, {}, {}});
        for (const SlotNode& replica : range.replicas) group->replicas.push_back(endpoint(replica));
      }
      group->slots.emplace_back(range.first, range.last);
    }
    return servers;
  }

  Core& core_;
  Guarded<State> state_;
};

// The Core holds a Watch, the timers of the watch hold weak references to it.
class Holder final : public Watch {
 public:
  explicit Holder(Core& core) : watch_(std::make_shared<ClusterWatch>(core)) {}
  void start() override { watch_->start(); }
  void look_again() override { watch_->look_again(); }
  void stop() override { watch_->stop(); }

 private:
  std::shared_ptr<ClusterWatch> watch_;
};

}  // namespace

std::unique_ptr<Watch> make_cluster_watch(Core& core) { return std::make_unique<Holder>(core); }

}  // namespace chaveiro::redis
