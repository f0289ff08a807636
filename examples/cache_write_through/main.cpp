// Write-through: a write goes to the store, then into the cache: whoever reads next hits. Versions of the store keep a slow reader from
// putting an older value over a newer one.
#include <cstdio>
#include <map>
#include <string>

#include "cache/strategies.h"

using namespace std::chrono_literals;
using namespace chaveiro;
using namespace chaveiro::cache;

namespace {

struct Account {
  std::string owner;
  int balance = 0;
};

class Accounts final : public Source<Account> {
 public:
  Result<Loaded<Account>> load(std::string_view id, const LoadContext<Account>&) override {
    ++reads;
    const auto found = rows_.find(std::string(id));
    if (found == rows_.end()) return Loaded<Account>::nothing();
    auto loaded = Loaded<Account>::of(found->second.first);
    loaded.version = found->second.second;
    return loaded;
  }
  Result<std::uint64_t> store(std::string_view id, const Account& account, Deadline) override {
    rows_[std::string(id)] = {account, ++version_};
    return version_;
  }
  Result<std::uint64_t> remove(std::string_view id, Deadline) override {
    rows_.erase(std::string(id));
    return ++version_;
  }
  int reads = 0;

 private:
  std::map<std::string, std::pair<Account, std::uint64_t>> rows_;
  std::uint64_t version_ = 0;
};

}  // namespace

int main() {
  const SystemClock clock;
  Registry metrics;
  Accounts store;
  auto cache = Tiered<Account>::make({.name = "accounts", .ttl = 10min}, {.clock = clock, .metrics = metrics}).value();
  WriteThrough<Account> accounts(*cache, store);

  for (const int balance : {100, 250}) {
    const auto account = std::make_shared<const Account>(Account{"Joana", balance});
    if (!accounts.put("7", account, {}, Deadline::in(1s))) return 1;
    const auto answer = accounts.get("7", Deadline::in(1s)).value();
    std::printf("%s has %d (version %llu, from %s)\n", answer.value->owner.c_str(), answer.value->balance,
                static_cast<unsigned long long>(answer.version), std::string(to_string(answer.level)).c_str());
  }
  // A hit in memory needs neither a lock nor a copy:
  int seen = 0;
  const bool hit = cache->peek_with("7", [&](const Account* account) { seen = account->balance; });
  return hit && seen == 250 && store.reads == 0 ? 0 : 1;
}
