// bench/lookup_report.h
//
// Figures as a table for people on standard error and as one JSON object each on standard output.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace chaveiro::bench {

enum class Better : unsigned char { more, less };

struct Figure {
  std::string name, unit;
  double value = 0;
  Better better = Better::more;
  std::string peer;  // "": none
  double peer_value = 0;
};

// Above 1 means better than the peer.
double ratio_of(const Figure& figure);
void print(const std::string& bench, const Figure& figure);

struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread spread_of(std::vector<double> values);
std::string to_string(const Spread& spread, int decimals);

}  // namespace chaveiro::bench
