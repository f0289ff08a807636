// Read-through: the cache knows its source and asks it by itself; whoever reads sees only the cache. Here with refresh ahead of time, so
// that a popular value never makes anybody wait.
#include <atomic>
#include <cstdio>
#include <string>

#include "cache/strategies.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::cache;

namespace {

class Rates final : public Source<double> {
 public:
  Result<Loaded<double>> load(std::string_view currency, const LoadContext<double>&) override {
    ++asked;
    if (currency != "USD") return Loaded<double>::nothing();
    auto loaded = Loaded<double>::of(5.0 + 0.01 * asked);
    loaded.tags = {"rates"};
    return loaded;
  }
  Result<std::uint64_t> store(std::string_view, const double&, Deadline) override { return refused(); }
  Result<std::uint64_t> remove(std::string_view, Deadline) override { return refused(); }
  std::atomic<int> asked = 0;

 private:
  static Error refused() { return fail(Code::forbidden, "ReadOnly", "rates are read only"); }
};

}  // namespace

int main() {
  ManualClock clock;  // SystemClock in earnest
  Registry metrics;
  Rates source;
  Pool pool({.name = "refresh", .workers = 1}, clock, {}, metrics);
  auto cache = Tiered<double>::make({.name = "rates", .ttl = 60s, .eager_refresh = 0.8},
                                    {.clock = clock, .metrics = metrics, .pool = &pool})
                   .value();
  ReadThrough<double> rates(*cache, source);
  const auto rate = [&] {
    const auto answer = rates.get("USD", Deadline::in(1s)).value();
    std::printf("%.2f, %lld s old, from %s\n", *answer.value, static_cast<long long>(answer.age.count() / 1'000'000),
                std::string(to_string(answer.level)).c_str());
    return *answer.value;
  };
  const double first = rate();
  clock.advance(50s);
  const double second = rate();  // still the first, but it is being asked anew behind our back
  (void)cache->idle(Deadline::in(5s));
  const double third = rate();
  (void)cache->invalidate_tag("rates", Deadline::in(1s));
  (void)rate();
  return first == second && third > second && source.asked == 3 ? 0 : 1;
}
