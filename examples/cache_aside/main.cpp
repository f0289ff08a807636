// Cache-aside: the program loads on a miss and says when it has changed the store. Here: an address by postal code, asked of a slow
// service, kept in memory and in a second level that other processes could share.
#include <cstdio>
#include <map>
#include <string>

#include "cache/map_tier.h"
#include "cache/strategies.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::cache;

int main() {
  const SystemClock clock;
  Registry metrics;
  MapTier shared(clock);  // Redis or SQLite in earnest
  auto cache = Tiered<std::string>::make({.name = "addresses", .ttl = 24h, .negative_ttl = 1h, .fail_safe = 48h},
                                         {.clock = clock, .metrics = metrics, .l2 = &shared})
                   .value();
  CacheAside<std::string> addresses(*cache);

  std::map<std::string, std::string> service = {{"01310-100", "Avenida Paulista"}};
  int asked = 0;
  const Loader<std::string> load = [&](std::string_view code,
                                       const LoadContext<std::string>&) -> Result<Loaded<std::string>> {
    ++asked;
    const auto found = service.find(std::string(code));
    if (found == service.end()) return Loaded<std::string>::nothing();
    return Loaded<std::string>::of(found->second);
  };
  const auto look_up = [&](const char* code) {
    const auto answer = addresses.get_or_load(code, load, Deadline::in(2s));
    if (!answer) return std::printf("%s: %s\n", code, answer.error().message.c_str());
    return std::printf("%s: %s (from %s)\n", code, answer->found() ? answer->value->c_str() : "no such code",
                       std::string(to_string(answer->level)).c_str());
  };
  look_up("01310-100");
  look_up("01310-100");
  look_up("99999-999");
  look_up("99999-999");

  service["01310-100"] = "Av. Paulista";                // the store first …
  addresses.changed("01310-100", 0, Deadline::in(1s));  // … then the cache
  look_up("01310-100");
  return asked == 3 ? 0 : 1;
}
