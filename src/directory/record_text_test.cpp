#include "directory/record_text.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro::directory {
namespace {

// Values of every field drawn from a seed, absent ones too.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  Account account() {
    Account account;
    account.id = {uuid()};
    account.ispb = Ispb::parse("1234567" + std::to_string(random_.below(10))).value();
    if (coin()) account.branch = text();
    account.number = text();
    account.type = static_cast<AccountType>(1 + random_.below(4));
    account.opened_at = time();
    account.holder = {static_cast<PersonType>(1 + random_.below(2)), text(), text(), {}};
    if (coin()) account.holder.trade_name = text();
    account.status = static_cast<AccountStatus>(1 + random_.below(2));
    account.created_at = time();
    account.updated_at = time();
    account.version = random_();
    return account;
  }
  Entry entry() {
    Entry entry{.id = {uuid()}, .key = key(), .account = account()};
    entry.status = static_cast<EntryStatus>(1 + random_.below(4));
    entry.request_id = {uuid()};
    entry.slot = static_cast<std::uint8_t>(random_.below(20));
    entry.created_at = time();
    entry.owned_since = time();
    entry.updated_at = time();
    if (coin()) entry.open_claim = OpenClaim{{uuid()}, time(), coin()};
    if (coin()) entry.block_order = "0001234-56.2026.8.26.0100";
    if (coin()) entry.deleted_at = time();
    if (coin()) entry.delete_reason = reason();
    entry.version = random_.below(1000);
    return entry;
  }
  Claim claim() {
    Claim claim{.id = {uuid()}, .type = static_cast<ClaimType>(1 + random_.below(2)), .key = key()};
    if (coin()) claim.registry_id = text();
    claim.donor_entry = {uuid()};
    claim.donor = Ispb::parse("ABCDEFGH").value();
    claim.claimer_account = account();
    claim.status = static_cast<ClaimStatus>(1 + random_.below(5));
    claim.created_at = time();
    claim.resolution_end = time();
    if (coin()) claim.completion_end = time();
    claim.claimer_deadline = time();
    claim.updated_at = time();
    claim.donor_owned_since = time();
    if (coin()) claim.confirm_reason = reason();
    if (coin()) claim.cancel_reason = reason();
    if (coin()) claim.cancelled_by = static_cast<ClaimRole>(1 + random_.below(2));
    if (coin()) claim.ended_at = time();
    if (coin()) claim.complete_request = RequestId{uuid()};
    if (coin()) claim.completed_entry = EntryId{uuid()};
    claim.version = random_.below(1000);
    return claim;
  }

 private:
  bool coin() { return random_.below(2) == 0; }
  Uuid uuid() {
    Uuid::Bytes bytes;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    return Uuid(bytes);
  }
  UtcTime time() { return UtcTime(Micros(static_cast<std::int64_t>(random_()))); }
  Reason reason() { return static_cast<Reason>(1 + random_.below(7)); }
  std::string text() {
    static constexpr std::string_view pieces[] = {"a",    "Z", "0", " ", "\"", "\\",     "/",  "\n", "\t", "\x01",
                                                  "\x7f", "é", "ç", "ß", "日", "\u2028", "😀", "{",  "}",  ","};
    std::string made;
    for (std::uint64_t n = random_.below(12); n > 0; --n) made += pieces[random_.below(std::size(pieces))];
    return made;
  }
  Key key() {
    return coin() ? Key::parse(KeyType::email, "a" + std::to_string(random_.below(99)) + "@example.com", {}).value()
                  : Key::parse(KeyType::cpf, "12345678900", {.check_digits = false}).value();
  }

  Random random_;
};

TEST(RecordText, reads_back_whatever_it_writes) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Maker make(seed);
    const Account account = make.account();
    const Entry entry = make.entry();
    const Claim claim = make.claim();
    const auto account_again = parse_account_record(record_text(account));
    const auto entry_again = parse_entry_record(record_text(entry));
    const auto claim_again = parse_claim_record(record_text(claim));
    ASSERT_TRUE(account_again) << account_again.error().message << record_text(account);
    ASSERT_TRUE(entry_again) << entry_again.error().message << record_text(entry);
    ASSERT_TRUE(claim_again) << claim_again.error().message << record_text(claim);
    EXPECT_EQ(*account_again, account);
    EXPECT_EQ(*entry_again, entry);
    EXPECT_EQ(*claim_again, claim);
    EXPECT_EQ(record_text(*claim_again), record_text(claim));
  }
}

TEST(RecordText, is_one_line) {
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    EXPECT_EQ(record_text(Maker(seed).claim()).find_first_of("\r\n"), std::string::npos);
}

TEST(RecordText, names_the_field_that_is_missing) {
  const std::string text = record_text(Maker(1).entry());
  const auto without = [&](std::string_view field) {
    const std::size_t at = text.find("\"" + std::string(field) + "\":");
    const std::size_t end = text.find(',', at) + 1;
    return parse_entry_record(text.substr(0, at) + text.substr(end));
  };
  EXPECT_NE(without("slot").error().message.find("slot is missing"), std::string::npos);
  EXPECT_EQ(without("slot").error().code, Code::corrupt);
  EXPECT_NE(without("owned_since").error().message.find("owned_since is missing"), std::string::npos);
  EXPECT_NE(without("ispb").error().message.find("account.ispb is missing"), std::string::npos);
}

TEST(RecordText, refuses_a_field_that_it_does_not_know) {
  std::string text = record_text(Maker(1).account());
  text.insert(1, "\"colour\":\"blue\",");
  const auto parsed = parse_account_record(text);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Code::corrupt);
  EXPECT_NE(parsed.error().message.find("colour is not known"), std::string::npos);
}

TEST(RecordText, refuses_wrong_types_and_names) {
  const std::string text = record_text(Maker(1).account());
  const auto with = [&](std::string_view field, std::string_view value) {
    const std::size_t at = text.find("\"" + std::string(field) + "\":") + field.size() + 3;
    const std::size_t end = text.find(',', at);
    return parse_account_record(text.substr(0, at) + std::string(value) + text.substr(end));
  };
  EXPECT_FALSE(with("ispb", "12345678"));
  EXPECT_FALSE(with("ispb", "\"1234567\""));
  EXPECT_FALSE(with("type", "\"GOLD\""));
  EXPECT_FALSE(with("created_at", "\"2026-01-01T00:00:00Z\""));
  EXPECT_FALSE(with("created_at", "1.5"));
  EXPECT_FALSE(with("id", "\"no\""));
  EXPECT_FALSE(with("opened_at", "99999999999999999999"));
}

TEST(RecordText, refuses_what_is_no_json) {
  for (const std::string_view text : {"", "{", "[]", "null", "{}x", "\xff"}) {
    EXPECT_EQ(parse_claim_record(text).error().code, Code::corrupt) << text;
  }
  const std::string whole = record_text(Maker(3).claim());
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_claim_record(whole.substr(0, size)));
}

}  // namespace
}  // namespace chaveiro::directory
