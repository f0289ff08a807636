#include "bench/lookup_report.h"

#include <algorithm>
#include <cstdio>

namespace chaveiro::bench {

double ratio_of(const Figure& figure) {
  return figure.better == Better::more ? figure.value / figure.peer_value : figure.peer_value / figure.value;
}

void print(const std::string& bench, const Figure& figure) {
  if (figure.peer.empty()) {
    std::printf(R"({"bench":"%s","case":"%s","value":%.6g,"unit":"%s","peer":null,"peer_value":null,"ratio":null})"
                "\n",
                bench.c_str(), figure.name.c_str(), figure.value, figure.unit.c_str());
    std::fprintf(stderr, "  %-20s %12.6g %s\n", figure.name.c_str(), figure.value, figure.unit.c_str());
  } else {
    std::printf(R"({"bench":"%s","case":"%s","value":%.6g,"unit":"%s","peer":"%s","peer_value":%.6g,"ratio":%.4g})"
                "\n",
                bench.c_str(), figure.name.c_str(), figure.value, figure.unit.c_str(), figure.peer.c_str(),
                figure.peer_value, ratio_of(figure));
    std::fprintf(stderr, "  %-20s %12.6g %-9s %s %.6g, ratio %.3f\n", figure.name.c_str(), figure.value,
                 figure.unit.c_str(), figure.peer.c_str(), figure.peer_value, ratio_of(figure));
  }
  std::fflush(stdout);
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

std::string to_string(const Spread& spread, int decimals) {
  char text[96];
  std::snprintf(text, sizeof text, "%10.*f (%.*f – %.*f)", decimals, spread.median, decimals, spread.least, decimals,
                spread.most);
  return text;
}

}  // namespace chaveiro::bench
