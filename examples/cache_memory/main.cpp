// The memory level alone, in a project of its own: names of cities by postal code, for ten minutes each.
#include <cstdio>
#include <string>

#include "cache/memory.h"

int main() {
  using namespace std::chrono_literals;
  const chaveiro::SystemClock clock;
  chaveiro::cache::Memory<std::string, std::string> cities({.bytes = 8 << 20, .ttl = 10min}, clock);

  const auto city = [&](const std::string& code) {
    if (auto known = cities.get(code)) return *known;
    std::string loaded = "city of " + code;  // here a database would be asked
    cities.put(code, loaded);
    return loaded;
  };
  for (const char* code : {"01310-100", "20040-002", "01310-100"}) std::printf("%s: %s\n", code, city(code).c_str());

  cities.tick();  // a real program does this every 10 to 100 ms: deadlines are held against it
  const auto stats = cities.stats();
  std::printf("%llu hits, %llu misses, %zu bytes\n", static_cast<unsigned long long>(stats.hits),
              static_cast<unsigned long long>(stats.misses), stats.bytes);
  return stats.hits == 1 && stats.misses == 2 ? 0 : 1;
}
