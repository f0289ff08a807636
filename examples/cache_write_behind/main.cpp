// Write-behind: a write is answered when the cache and a journal have it; the store gets the newest value of each key a little later.
// Here: counters of views, written thousands of times, stored a few times.
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "cache/write_behind.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::cache;

namespace {

class Views final : public Source<std::string> {
 public:
  Result<Loaded<std::string>> load(std::string_view page, const LoadContext<std::string>&) override {
    return state_.with([&](State& it) {
      const auto found = it.rows.find(std::string(page));
      return Result<Loaded<std::string>>(found == it.rows.end() ? Loaded<std::string>::nothing()
                                                                : Loaded<std::string>::of(found->second));
    });
  }
  Result<std::uint64_t> store(std::string_view page, const std::string& count, Deadline) override {
    return state_.with([&](State& it) -> Result<std::uint64_t> {
      if (++it.writes % 3 == 0) return fail(Code::unavailable, "Busy", "a store that fails now and then");
      it.rows[std::string(page)] = count;
      return std::uint64_t{0};
    });
  }
  Result<std::uint64_t> remove(std::string_view, Deadline) override { return std::uint64_t{0}; }
  struct State {
    std::map<std::string, std::string> rows;
    int writes = 0;
  };
  Guarded<State> state_;
};

}  // namespace

int main() {
  const SystemClock clock;
  Registry metrics;
  Views store;
  const std::string journal = (std::filesystem::temp_directory_path() / "cache_write_behind.journal").string();
  std::filesystem::remove(journal);
  auto cache = Tiered<std::string>::make({.name = "views"}, {.clock = clock, .metrics = metrics}).value();
  auto views =
      WriteBehind<std::string>::open({.name = "views", .workers = 2, .pause = 1ms, .linger = 50ms, .journal = journal},
                                     *cache, store, {}, clock, {}, metrics)
          .value();
  for (int i = 1; i <= 200; ++i) {
    for (const char* page : {"home", "help"}) {
      const auto count = std::make_shared<const std::string>(std::to_string(i));
      if (!views->put(page, count, {}, Deadline::in(1s))) return 1;
    }
  }
  std::printf("read back at once: %s\n", views->get("home", Deadline::in(1s)).value().value->c_str());
  const auto left = views->queue().stop(Deadline::in(10s));
  std::filesystem::remove(journal);
  return store.state_.with([&](Views::State& it) {
    std::printf("400 writes, %d tries at the store, %zu left: home %s, help %s\n", it.writes, left.waiting,
                it.rows["home"].c_str(), it.rows["help"].c_str());
    return left.waiting == 0 && it.rows["home"] == "200" && it.rows["help"] == "200" ? 0 : 1;
  });
}
