// Write-around: a write goes to the store and the cache only forgets, so that what is written often and read seldom does not fill
// it. Here: sensors report all the time, and somebody looks at one of them.
#include <cstdio>
#include <map>
#include <string>

#include "cache/strategies.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::cache;

namespace {

class Readings final : public Source<std::string> {
 public:
  Result<Loaded<std::string>> load(std::string_view sensor, const LoadContext<std::string>&) override {
    const auto found = rows.find(std::string(sensor));
    return found == rows.end() ? Loaded<std::string>::nothing() : Loaded<std::string>::of(found->second);
  }
  Result<std::uint64_t> store(std::string_view sensor, const std::string& reading, Deadline) override {
    rows[std::string(sensor)] = reading;
    return std::uint64_t{0};
  }
  Result<std::uint64_t> remove(std::string_view sensor, Deadline) override {
    rows.erase(std::string(sensor));
    return std::uint64_t{0};
  }
  std::map<std::string, std::string> rows;
};

}  // namespace

int main() {
  const SystemClock clock;
  Registry metrics;
  Readings store;
  auto cache = Tiered<std::string>::make({.name = "readings"}, {.clock = clock, .metrics = metrics}).value();
  WriteAround<std::string> readings(*cache, store);

  for (int i = 0; i < 1'000; ++i) {
    if (!readings.put("sensor" + std::to_string(i), std::to_string(20 + i % 7) + " °C", Deadline::in(1s))) return 1;
  }
  std::printf("%zu readings written, %zu cached\n", store.rows.size(), cache->stats().levels[0].entries);
  (void)readings.get("sensor5", Deadline::in(1s));
  if (!readings.put("sensor5", "31 °C", Deadline::in(1s))) return 1;
  const auto answer = readings.get("sensor5", Deadline::in(1s)).value();
  std::printf("sensor5: %s\n", answer.value->c_str());
  return *answer.value == "31 °C" ? 0 : 1;
}
