// tests/simulation/directory_world.h
//
// The whole directory with a clock that tests move, and short ways to say what they mean: three participants, persons by
// number, callers by role. It stands on the store that the program is linked with: store_memory.cpp or store_sqlite.cpp.
//
// Threads: as the parts say; the helpers only read.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "directory/directory.h"

namespace chaveiro::directory {

using namespace std::chrono_literals;

// A refusal must carry both the code and the official reason.
#define EXPECT_REFUSED(result, expected_code, expected_reason)            \
  do {                                                                    \
    const auto refused = (result);                                        \
    ASSERT_FALSE(refused.has_value()) << "was not refused";               \
    EXPECT_EQ(refused.error().reason, expected_reason);                   \
    EXPECT_EQ(to_string(refused.error().code), to_string(expected_code)); \
  } while (false)

inline Ispb ispb(std::string_view text) { return *Ispb::parse(text); }
inline const Ispb bank_a = ispb("11111111");
inline const Ispb bank_b = ispb("22222222");
inline const Ispb bank_c = ispb("33333333");

// A CPF whose check digits hold, told from a number below 10^9.
std::string cpf_of(unsigned number);
std::string cnpj_of(unsigned number);
inline Person natural(unsigned number) { return {PersonType::natural, cpf_of(number), "João Silva", std::nullopt}; }
inline Person legal(unsigned number) {
  return {PersonType::legal, cnpj_of(number), "Padaria 3 Irmãos Ltda", "Padaria"};
}
std::string phone_of(unsigned number);

inline Context as(Role role, const Ispb& at, std::optional<std::vector<AccountId>> accounts = std::nullopt) {
  return {
      .caller = {.subject = std::string(to_string(role)), .ispb = at, .roles = {role}, .accounts = std::move(accounts)},
      .correlation_id = "test"};
}
inline Context staff(const Ispb& at) { return as(Role::operator_, at); }

// The embedded registry, and a place for what somebody else does while it is being asked.
class WatchedRegistry final : public Registry {
 public:
  explicit WatchedRegistry(const Clock& clock) : embedded_(clock) {}

  Result<Registered> register_entry(const Registration& registration, Deadline deadline) override {
    ++calls;
    last = registration;
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    if (refusal) return *refusal;
    return embedded_.register_entry(registration, deadline);
  }
  Result<ForeignEntry> lookup(const ForeignLookup& lookup, Deadline deadline) override {
    ++calls;
    asked = lookup;
    if (foreign) return ForeignEntry{*foreign, cache_control, {}};
    if (refusal) return *refusal;
    return embedded_.lookup(lookup, deadline);
  }

  int calls = 0;
  std::optional<Registration> last;
  std::optional<ForeignLookup> asked;
  std::optional<Entry> foreign;
  std::string cache_control;
  std::optional<Error> refusal;
  std::function<void()> meanwhile;

 private:
  EmbeddedRegistry embedded_;
};

// A new, empty store.
std::shared_ptr<Store> new_store(const Secret& installation_key);

struct World {
  ManualClock clock;
  Secret secret{"installation key of the tests"};
  std::shared_ptr<Store> owned_store = new_store(secret);
  Store& store = *owned_store;
  WatchedRegistry registry{clock};
  Accounts accounts{store, clock, PersonRules{}};
  Entries entries{store, registry, clock, KeyRules{}};
  Claims claims{store, registry, clock, KeyRules{}, {bank_a, bank_b, bank_c}};

  // Accounts and entries that a test takes for granted.
  // Without a number each holder has one account at each participant.
  Account account(const Ispb& at, const Person& holder, std::string number = "");
  Entry phone(const Account& account, unsigned number);
  Result<Entry> try_phone(const Account& account, unsigned number, std::optional<RequestId> request = std::nullopt);
  Result<Claim> try_claim(const Account& claimer, unsigned phone, std::optional<ClaimType> type = std::nullopt);
  Claim claim(const Account& claimer, unsigned phone);
  std::optional<Entry> holder_of(unsigned phone);
  Entry stored(const EntryId& id) { return *store.entry(id, Deadline::never()).value(); }
};

}  // namespace chaveiro::directory
