#include "app/figures.h"

#include <map>

namespace chaveiro::app {

namespace dir = directory;

Result<void> Figures::refresh(Deadline deadline) {
  std::map<std::pair<std::string, std::string>, std::uint64_t> entries;
  std::map<std::string, std::uint64_t> claims;
  std::uint64_t accounts = 0;
  for (const dir::Ispb& ispb : served_) {
    TRY(const dir::Statistics statistics, store_.statistics(ispb, deadline));
    for (const auto& row : statistics.entries)
      entries[{std::string(to_string(row.key_type)), std::string(to_string(row.status))}] += row.count;
    for (const auto& row : statistics.claims) claims[std::string(to_string(row.status))] += row.count;
    accounts += statistics.accounts;
  }
  for (const auto& [labels, count] : entries) {
    metrics_.gauge("dict_entries", "entries kept", {{"key_type", labels.first}, {"status", labels.second}})
        .set(static_cast<double>(count));
  }
  for (const auto& [status, count] : claims)
    metrics_.gauge("dict_claims", "claims kept", {{"status", status}}).set(static_cast<double>(count));
  metrics_.gauge("dict_accounts", "accounts kept").set(static_cast<double>(accounts));
  return {};
}

}  // namespace chaveiro::app
