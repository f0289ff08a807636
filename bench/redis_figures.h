// bench/redis_figures.h
//
// What a round measures, and how several rounds become a line of the report.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaveiro::bench {

struct Figure {
  double per_second = 0;
  double cpu_us = 0;  // of the client, a command
  double p50_us = 0;
};

struct Rounds {
  std::vector<double> per_second, cpu_us, p50_us;
  void add(const std::optional<Figure>& figure);
};

double median(std::vector<double> of);
// Of this process, all threads.
double cpu_us_used();

void show(std::string_view name, const Rounds& rounds);
enum class Better : std::uint8_t { more, less };
// A line of JSON; without a peer when it has no value.
void report(const std::string& name, double ours, std::string_view unit, std::string_view peer, double theirs,
            Better better);

}  // namespace chaveiro::bench
