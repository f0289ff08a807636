#include "tests/integration/event_kill_ledger.h"

#include <map>
#include <ostream>

#include "base/text.h"
#include "tests/integration/kill_samples.h"

namespace chaveiro::contract {
namespace {

// By the entry that they are of: commit of the effect → version of the event.
using Effects = std::map<std::string, std::map<std::uint64_t, std::uint64_t>>;

void list(std::ostream& out, std::string_view what, const std::vector<std::string>& names) {
  constexpr std::size_t shown_max = 5;
  out << ", " << names.size() << " " << what;
  for (std::size_t i = 0; i < std::min(names.size(), shown_max); ++i) out << (i == 0 ? ": " : ", ") << names[i];
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
  out << verdict.answered << " commits answered, " << verdict.applied << " events applied";
  list(out, "lost", verdict.lost);
  list(out, "applied twice", verdict.twice);
  list(out, "out of order", verdict.out_of_order);
  return out;
}

Verdict verdict_on(const std::string& folder, const std::set<std::uint64_t>& answered) {
  const auto store =
      std::move(clients::sqlite::SqliteStore::open(kill_store_options(folder), kill_key(), day_one)).value();
  Verdict verdict{.answered = answered.size()};
  Effects effects;
  for (PageRequest page{.limit = 200, .after = {}};;) {
    const auto some =
        store->accounts({.ispb = other_ispb, .accounts = {}, .holder_tax_id = "99999999999"}, page, Deadline::never())
            .value();
    for (const Account& account : some.items) {
      const std::size_t slash = account.holder.name.find('/');
      const std::uint64_t version = parse_uint(std::string_view(account.holder.name).substr(slash + 1)).value();
      auto& of_entry = effects[account.holder.name.substr(0, slash)];
      for (const auto& [commit, applied] : of_entry)
        if (applied == version) verdict.twice.push_back(account.holder.name);
      of_entry[account.version] = version;
      ++verdict.applied;
    }
    if (!some.next) break;
    page.after = some.next;
  }
  for (const std::uint64_t number : answered) {
    const auto found = effects.find(to_string(uuid_of(number / 4, 1)));
    if (found == effects.end() || found->second.size() <= number % 4)
      verdict.lost.push_back("change " + std::to_string(number % 4) + " of entry " + std::to_string(number / 4));
  }
  for (const auto& [entry, applied] : effects) {
    std::uint64_t before = 0;
    for (const auto& [commit, version] : applied)
      if (version < std::exchange(before, version)) verdict.out_of_order.push_back(entry);
  }
  return verdict;
}

}  // namespace chaveiro::contract
