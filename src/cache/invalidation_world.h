// cache/invalidation_world.h
//
// For tests: a platform of several nodes in one thread and in simulated time. Each has a cache in memory, all share a second level and a
// source; the backplane between them loses, delays and repeats, connections break, nodes die between a commit and its news. Loads are
// slow: while one runs, the rest of the world goes on.
//
// Every read is held against the rule: nothing that is older than the last write committed `bound` before the read began.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <queue>

#include "base/random.h"
#include "cache/invalidator.h"
#include "cache/map_tier.h"
#include "cache/tiered.h"

namespace chaveiro::cache {

using namespace std::chrono_literals;

// What the world does to its nodes; chances are for each occasion.
struct Weather {
  double lose = 0, repeat = 0, late = 0;  // a bulletin on its way to one node
  double unpublished = 0;                 // … on its way to the server: nobody hears it
  double die = 0;                         // a writer, between its commit and its news
  double cut = 0, freeze = 0;             // each second: a connection breaks, or holds everything back for a while
  double level_away = 0;                  // each second: the second level, for one node
  Micros load_max = 30ms;                 // one in ten takes ten times as long
  bool replays = false;
  bool shared_level = true;
};

class World {
 public:
  World(std::uint64_t seed, Weather weather) : random_(seed), weather_(weather) {
    for (std::size_t i = 0; i < nodes_count; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
    for (auto& node : nodes_) node->start();
    every(25ms, [this] { each_node([](Node& node) { node.tick(); }); });
    every(5ms, [this] { each_node([this](Node& node) { read(node); }); });
    after(2s, [this] {  // nobody can wait for a node of whom nobody has ever heard
      every(40ms, [this] { write(*nodes_[random_.below(nodes_count)]); });
      every(1s, [this] { each_node([this](Node& node) { trouble(node); }); });
    });
  }
  ~World() {
    for (auto& node : nodes_) node->stop();
  }

  void run(Micros time) { run_until(clock_.steady() + time); }
  // Good weather from now on.
  void calm() {
    weather_ = {.load_max = weather_.load_max, .replays = weather_.replays, .shared_level = weather_.shared_level};
  }

  struct Tally {
    std::uint64_t reads = 0, hits = 0, writes = 0, deaths = 0, oldest_us = 0;
    bool broken = false;
  };
  const Tally& tally() const { return tally_; }
  std::size_t trusting() {
    std::size_t count = 0;
    each_node([&](Node& node) { count += node.invalidator->trusting() ? 1 : 0; });
    return count;
  }
  std::uint64_t drops() {
    std::uint64_t count = 0;
    each_node([&](Node& node) { count += node.invalidator->figures().drops; });
    return count;
  }

 private:
  static constexpr std::size_t nodes_count = 3;
  static constexpr std::size_t keys_count = 250;
  static constexpr Micros post_max = 300ms;

  // The shared level as one node reaches it.
  class Level final : public Tier {
   public:
    Level(Tier& shared, const bool& away) : shared_(shared), away_(away) {}
    std::string_view kind() const override { return "shared"; }
    std::uint64_t era() const override { return shared_.era(); }
    Result<std::optional<TierValue>> get(std::string_view key, Deadline d) override {
      return away_ ? Result<std::optional<TierValue>>(gone()) : shared_.get(key, d);
    }
    Result<std::vector<std::optional<TierValue>>> get_many(std::span<const std::string> keys, Deadline d) override {
      return away_ ? Result<std::vector<std::optional<TierValue>>>(gone()) : shared_.get_many(keys, d);
    }
    Result<TierStored> put(const TierPut& put, Deadline d) override {
      return away_ ? Result<TierStored>(gone()) : shared_.put(put, d);
    }
    Result<std::vector<TierStored>> put_many(std::span<const TierPut> puts, Deadline d) override {
      return away_ ? Result<std::vector<TierStored>>(gone()) : shared_.put_many(puts, d);
    }
    Result<void> erase(std::string_view key, std::uint64_t version, Deadline d) override {
      return away_ ? Result<void>(gone()) : shared_.erase(key, version, d);
    }
    Result<void> erase_many(std::span<const std::string> keys, Deadline d) override {
      return away_ ? Result<void>(gone()) : shared_.erase_many(keys, d);
    }
    Result<void> erase_tag(std::string_view tag, Deadline d) override {
      return away_ ? Result<void>(gone()) : shared_.erase_tag(tag, d);
    }
    Result<void> clear(Deadline d) override { return away_ ? Result<void>(gone()) : shared_.clear(d); }

   private:
    static Error gone() { return fail(Code::unavailable, "Away", "the level is away"); }
    Tier& shared_;
    const bool& away_;
  };

  struct Node final : public Backplane {
    Node(World& its_world, std::size_t number) : world(its_world), index(number) {}

    void start() {
      TieredOptions options{.name = "entries", .ttl = 1h};
      options.l1.ttl_max = 1h;
      options.l2.enabled = world.weather_.shared_level;
      options.l2.failures_max = 0;
      cache =
          Tiered<std::string>::make(options, {.clock = world.clock_, .metrics = world.metrics_, .l2 = &level}).value();
      catalogue.emplace();
      catalogue->add(*cache);
      InvalidatorOptions mine{.publisher = index + 1};
      mine.node.post_time_max = post_max;
      mine.node.forget_after = 1h;
      invalidator = Invalidator::make(mine, *this, *catalogue, world.clock_, world.metrics_, {}).value();
      connect();
    }
    void stop() {
      ++life;
      connected = false;
      queue.clear();
      invalidator.reset();
      catalogue.reset();
      cache.reset();
    }
    void tick() {
      invalidator->tick();
      (void)cache->settle(Deadline::never());
    }
    void connect() {
      connected = true;
      // A stream is read on from where it was left.
      if (!world.weather_.replays) queue.clear();
      const std::vector<std::uint64_t> members(world.members_.begin(), world.members_.end());
      listener->connected(members);
      if (world.weather_.replays) world.deliver(*this);
    }
    void cut() {
      connected = false;
      listener->lost();
    }

    // Backplane
    std::string_view kind() const override { return "weather"; }
    bool replays() const override { return world.weather_.replays; }
    void post(std::string bytes, Deadline) override { world.publish(*this, std::move(bytes)); }
    Result<std::unique_ptr<Following>> follow(BackplaneListener& who, std::uint64_t) override {
      listener = &who;
      return std::make_unique<Following>();
    }

    void leave(std::uint64_t) override {}

    World& world;
    const std::size_t index;
    bool level_away = false;
    Level level{world.shared_, level_away};
    std::unique_ptr<Tiered<std::string>> cache;
    std::optional<Catalogue> catalogue;
    std::unique_ptr<Invalidator> invalidator;
    BackplaneListener* listener = nullptr;
    std::uint64_t life = 0;
    int loads = 0;  // that run on it: it cannot die meanwhile
    std::set<std::string> loading;
    bool connected = false;
    SteadyTime held_until{};  // nothing comes before
    struct Coming {
      SteadyTime at;
      std::string bytes;
    };
    std::deque<Coming> queue;
  };

  struct Event {
    SteadyTime at;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };

  void after(Micros time, std::function<void()> run) {
    events_.push({clock_.steady() + time, ++order_, std::move(run)});
  }
  void every(Micros time, std::function<void()> run) {
    after(time + Micros{static_cast<std::int64_t>(random_.below(5'000))}, [this, time, run] {
      every(time, run);  // first: what runs may take its time
      run();
    });
  }
  void run_until(SteadyTime end) {
    while (!events_.empty() && events_.top().at <= end) {
      const Event event = events_.top();
      events_.pop();
      move_to(event.at);
      event.run();
    }
    move_to(end);
  }
  void move_to(SteadyTime at) {
    if (at > clock_.steady()) clock_.advance(std::chrono::ceil<Micros>(at - clock_.steady()));
  }
  bool happens(double chance) { return chance > 0 && random_.unit() < chance; }
  Micros up_to(Micros time) {
    return Micros{static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(time.count()) + 1))};
  }
  template <class Fn>
  void each_node(Fn fn) {
    for (auto& node : nodes_) {
      if (node->invalidator) fn(*node);
    }
  }

  // From a node to the server, in order, or not at all.
  void publish(Node& from, std::string bytes) {
    if (!from.connected || clock_.steady() < from.held_until || happens(weather_.unpublished)) return;
    members_.insert(from.index + 1);
    const SteadyTime at =
        std::max(last_out_[from.index], clock_.steady() + up_to(happens(weather_.late) ? post_max : 5ms));
    last_out_[from.index] = at;
    after(std::chrono::ceil<Micros>(at - clock_.steady()), [this, bytes = std::move(bytes)] {
      for (auto& node : nodes_) {
        if (!node->listener || (!node->connected && !weather_.replays) || happens(weather_.lose)) continue;
        const int times = happens(weather_.repeat) ? 2 : 1;
        const SteadyTime before = node->queue.empty() ? clock_.steady() : node->queue.back().at;
        const SteadyTime due = std::max(before, clock_.steady() + up_to(happens(weather_.late) ? 3s : 5ms));
        for (int i = 0; i < times; ++i) node->queue.push_back({due, bytes});
        after(std::chrono::ceil<Micros>(due - clock_.steady()), [this, &node = *node] { deliver(node); });
      }
    });
  }
  void deliver(Node& node) {
    while (node.connected && !node.queue.empty() && node.queue.front().at <= clock_.steady() &&
           node.held_until <= clock_.steady()) {
      const std::string bytes = std::move(node.queue.front().bytes);
      node.queue.pop_front();
      if (node.invalidator) node.listener->heard(bytes);
    }
  }

  void trouble(Node& node) {
    if (happens(weather_.cut) && node.connected) {
      node.cut();
      after(up_to(12s), [&node, life = node.life] {
        if (node.life == life && !node.connected) node.connect();
      });
    }
    if (happens(weather_.freeze)) {
      const Micros time = up_to(15s);
      node.held_until = clock_.steady() + time;
      after(time + 1us, [this, &node] { deliver(node); });
    }
    if (happens(weather_.level_away) && !node.level_away) {
      node.level_away = true;
      after(up_to(4s), [&node] { node.level_away = false; });
    }
  }

  std::string any_key() { return "k" + std::to_string(random_.below(keys_count)); }

  void write(Node& node) {
    if (!node.invalidator) return;
    const std::string key = any_key();
    const std::uint64_t version = ++sequence_;
    history_[key].push_back({clock_.steady(), version});
    ++tally_.writes;
    if (node.loads == 0 && happens(weather_.die)) {
      ++tally_.deaths;
      node.stop();
      after(up_to(8s), [&node] { node.start(); });
      return;
    }
    const bool erases = random_.below(4) == 0;
    const Reached reached =
        erases ? node.cache->invalidate(key, version, Deadline::never())
               : node.cache->put(key, std::to_string(version), {.version = version}, Deadline::never());
    const Invalidation news{.cache = "entries",
                            .name = key,
                            .version = version,
                            .told = reached == Reached::owed ? Told::memory_only : Told::levels};
    node.invalidator->wrote({&news, 1});
  }

  std::uint64_t stored(const std::string& key) { return history_[key].empty() ? 0 : history_[key].back().version; }

  Result<Loaded<std::string>> load(Node& node, const std::string& key) {
    const std::uint64_t version = stored(key);
    ++node.loads, ++depth_, node.loading.insert(key);
    run_until(clock_.steady() + up_to(happens(0.1) ? 10 * weather_.load_max : weather_.load_max));
    --node.loads, --depth_, node.loading.erase(key);
    if (version == 0) return Loaded<std::string>::nothing();
    auto loaded = Loaded<std::string>::of(std::to_string(version));
    loaded.version = version;
    return loaded;
  }

  void read(Node& node) {
    const std::string key = any_key();
    const SteadyTime began = clock_.steady();
    ++tally_.reads;
    if (const auto seen = node.cache->peek(key)) {
      ++tally_.hits;
      return judge(node, key, *seen, began);
    }
    if (depth_ >= 4 || node.loading.contains(key)) return;
    const Loader<std::string> loader = [&](std::string_view, const LoadContext<std::string>&) {
      return load(node, key);
    };
    const auto answer = node.cache->get_or_load(key, loader, Deadline::never());
    ASSERT_TRUE(answer) << answer.error().message;
    judge(node, key, *answer, began);
  }

  void judge(const Node& node, const std::string& key, const Answer<std::string>& answer, SteadyTime began) {
    const std::uint64_t version = answer.found() ? std::stoull(*answer.value) : 0;
    for (const Commit& commit : history_[key]) {
      if (commit.version <= version) continue;
      const auto age = began - commit.at;
      if (age > Micros{0})
        tally_.oldest_us =
            std::max(tally_.oldest_us, static_cast<std::uint64_t>(std::chrono::duration_cast<Micros>(age).count()));
      if (age <= node.invalidator->bound() || tally_.broken) break;
      tally_.broken = true;
      ADD_FAILURE() << "node " << node.index << " reads " << key << " as of " << version << " from "
                    << to_string(answer.level) << ", though " << commit.version << " was committed "
                    << std::chrono::duration_cast<std::chrono::milliseconds>(age).count() << " ms before; bound "
                    << std::chrono::duration_cast<std::chrono::milliseconds>(node.invalidator->bound()).count()
                    << " ms";
      break;
    }
  }

  struct Commit {
    SteadyTime at;
    std::uint64_t version;
  };

  ManualClock clock_;
  Registry metrics_;
  Random random_;
  Weather weather_;
  MapTier shared_{clock_};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::array<SteadyTime, nodes_count> last_out_{};
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  int depth_ = 0;
  std::uint64_t sequence_ = 0;
  std::map<std::string, std::vector<Commit>> history_;
  std::set<std::uint64_t> members_;  // as the server remembers them
  Tally tally_;
};

}  // namespace chaveiro::cache
