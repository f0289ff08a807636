#include "directory/packed.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro::directory {
namespace {

Uuid some_uuid(Random& random) {
  Uuid::Bytes bytes;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
  return Uuid(bytes);
}
UtcTime some_time(Random& random) { return UtcTime{Micros{static_cast<std::int64_t>(random.below(1ULL << 52))}}; }
std::string some_text(Random& random, std::size_t most) { return std::string(random.below(most + 1), 'x'); }
template <class Make>
auto maybe(Random& random, Make make) -> std::optional<decltype(make())> {
  return random.below(2) == 0 ? std::nullopt : std::optional(make());
}

Account some_account(Random& random) {
  Account account;
  account.id = AccountId{some_uuid(random)};
  account.ispb = *Ispb::parse("12345678");
  account.branch = maybe(random, [&] { return some_text(random, 4); });
  account.number = some_text(random, 20);
  account.type = static_cast<AccountType>(1 + random.below(4));
  account.opened_at = some_time(random);
  account.holder.type = static_cast<PersonType>(1 + random.below(2));
  account.holder.tax_id = some_text(random, 14);
  account.holder.name = some_text(random, 600);
  account.holder.trade_name = maybe(random, [&] { return some_text(random, 400); });
  account.status = static_cast<AccountStatus>(1 + random.below(2));
  account.created_at = some_time(random);
  account.updated_at = some_time(random);
  account.version = random.below(1ULL << 40);
  return account;
}

Entry some_entry(Random& random) {
  Entry entry = blank_entry();
  entry.id = EntryId{some_uuid(random)};
  const std::string mail = std::string(1 + random.below(60), 'a') + "@example.com";
  entry.key = *Key::parse(KeyType::email, mail, {});
  entry.account = some_account(random);
  entry.status = static_cast<EntryStatus>(1 + random.below(4));
  entry.request_id = RequestId{some_uuid(random)};
  entry.slot = static_cast<std::uint8_t>(random.below(20));
  entry.created_at = some_time(random);
  entry.owned_since = some_time(random);
  entry.updated_at = some_time(random);
  entry.open_claim =
      maybe(random, [&] { return OpenClaim{ClaimId{some_uuid(random)}, some_time(random), random.below(2) == 0}; });
  entry.block_order = maybe(random, [&] { return some_text(random, 100); });
  entry.deleted_at = maybe(random, [&] { return some_time(random); });
  entry.delete_reason = maybe(random, [&] { return static_cast<Reason>(1 + random.below(7)); });
  entry.version = random.below(1ULL << 40);
  return entry;
}

Claim some_claim(Random& random) {
  Claim claim = blank_claim();
  const auto time = [&] { return some_time(random); };
  const auto reason = [&] { return static_cast<Reason>(1 + random.below(7)); };
  claim.id = ClaimId{some_uuid(random)};
  claim.registry_id = maybe(random, [&] { return some_text(random, 40); });
  claim.type = static_cast<ClaimType>(1 + random.below(2));
  claim.key = some_entry(random).key;
  claim.donor_entry = EntryId{some_uuid(random)};
  claim.donor = *Ispb::parse("87654321");
  claim.claimer_account = some_account(random);
  claim.status = static_cast<ClaimStatus>(1 + random.below(5));
  claim.created_at = time();
  claim.resolution_end = time();
  claim.completion_end = maybe(random, time);
  claim.claimer_deadline = time();
  claim.updated_at = time();
  claim.donor_owned_since = time();
  claim.confirm_reason = maybe(random, reason);
  claim.cancel_reason = maybe(random, reason);
  claim.cancelled_by = maybe(random, [&] { return static_cast<ClaimRole>(1 + random.below(2)); });
  claim.ended_at = maybe(random, time);
  claim.complete_request = maybe(random, [&] { return RequestId{some_uuid(random)}; });
  claim.completed_entry = maybe(random, [&] { return EntryId{some_uuid(random)}; });
  claim.version = random.below(1ULL << 40);
  return claim;
}

template <class T>
std::string packed(const T& record) {
  std::string bytes;
  pack(record, bytes);
  return bytes;
}

TEST(Packed, a_record_comes_back_as_it_was_whatever_it_is_unpacked_over) {
  Random random(7);
  Entry entry = blank_entry();
  Account account;
  Claim claim = blank_claim();
  for (int i = 0; i < 2'000; ++i) {
    const Entry wanted = some_entry(random);
    ASSERT_TRUE(unpack(packed(wanted), entry));
    ASSERT_EQ(entry, wanted);
    ASSERT_TRUE(unpack(packed(wanted.account), account));
    ASSERT_EQ(account, wanted.account);
    const Claim wanted_claim = some_claim(random);
    ASSERT_TRUE(unpack(packed(wanted_claim), claim));
    ASSERT_EQ(claim, wanted_claim);
  }
}

TEST(Packed, a_cut_or_longer_record_is_refused) {
  Random random(8);
  Entry out = blank_entry();
  const std::string bytes = packed(some_entry(random));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(unpack(std::string_view(bytes).substr(0, size), out)) << size;
  EXPECT_FALSE(unpack(bytes + "x", out));
}

TEST(Packed, a_claim_takes_less_than_half_of_the_object) {
  Claim claim = blank_claim();
  claim.claimer_account.branch = "0001";
  claim.claimer_account.number = "1000001";
  claim.claimer_account.holder = {PersonType::natural, "12345678909", "Maria Aparecida dos Santos", {}};
  EXPECT_LT(packed(claim).size() * 2, sizeof(Claim));
}

TEST(Packed, an_entry_takes_less_than_half_of_the_object) {
  Entry entry = blank_entry();
  entry.account.branch = "0001";
  entry.account.number = "1000001";
  entry.account.holder = {PersonType::natural, "12345678909", "Maria Aparecida dos Santos", {}};
  EXPECT_LT(packed(entry).size() * 2, sizeof(Entry));
}

}  // namespace
}  // namespace chaveiro::directory
