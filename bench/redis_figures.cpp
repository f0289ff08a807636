#include "bench/redis_figures.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

namespace chaveiro::bench {

double cpu_us_used() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double median(std::vector<double> of) {
  if (of.empty()) return 0;
  std::ranges::sort(of);
  return of[of.size() / 2];
}

void Rounds::add(const std::optional<Figure>& figure) {
  if (!figure) return;
  per_second.push_back(figure->per_second);
  cpu_us.push_back(figure->cpu_us);
  p50_us.push_back(figure->p50_us);
}

void show(std::string_view name, const Rounds& rounds) {
  if (rounds.per_second.empty()) return;
  const auto [low, high] = std::ranges::minmax(rounds.per_second);
  std::fprintf(stderr, "  %-24.*s %9.0f/s (%.0f to %.0f)  %6.2f us CPU  p50 %7.1f us\n", static_cast<int>(name.size()),
               name.data(), median(rounds.per_second), low, high, median(rounds.cpu_us), median(rounds.p50_us));
}

void report(const std::string& name, double ours, std::string_view unit, std::string_view peer, double theirs,
            Better better) {
  if (theirs > 0) {
    std::printf(
        "{\"bench\":\"redis\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%.*s\",\"peer\":\"%s\",\"peer_value\":%.6g,"
        "\"ratio\":%.4g}\n",
        name.c_str(), ours, static_cast<int>(unit.size()), unit.data(), std::string(peer).c_str(), theirs,
        better == Better::more ? ours / theirs : theirs / ours);
  } else {
    std::printf("{\"bench\":\"redis\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%.*s\"}\n", name.c_str(), ours,
                static_cast<int>(unit.size()), unit.data());
  }
  std::fflush(stdout);
}

}  // namespace chaveiro::bench
