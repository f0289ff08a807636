#include "directory/audit.h"

#include <gtest/gtest.h>

#include "directory/chronicle.h"

namespace chaveiro::directory {
namespace {

const Secret installation_key("installation");

UtcTime at_day(int day) { return UtcTime(std::chrono::seconds(1'767'225'600)) + std::chrono::days(day); }

// A chain of twelve records over three months.
std::vector<AuditRecord> chain_of_twelve() {
  Chronicle chronicle("node-1", {});
  std::vector<AuditRecord> records;
  for (int i = 0; i < 12; ++i)
    records.push_back(
        chronicle.record(Note{"purge", "store", Ispb::parse("12345678").value(), {"admin", "c"}, at_day(i * 7), "text"},
                         static_cast<std::uint64_t>(i + 1), Digest{}));
  return records;
}

std::vector<ChainFault> faults_in(const std::vector<AuditRecord>& records, const std::vector<Anchor>& anchors = {}) {
  ChainChecker checker("changes");
  for (const Anchor& anchor : anchors) checker.expect(anchor);
  for (const AuditRecord& record : records) checker.feed(record);
  EXPECT_EQ(checker.records(), records.size());
  return checker.finish();
}

std::vector<Anchor> anchors_of(const std::vector<AuditRecord>& records) {
  ChainChecker checker("changes");
  for (const AuditRecord& record : records) checker.feed(record);
  return checker.heads();
}

void rehash(AuditRecord& record) { record.hash = chain_hash(record); }

using Kind = ChainFault::Kind;

TEST(Month, is_that_of_utc) {
  EXPECT_EQ(month_of(at_day(0)), 202601u);
  EXPECT_EQ(month_of(at_day(0) - Micros(1)), 202512u);
  EXPECT_EQ(month_of(at_day(31)), 202602u);
}

TEST(ChainChecker, finds_nothing_in_a_whole_chain) {
  const auto records = chain_of_twelve();
  EXPECT_TRUE(faults_in(records).empty());
  EXPECT_TRUE(faults_in(records, anchors_of(records)).empty());
  EXPECT_TRUE(faults_in({}).empty());
  const auto heads = anchors_of(records);
  ASSERT_EQ(heads.size(), 3u);
  EXPECT_EQ(heads[0].month, 202601u);
  EXPECT_EQ(heads[2].head, records.back().hash);
}

TEST(ChainChecker, names_a_changed_record_whatever_field_was_changed) {
  const std::vector<void (*)(AuditRecord&)> changes = {
      [](AuditRecord& r) { r.writer += "x"; },        [](AuditRecord& r) { r.sequence += 100; },
      [](AuditRecord& r) { r.at += Micros(1); },      [](AuditRecord& r) { r.ispb.text[0] = '9'; },
      [](AuditRecord& r) { r.actor = "nobody"; },     [](AuditRecord& r) { r.correlation_id.clear(); },
      [](AuditRecord& r) { r.operation = "other"; },  [](AuditRecord& r) { r.resource_type = "entry"; },
      [](AuditRecord& r) { r.resource = uuid_v4(); }, [](AuditRecord& r) { r.person[3] ^= 1; },
      [](AuditRecord& r) { r.before = "x"; },         [](AuditRecord& r) { r.after.pop_back(); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto records = chain_of_twelve();
    changes[i](records[2]);
    const auto faults = faults_in(records);
    ASSERT_FALSE(faults.empty()) << i;
    EXPECT_EQ(faults[0].kind, Kind::changed) << i;
    EXPECT_EQ(faults[0].number, 3u) << i;
    EXPECT_NE(faults[0].message.find("record 3"), std::string::npos) << faults[0].message;
  }
}

TEST(ChainChecker, fields_cannot_flow_into_each_other) {
  auto records = chain_of_twelve();
  records[1].operation = "purgest";
  records[1].resource_type = "ore";
  EXPECT_EQ(faults_in(records)[0].number, 2u);
}

TEST(ChainChecker, names_a_changed_record_whose_hash_was_made_to_fit) {
  auto records = chain_of_twelve();
  records[2].actor = "nobody";
  rehash(records[2]);
  const auto faults = faults_in(records);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::changed);
  EXPECT_EQ(faults[0].number, 3u);
}

TEST(ChainChecker, names_missing_records) {
  auto records = chain_of_twelve();
  records.erase(records.begin() + 1, records.begin() + 3);
  const auto faults = faults_in(records);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::missing);
  EXPECT_EQ(faults[0].number, 2u);
  EXPECT_NE(faults[0].message.find("up to 3"), std::string::npos) << faults[0].message;
}

TEST(ChainChecker, names_a_missing_first_record_of_a_month) {
  auto records = chain_of_twelve();
  ASSERT_EQ(records[5].number, 1u);
  records.erase(records.begin() + 5);
  const auto faults = faults_in(records);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::missing);
  EXPECT_EQ(faults[0].month, 202602u);
  EXPECT_EQ(faults[0].number, 1u);
}

TEST(ChainChecker, names_the_end_of_a_month_that_was_cut) {
  auto records = chain_of_twelve();
  records.erase(records.begin() + 4);
  const auto faults = faults_in(records);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::cut);
  EXPECT_EQ(faults[0].month, 202601u);
  EXPECT_EQ(faults[0].number, 5u);
}

TEST(ChainChecker, names_reordered_records) {
  auto records = chain_of_twelve();
  std::swap(records[1], records[2]);
  const auto faults = faults_in(records);
  ASSERT_FALSE(faults.empty());
  EXPECT_EQ(faults[0].kind, Kind::reordered);
  EXPECT_EQ(faults[0].number, 2u);
}

TEST(ChainChecker, names_a_record_that_stands_twice) {
  auto records = chain_of_twelve();
  records.insert(records.begin() + 3, records[1]);
  const auto faults = faults_in(records);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::reordered);
  EXPECT_EQ(faults[0].number, 2u);
}

TEST(ChainChecker, does_not_see_a_cut_tail_without_an_anchor_and_names_it_with_one) {
  auto records = chain_of_twelve();
  const auto anchors = anchors_of(records);
  records.pop_back();
  EXPECT_TRUE(faults_in(records).empty());
  const auto faults = faults_in(records, anchors);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, Kind::cut);
  EXPECT_EQ(faults[0].number, anchors.back().number);
}

TEST(ChainChecker, sees_by_an_anchor_that_the_whole_chain_was_written_anew) {
  const auto anchors = anchors_of(chain_of_twelve());
  Chronicle chronicle("node-1", {});
  std::vector<AuditRecord> forged;
  for (const AuditRecord& record : chain_of_twelve())
    forged.push_back(chronicle.record(Note{"purge", "store", record.ispb, {"liar", "c"}, record.at, "text"},
                                      record.sequence, Digest{}));
  EXPECT_TRUE(faults_in(forged).empty());
  const auto faults = faults_in(forged, anchors);
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults[0].kind, Kind::changed);
}

TEST(ChainChecker, accepts_that_retention_took_the_first_months) {
  auto records = chain_of_twelve();
  records.erase(records.begin(), records.begin() + 5);
  EXPECT_TRUE(faults_in(records).empty());
}

TEST(ChainChecker, keeps_chains_of_two_writers_apart) {
  auto records = chain_of_twelve();
  Chronicle other("node-2", {});
  for (int i = 0; i < 3; ++i)
    records.insert(records.begin() + i * 4, other.record(Note{"purge", "store", {}, {}, at_day(i), ""}, 1, Digest{}));
  EXPECT_TRUE(faults_in(records).empty());
}

TEST(Anchor, reads_back_what_it_writes_and_refuses_what_was_changed) {
  const Anchor anchor = sign_anchor(installation_key, anchors_of(chain_of_twelve())[1]);
  const std::string line = to_json_line(anchor);
  const auto read = read_anchor(installation_key, line);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json_line(*read), line);
  std::string forged = line;
  forged.replace(forged.find("node-1"), 6, "node-2");
  EXPECT_EQ(read_anchor(installation_key, forged).error().code, Code::corrupt);
  EXPECT_EQ(read_anchor(Secret("other"), line).error().code, Code::corrupt);
  EXPECT_EQ(read_anchor(installation_key, "hello").error().code, Code::invalid);
  EXPECT_EQ(read_anchor(installation_key, line.substr(0, line.size() - 5) + "\"}").error().code, Code::invalid);
}

TEST(Seal, opens_with_its_key_and_its_context_only) {
  const SealKey key = new_seal_key();
  for (const std::string& plain : {std::string(), std::string("a"), std::string(5000, 'x')}) {
    const std::string sealed = seal(key, plain, "context");
    EXPECT_EQ(unseal(key, sealed, "context").value(), plain);
    EXPECT_EQ(unseal(new_seal_key(), sealed, "context").error().code, Code::corrupt);
    EXPECT_EQ(unseal(key, sealed, "other").error().code, Code::corrupt);
  }
}

TEST(Seal, refuses_every_flipped_bit_and_every_cut) {
  const SealKey key = new_seal_key();
  const std::string sealed = seal(key, "plain text", "context");
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    std::string flipped = sealed;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(unseal(key, flipped, "context")) << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) EXPECT_FALSE(unseal(key, sealed.substr(0, size), "context"));
}

TEST(Seal, is_never_the_same_twice) {
  const SealKey key = new_seal_key();
  EXPECT_NE(seal(key, "plain", ""), seal(key, "plain", ""));
}

TEST(PersonOf, depends_on_the_installation_and_the_person) {
  EXPECT_EQ(person_of(installation_key, "1"), person_of(installation_key, "1"));
  EXPECT_NE(person_of(installation_key, "1"), person_of(installation_key, "2"));
  EXPECT_NE(person_of(installation_key, "1"), person_of(Secret("other"), "1"));
}

}  // namespace
}  // namespace chaveiro::directory
