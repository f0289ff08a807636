#include "app/cache_levels.h"

#include <charconv>
#include <cstdlib>

#include "app/redis.h"
#include "base/file.h"
#include "base/random.h"
#include "cache/upkeep.h"
#include "clients/postgres/cache_tier.h"
#include "clients/redis/backplane.h"
#include "clients/redis/cache_tier.h"
#include "clients/sqlite/cache_tier.h"

namespace chaveiro::app {
namespace {

// The second level with its client; both empty where it is not asked for.
struct Second {
  std::unique_ptr<redis::Client> client;
  std::unique_ptr<redis::CacheTier> tier;
  std::unique_ptr<redis::RedisBackplane> backplane;
  std::uint64_t publisher = 0;
};

// Made once and kept, so that a node that is back after a crash is known to be the one that had gone.
Result<std::uint64_t> publisher_number(const std::string& file) {
  if (const auto kept = read_file(file, 32)) {
    if (const auto number = std::strtoull(kept->c_str(), nullptr, 10); number != 0) return std::uint64_t{number};
  }
  const std::uint64_t number = random_u64() | 1;
  TRY_VOID(write_file(file, std::to_string(number), 0600));
  return number;
}

// The third level, in a file of this process or in the database that its nodes share; empty where it is not asked for.
struct Third {
  std::unique_ptr<cache::Tier> tier;
  cache::DurableTier* durable = nullptr;  // the same
  std::unique_ptr<cache::Upkeep> upkeep;
  bool shared = false;

  template <class T>
  static Third of(std::unique_ptr<T> opened, bool shared, const Clock& clock) {
    // A step at a time: step() comes many times a second. A shared level is swept by one of the nodes.
    cache::DurableTier* const durable = opened.get();
    auto upkeep = std::make_unique<cache::Upkeep>(*durable, clock, cache::UpkeepOptions{.steps_max = shared ? 0 : 1});
    return {std::move(opened), durable, std::move(upkeep), shared};
  }
  static Result<Third> open(const Settings& settings, const std::string& folder, const Clock& clock) {
    if (!settings.cache_l3_enabled) return Third{};
    if (settings.database_url.starts_with("postgres://")) {
      clients::postgres::CacheTierOptions options;
      options.target.url = Secret(settings.database_url);
      return of(std::make_unique<clients::postgres::CacheTier>(options, clock), true, clock);
    }
    TRY(auto opened, clients::sqlite::CacheTier::open({.path = folder + "/cache.db"}, clock));
    return of(std::move(opened), false, clock);
  }
};

constexpr int sweep_steps_max = 20;
constexpr auto start_time_max = std::chrono::seconds{30};
constexpr std::string_view note_at_work = "open";

// How the last run on this folder left the levels.
enum class Left : std::uint8_t { never_was, at_work, in_order, behind, ahead };

Left left_by(const Result<std::string>& note, std::uint64_t sequence) {
  if (!note) return Left::never_was;
  std::uint64_t then = 0;
  const auto read = std::from_chars(note->data(), note->data() + note->size(), then);
  if (read.ec != std::errc{} || read.ptr != note->data() + note->size()) return Left::at_work;
  return then == sequence ? Left::in_order : then < sequence ? Left::behind : Left::ahead;
}

std::string_view why_empty(Left left) {
  switch (left) {
    case Left::never_was:
      return "there is no note";
    case Left::at_work:
      return "the last run did not end in order";
    case Left::ahead:
      return "the store went back";
    default:
      return "the store has changed since";
  }
}

class Levels final : public CacheLevels {
 public:
  Levels(Second second, Third third, std::string note, bool suspect)
      : second_(std::move(second)), third_(std::move(third)), note_(std::move(note)), suspect_(suspect) {}

  cache::Tier* l2() override { return second_.tier.get(); }
  redis::Client* redis() override { return second_.client.get(); }
  bool l2_is_suspect() const override { return second_.tier != nullptr && suspect_; }
  Result<void> check(Deadline deadline) override {
    return second_.client ? second_.client->wait_ready(deadline) : Result<void>();
  }
  cache::Tier* l3() override { return third_.tier.get(); }
  bool l3_is_shared() const override { return third_.shared; }
  cache::Backplane* backplane() override { return second_.backplane.get(); }
  std::uint64_t publisher() const override { return second_.publisher; }

  Result<void> step(Deadline deadline) override {
    if (third_.upkeep) TRY_VOID(third_.upkeep->run_once(deadline));
    return {};
  }

  Result<void> sweep(const std::function<bool()>& goes_on, Deadline deadline) override {
    if (!third_.shared) return {};
    for (int step = 0; step < sweep_steps_max && goes_on(); ++step) {
      TRY(const bool more, third_.durable->purge_step(deadline));
      if (!more) break;
    }
    return {};
  }

  Result<void> close(directory::Store& store, bool told_everything, Deadline deadline) override {
    if ((!third_.tier && !second_.tier) || !told_everything) return {};
    TRY(const std::uint64_t sequence, store.last_sequence(deadline));
    return write_file(note_, std::to_string(sequence), 0600);
  }

 private:
  Second second_;
  Third third_;
  std::string note_;
  bool suspect_;
};

}  // namespace

Result<std::unique_ptr<CacheLevels>> CacheLevels::open(const Settings& settings, const std::string& folder,
                                                       directory::Store& store, const Clock& clock, Registry& metrics,
                                                       const Logger& log) {
  const std::string note = folder + "/cache.position";
  Second second;
  if (settings.cache_l2_enabled) {
    TRY(auto options, redis_options(settings));
    TRY(second.client, redis::Client::create(std::move(options), {log.named("redis"), &metrics}));
    TRY(second.tier, redis::CacheTier::create({}, *second.client, clock, metrics));
    second.backplane = std::make_unique<redis::RedisBackplane>(redis::RedisBackplaneOptions{}, *second.client, clock);
    TRY(second.publisher, publisher_number(folder + "/cache.publisher"));
  }
  TRY(Third third, Third::open(settings, folder, clock));
  const auto noted = read_file(note, 64);
  // Also without a slower level: what is committed in this run is not told to those that a later one may have.
  TRY_VOID(write_file(note, note_at_work, 0600));
  if (!second.tier && !third.tier)
    return std::unique_ptr<CacheLevels>(std::make_unique<Levels>(std::move(second), Third{}, note, false));
  const Deadline deadline = Deadline::in(start_time_max);
  TRY(const std::uint64_t sequence, store.last_sequence(deadline));
  const Left left = left_by(noted, sequence);
  const bool others_kept_it = left == Left::behind && settings.database_url.starts_with("postgres://");
  const bool suspect = left != Left::in_order && !others_kept_it;
  const bool third_suspect = third.shared ? left == Left::at_work || left == Left::ahead : left != Left::in_order;
  if ((second.tier && suspect) || (third.tier && third_suspect))
    log.info("slower cache levels begin empty", {{"because", why_empty(left)}});
  if (third.tier && third_suspect) TRY_VOID(third.tier->clear(deadline));
  return std::unique_ptr<CacheLevels>(std::make_unique<Levels>(std::move(second), std::move(third), note, suspect));
}

}  // namespace chaveiro::app
