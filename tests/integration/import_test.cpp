// The importer on a store: what is brought in, what is told, and what repeating does.

#include "app/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/demo.h"
#include "clients/memory/store.h"

namespace chaveiro::app {
namespace {

using namespace directory;
using testing::ElementsAre;
using testing::HasSubstr;

std::string line(const std::string& key_type, const std::string& key, const std::string& number = "1",
                 const std::string& tax_id = "12345678909", const std::string& ispb = "12345678",
                 const std::string& request = "") {
  return R"({"key_type":")" + key_type + R"(","key":")" + key + R"(","account":{"ispb":")" + ispb + R"(","number":")" +
         number +
         R"(","type":"CACC","opening_date":"2015-03-02T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":")" +
         tax_id + R"(","name":"Ana Souza"})" + (request.empty() ? "" : R"(,"request_id":")" + request + "\"") + "}";
}

std::string mail(int n) { return "p" + std::to_string(n) + "@example.com"; }

class ImportTest : public testing::Test {
 protected:
  ImportReport run(const std::vector<std::string>& lines, std::size_t batch_lines = 3) {
    Importer importer(store_, clock_,
                      {.served = served_, .rules = {}, .actor = {"test", "c-1"}, .batch_lines = batch_lines});
    std::uint64_t number = 0;
    for (const std::string& text : lines) EXPECT_TRUE(importer.add_json(++number, text, Deadline::never()));
    Result<ImportReport> report = importer.finish(Deadline::never());
    EXPECT_TRUE(report) << report.error().message;
    return *report;
  }

  std::optional<Entry> entry(KeyType type, const std::string& key) {
    return *store_.live_entry(*Key::parse(type, key, {}), Deadline::never());
  }

  ManualClock clock_;
  clients::memory::MemoryStore store_{Secret("0123456789abcdef0123456789abcdef")};
  std::vector<Ispb> served_{*Ispb::parse("12345678"), *Ispb::parse("87654321")};
};

TEST_F(ImportTest, brings_in_many_keys_of_many_accounts) {
  std::vector<std::string> lines;
  for (int i = 0; i < 100; ++i) lines.push_back(line("EMAIL", mail(i), std::to_string(i / 4)));
  const ImportReport report = run(lines, 7);
  EXPECT_EQ(report.entries_created, 100u);
  EXPECT_EQ(report.accounts_created, 25u);
  EXPECT_EQ(report.bad, 0u);
  EXPECT_EQ(report.committed_line, 100u);
  const std::optional<Entry> last = entry(KeyType::email, mail(99));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->status, EntryStatus::active);
  EXPECT_EQ(last->slot, 3);
}

// The order of commits shows the groups: a line that had to be looked at alone would come after all groups of its batch.
TEST_F(ImportTest, takes_the_second_lines_of_all_accounts_in_one_group) {
  std::vector<std::string> committed;
  store_.on_commit([&](std::uint64_t, const Change& change) {
    const auto& entry = std::get<Put<Entry>>(change.writes.back()).after;
    committed.push_back(entry.key.value());
  });
  const ImportReport report =
      run({line("EMAIL", mail(1), "7"), line("EMAIL", mail(2), "7"), line("EMAIL", mail(3), "7"),
           line("EMAIL", mail(4), "8"), line("EMAIL", mail(5), "8"), line("EMAIL", mail(6), "8")},
          6);
  EXPECT_EQ(report.entries_created, 6u);
  EXPECT_EQ(report.accounts_created, 2u);
  EXPECT_THAT(committed, ElementsAre(mail(1), mail(4), mail(2), mail(5), mail(3), mail(6)));
}

TEST_F(ImportTest, keeps_the_block_of_a_key_and_never_passes_over_one) {
  std::string blocked = line("EMAIL", mail(1));
  blocked.insert(1, R"("status":"BLOCKED","block_order":"order 7",)");
  EXPECT_EQ(run({blocked}).entries_created, 1u);
  EXPECT_EQ(entry(KeyType::email, mail(1))->status, EntryStatus::blocked);
  EXPECT_EQ(entry(KeyType::email, mail(1))->block_order, "order 7");
  EXPECT_EQ(run({blocked}).already_there, 1u);
  EXPECT_EQ(run({line("EMAIL", mail(1))}).already_there, 1u) << "a line that says nothing of it changes nothing";
  EXPECT_EQ(entry(KeyType::email, mail(1))->status, EntryStatus::blocked);

  ASSERT_EQ(run({line("EMAIL", mail(2))}).entries_created, 1u);
  std::string late = line("EMAIL", mail(2));
  late.insert(1, R"("status":"BLOCKED","block_order":"order 8",)");
  const ImportReport report = run({late});
  ASSERT_EQ(report.bad, 1u);
  EXPECT_EQ(report.faults[0].error.reason, "EntryNotBlocked");
}

TEST_F(ImportTest, is_harmless_when_repeated) {
  const std::vector<std::string> lines{line("EMAIL", mail(1)), line("EMAIL", mail(2)), line("CPF", "12345678909")};
  EXPECT_EQ(run(lines).entries_created, 3u);
  const ImportReport again = run(lines);
  EXPECT_EQ(again.entries_created, 0u);
  EXPECT_EQ(again.accounts_created, 0u);
  EXPECT_EQ(again.already_there, 3u);
  EXPECT_EQ(again.bad, 0u);
}

TEST_F(ImportTest, tells_faulty_lines_by_number_and_goes_on) {
  const ImportReport report =
      run({line("EMAIL", mail(1)), "{", "", line("CPF", "11144477735"), line("EMAIL", mail(2))});
  EXPECT_EQ(report.entries_created, 2u);
  EXPECT_EQ(report.bad, 2u);
  EXPECT_EQ(report.lines, 4u);
  ASSERT_EQ(report.faults.size(), 2u);
  EXPECT_EQ(report.faults[0].line, 2u);
  EXPECT_EQ(report.faults[1].line, 4u);
  EXPECT_EQ(report.faults[1].error.violations.front().field, "key");
}

TEST_F(ImportTest, holds_the_limit_of_keys_an_account) {
  std::vector<std::string> lines;
  for (int i = 0; i < 7; ++i) lines.push_back(line("EMAIL", mail(i)));
  const ImportReport report = run(lines);
  EXPECT_EQ(report.entries_created, 5u);
  ASSERT_EQ(report.faults.size(), 2u);
  EXPECT_EQ(report.faults[0].error.reason, "EntryLimitExceeded");
  EXPECT_EQ(report.faults[0].line, 6u);
}

TEST_F(ImportTest, tells_who_has_the_key_already) {
  run({line("EMAIL", mail(1))});
  const ImportReport report =
      run({line("EMAIL", mail(1), "9"), line("EMAIL", mail(1), "9", "98765432100"),
           line("EMAIL", mail(1), "9", "12345678909", "87654321"), line("EMAIL", mail(2), "1", "98765432100"),
           line("EMAIL", mail(3), "1", "12345678909", "99999999")});
  std::vector<std::string> reasons;
  for (const LineFault& fault : report.faults) reasons.push_back(fault.error.reason);
  EXPECT_THAT(reasons,
              testing::UnorderedElementsAre("EntryAlreadyExists", "EntryKeyOwnedByDifferentPerson",
                                            "EntryKeyInCustodyOfDifferentParticipant", "AccountExists", "Forbidden"));
}

TEST_F(ImportTest, refuses_a_request_id_that_made_something_else) {
  const std::string id = "a946d533-7f22-42a5-9a9b-e87cd55c0f4d";
  run({line("EMAIL", mail(1), "1", "12345678909", "12345678", id)});
  const ImportReport report = run({line("EMAIL", mail(2), "1", "12345678909", "12345678", id)});
  ASSERT_EQ(report.faults.size(), 1u);
  EXPECT_EQ(report.faults[0].error.reason, "RequestIdAlreadyUsed");
}

TEST_F(ImportTest, refuses_the_same_key_twice_in_one_file_for_another_account) {
  const ImportReport report = run({line("EMAIL", mail(1), "1"), line("EMAIL", mail(1), "2")}, 10);
  EXPECT_EQ(report.entries_created, 1u);
  ASSERT_EQ(report.faults.size(), 1u);
  EXPECT_EQ(report.faults[0].error.reason, "EntryAlreadyExists");
}

TEST_F(ImportTest, reads_csv) {
  Importer importer(store_, clock_, {.served = served_, .rules = {}, .actor = {"test", "c-1"}});
  ASSERT_TRUE(importer.add_csv(
      1,
      "key_type,key,account.ispb,account.number,account.type,account.opening_date,owner.type,owner.tax_id,owner.name",
      Deadline::never()));
  ASSERT_TRUE(importer.add_csv(
      2, "PHONE,+5511987654321,12345678,77,CACC,2015-03-02T03:00:00Z,NATURAL_PERSON,12345678909,\"Ana Souza\"",
      Deadline::never()));
  ASSERT_TRUE(importer.add_csv(3, "PHONE,+5511987654322", Deadline::never()));
  const Result<ImportReport> report = importer.finish(Deadline::never());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->entries_created, 1u);
  ASSERT_EQ(report->faults.size(), 1u);
  EXPECT_THAT(report->faults[0].error.message, HasSubstr("has 2 fields"));
}

TEST_F(ImportTest, the_demonstration_base_is_sound_and_brought_in_once) {
  EXPECT_EQ(*import_demo(store_, clock_, served_, Deadline::never()), 6u);
  EXPECT_TRUE(entry(KeyType::email, std::string(demo_first_key)));
  EXPECT_EQ(*import_demo(store_, clock_, served_, Deadline::never()), 0u);
}

TEST_F(ImportTest, the_demonstration_base_keeps_to_the_participants_that_are_served) {
  EXPECT_EQ(*import_demo(store_, clock_, {*Ispb::parse("87654321")}, Deadline::never()), 1u);
}

}  // namespace
}  // namespace chaveiro::app
