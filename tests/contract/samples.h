// tests/contract/samples.h
//
// Accounts, entries and claims for tests of stores: valid, each unlike the others, and the same in every run.
//
// Threads: plain functions.
#pragma once

#include <string>

#include "base/hash.h"
#include "directory/change.h"

namespace chaveiro::contract {

using namespace directory;

inline constexpr UtcTime day_one{std::chrono::seconds{1'767'225'600}};  // 2026-01-01T00:00:00Z

// An id that `n` and `kind` tell, ordered by n.
inline Uuid uuid_of(std::uint64_t n, std::uint8_t kind) {
  Uuid::Bytes bytes{};
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(n >> (40 - 8 * i));
  bytes[6] = 0x70;
  bytes[8] = 0x80;
  bytes[15] = kind;
  return Uuid(bytes);
}

inline Ispb ispb_of(std::string_view text) { return Ispb::parse(text).value(); }
inline const Ispb our_ispb = ispb_of("12345678");
inline const Ispb other_ispb = ispb_of("87654321");

inline std::string digits(std::uint64_t n, std::size_t width) {
  std::string text = std::to_string(n);
  return text.size() >= width ? text : std::string(width - text.size(), '0') + text;
}

inline Key phone_of(std::uint64_t n) { return Key::parse(KeyType::phone, "+55119" + digits(n, 8), KeyRules{}).value(); }
inline Key email_of(std::uint64_t n) {
  return Key::parse(KeyType::email, "person" + std::to_string(n) + "@example.com", KeyRules{}).value();
}

inline Account account_of(std::uint64_t n, const Ispb& ispb = our_ispb) {
  Account account;
  account.ispb = ispb;
  account.branch = "0001";
  account.number = digits(n, 10);
  account.type = AccountType::cacc;
  account.opened_at = day_one - std::chrono::hours(24);
  account.holder = {PersonType::natural, digits(n, 11), "Pessoa \"" + std::to_string(n) + "\" da Conceição", {}};
  account.created_at = account.updated_at = day_one + Micros(n);
  account.id = account_id_of(account.ispb, account.branch, account.number, account.type);
  return account;
}

inline Entry entry_of(std::uint64_t n, const Account& account, const Key& key, std::uint8_t slot = 0) {
  Entry entry{.id = {uuid_of(n, 1)}, .key = key, .account = account};
  entry.status = EntryStatus::active;
  entry.request_id = {uuid_of(n, 9)};
  entry.slot = slot;
  entry.created_at = entry.owned_since = entry.updated_at = day_one + Micros(n);
  return entry;
}

inline Claim claim_of(std::uint64_t n, const Entry& entry, const Account& claimer) {
  Claim claim{.id = {uuid_of(n, 2)}, .type = ClaimType::portability, .key = entry.key};
  claim.donor_entry = entry.id;
  claim.donor = entry.ispb();
  claim.claimer_account = claimer;
  claim.status = ClaimStatus::open;
  claim.created_at = claim.updated_at = day_one + Micros(n);
  claim.resolution_end = claim.created_at + std::chrono::hours(168);
  claim.claimer_deadline = claim.created_at + std::chrono::hours(720);
  claim.donor_owned_since = entry.owned_since;
  return claim;
}

template <class T>
Write put(const T& after) {
  return Put<T>{{}, after};
}
template <class T>
Write put(const T& before, const T& after) {
  return Put<T>{before, after};
}

inline Change change_of(std::string operation, std::vector<Write> writes, UtcTime at = day_one) {
  Change change;
  change.operation = std::move(operation);
  change.ispb = our_ispb;
  change.actor = {"somebody", "correlation-1"};
  change.at = at;
  change.writes = std::move(writes);
  return change;
}

// An account and its first entry in one commit, as an import does it.
inline Change registration_of(std::uint64_t n) {
  const Account account = account_of(n);
  Change change =
      change_of("create_entry", {put(account), put(entry_of(n, account, phone_of(n)))}, day_one + Micros(n));
  change.request = RequestUse{{uuid_of(n, 9)}, sha256(std::to_string(n))};
  return change;
}

}  // namespace chaveiro::contract
