// Months of a small country: three participants, a few persons who want the same few phones, random steps and a clock
// that is moved by hand. After every step what must always hold is read back from the store.
#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

constexpr unsigned phones = 10;
constexpr int steps = 1'200;
const std::vector<Ispb> banks{bank_a, bank_b, bank_c};
constexpr Reason reasons[] = {Reason::user_requested,   Reason::account_closure, Reason::branch_transfer,
                              Reason::reconciliation,   Reason::fraud,           Reason::rfb_validation,
                              Reason::default_operation};

// Which states may follow one another within one step of the platform.
const std::map<ClaimStatus, std::set<ClaimStatus>> successors{
    {ClaimStatus::open, {ClaimStatus::waiting_resolution, ClaimStatus::cancelled}},
    {ClaimStatus::waiting_resolution, {ClaimStatus::confirmed, ClaimStatus::cancelled}},
    {ClaimStatus::confirmed, {ClaimStatus::completed, ClaimStatus::cancelled}},
    {ClaimStatus::cancelled, {}},
    {ClaimStatus::completed, {}},
};

class Country : public World {
 public:
  explicit Country(std::uint64_t seed) : random_(seed) {
    for (const Ispb& bank : banks) {
      for (unsigned person = 1; person <= 4; ++person) accounts_.push_back(account(bank, natural(person)));
      accounts_.push_back(account(bank, natural(1), "2"));
      accounts_.push_back(account(bank, legal(1)));
    }
    store.on_commit([this](std::uint64_t, const Change& change) {
      ++commits_;
      for (const auto& write : change.writes) watch(write);
    });
  }

  // One step; whatever was refused must have left no trace.
  void step() {
    clock.advance(Micros{static_cast<std::int64_t>(random_.below(18)) * 3'600'000'000 +
                         static_cast<std::int64_t>(random_.below(2))});
    const auto commits_before = commits_;
    worker_ran_ = false;
    const std::optional<Error> refused = one_operation();
    if (refused) {
      ++refused_[refused->reason];
      EXPECT_EQ(commits_, commits_before) << "a refused step was stored: " << refused->reason;
      EXPECT_NE(refused->code, Code::internal) << refused->message;
      EXPECT_NE(refused->code, Code::corrupt) << refused->message;
    } else {
      ++done_;
    }
  }

  void check() {
    std::map<Key, Entry> live;
    std::map<AccountId, std::set<int>> slots;
    for (const Ispb& bank : banks) {
      for (const Entry& entry : all_entries(bank)) {
        EXPECT_TRUE(live.emplace(entry.key, entry).second) << "two live entries of one key";
        EXPECT_TRUE(slots[entry.account.id].insert(entry.slot).second) << "two entries in one slot";
        EXPECT_LT(entry.slot, keys_max(entry.owner().type));
        EXPECT_LE(entry.owned_since, entry.created_at);
        const auto account = store.account(entry.account.id, Deadline::never()).value();
        ASSERT_TRUE(account);
        EXPECT_EQ(account->status, AccountStatus::open);
        EXPECT_EQ(account->holder.tax_id, entry.owner().tax_id);
      }
    }
    check_claims(live);
  }

  int done() const { return done_; }
  const std::map<std::string, int>& refused() const { return refused_; }
  const std::map<ClaimStatus, int>& reached() const { return reached_; }

 private:
  template <class T>
  std::optional<Error> outcome(const Result<T>& result) {
    return result ? std::nullopt : std::optional{result.error()};
  }

  const Account& any_account() { return accounts_[random_.below(accounts_.size())]; }
  const Ispb& any_bank() { return banks[random_.below(banks.size())]; }
  Reason any_reason() { return random_.below(3) != 0 ? Reason::user_requested : reasons[random_.below(7)]; }

  std::optional<Entry> any_entry() {
    const auto held = all_entries(any_bank());
    if (held.empty()) return std::nullopt;
    return held[random_.below(held.size())];
  }
  ClaimId any_claim() {
    if (statuses_.empty()) return ClaimId{uuid_v4()};
    // Mostly one of the last, which are likely to live.
    const auto back = random_.below(std::min<std::size_t>(statuses_.size(), random_.below(4) == 0 ? 1000 : 6));
    return std::prev(statuses_.end(), static_cast<std::ptrdiff_t>(back) + 1)->first;
  }

  std::optional<Error> one_operation() {
    switch (random_.below(14)) {
      case 0:
      case 1:
        return outcome(try_phone(any_account(), static_cast<unsigned>(random_.below(phones))));
      case 2: {
        const Account& into = any_account();
        return outcome(entries.create(staff(into.ispb), {KeyType::evp, {}, into.id, any_reason(), {}}));
      }
      case 3:
        return change_an_entry();
      case 4: {
        const auto entry = any_entry();
        if (!entry) return std::nullopt;
        return outcome(entries.remove(staff(any_bank()), entry->id, any_reason()));
      }
      case 5: {
        const auto entry = any_entry();
        if (!entry) return std::nullopt;
        if (random_.below(4) != 0) return outcome(entries.unblock(staff(entry->ispb()), entry->id, "order"));
        return outcome(entries.block(staff(entry->ispb()), entry->id, "order"));
      }
      case 6:
      case 7:
        return outcome(try_claim(any_account(), static_cast<unsigned>(random_.below(phones))));
      case 8:
      case 9:
        return outcome(claims.acknowledge(staff(any_bank()), any_claim()));
      case 10:
        return outcome(claims.confirm(staff(any_bank()), any_claim(), any_reason()));
      case 11: {
        const auto role = random_.below(2) == 0 ? ClaimRole::donor : ClaimRole::claimer;
        return outcome(claims.cancel(staff(any_bank()), any_claim(), role, any_reason()));
      }
      case 12:
        return outcome(claims.complete(staff(any_bank()), {any_claim(), {}}));
      default:
        return run_the_worker();
    }
  }

  std::optional<Error> change_an_entry() {
    const auto entry = any_entry();
    if (!entry) return std::nullopt;
    UpdateEntry update{entry->id, any_account().id, {}, {}, any_reason()};
    if (random_.below(2) == 0) update.name = "Outro Nome";
    return outcome(entries.update(staff(entry->ispb()), update));
  }

  std::optional<Error> run_the_worker() {
    worker_ran_ = true;
    const auto failed = [&](const ClaimId& id, const Error& error) {
      EXPECT_EQ(error.reason, "EntryBlocked") << to_string(id) << " " << error.message;
    };
    const auto result = claims.run_due(failed, Deadline::never());
    EXPECT_TRUE(result);
    return std::nullopt;
  }

  std::vector<Entry> all_entries(const Ispb& bank) {
    return store.entries({.ispb = bank}, {.limit = 200}, Deadline::never()).value().items;
  }

  void watch(const Write& write) {
    const auto* put = std::get_if<Put<Claim>>(&write);
    if (put == nullptr) return;
    const Claim& after = put->after;
    if (put->before) {
      EXPECT_TRUE(successors.at(put->before->status).contains(after.status))
          << to_string(put->before->status) << " -> " << to_string(after.status);
      EXPECT_EQ(statuses_.at(after.id), put->before->status);
    } else {
      EXPECT_EQ(after.status, ClaimStatus::open);
    }
    statuses_[after.id] = after.status;
    ++reached_[after.status];
  }

  void check_claims(const std::map<Key, Entry>& live) {
    std::set<Key> claimed;
    std::size_t locks = 0;
    for (const Ispb& bank : banks) {
      for (const auto status : {ClaimStatus::open, ClaimStatus::waiting_resolution, ClaimStatus::confirmed}) {
        const ClaimFilter filter{.ispb = bank, .role = ClaimRole::donor, .status = status};
        const auto page = store.claims(filter, {.limit = 200}, Deadline::never()).value();
        for (const Claim& claim : page.items) {
          EXPECT_TRUE(claimed.insert(claim.key).second) << "two live claims of one key";
          EXPECT_EQ(statuses_.at(claim.id), claim.status);
          const auto entry = live.find(claim.key);
          if (status == ClaimStatus::confirmed) {
            EXPECT_EQ(entry, live.end()) << "an entry under a confirmed claim";
          } else {
            ASSERT_NE(entry, live.end());
            ++locks;
            EXPECT_EQ(entry->second.id, claim.donor_entry);
            EXPECT_TRUE(entry->second.open_claim && entry->second.open_claim->id == claim.id);
          }
          const bool blocked = entry != live.end() && entry->second.status == EntryStatus::blocked;
          if (worker_ran_ && !blocked) {
            EXPECT_EQ(due(claim, true, true, clock.now()), std::nullopt);
          }
        }
      }
    }
    const auto shown =
        std::count_if(live.begin(), live.end(), [](const auto& item) { return item.second.open_claim.has_value(); });
    EXPECT_EQ(static_cast<std::size_t>(shown), locks) << "an entry shows a claim that does not live";
  }

  Random random_;
  std::vector<Account> accounts_;
  std::map<ClaimId, ClaimStatus> statuses_;
  std::map<ClaimStatus, int> reached_;
  std::map<std::string, int> refused_;
  std::uint64_t commits_ = 0;
  int done_ = 0;
  bool worker_ran_ = false;
};

class Months : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Months, keep_every_rule_after_every_step) {
  const std::uint64_t seed = GetParam();
  Country country(seed);
  const UtcTime begin = country.clock.now();
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(::testing::Message() << "step " << step << " of seed " << seed
                                      << "; again with: directory_simulation_test --gtest_filter=*Months*/" << seed);
    country.step();
    country.check();
    if (HasFailure()) return;
  }
  // The steps did reach what they are there for.
  EXPECT_GT(country.done(), steps / 4);
  for (const auto& [status, following] : successors)
    EXPECT_GT(country.reached().count(status), 0u) << to_string(status);
  EXPECT_GE(country.refused().size(), 8u);
  EXPECT_GT(country.clock.now() - begin, 24h * 300);

  ChainChecker chain("changes");
  ASSERT_TRUE(
      country.store.each_audit_record([&](const AuditRecord& record) { chain.feed(record); }, Deadline::never()));
  EXPECT_GT(chain.records(), 100u);
  EXPECT_TRUE(chain.finish().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Months, ::testing::Range<std::uint64_t>(0, 6));

}  // namespace
}  // namespace chaveiro::directory
