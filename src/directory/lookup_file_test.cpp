#include "directory/lookup_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "directory/lookup_files.h"

namespace chaveiro::directory {
namespace {

namespace fs = std::filesystem;
using Kind = ChainFault::Kind;

const UtcTime january{std::chrono::seconds{1'767'225'600}};

LookupRecord record_of(std::uint64_t n, UtcTime at = january) {
  LookupRecord record;
  record.at = at + Micros(n);
  record.ispb = Ispb::parse("12345678").value();
  record.actor = "somebody";
  record.correlation_id = "correlation-" + std::to_string(n);
  record.key_hash = sha256(std::to_string(n % 10));
  record.end_to_end_id = "E12345678202601010000" + std::to_string(n);
  record.outcome = n % 2 == 0 ? LookupOutcome::found : LookupOutcome::not_found;
  return record;
}

class LookupFiles : public testing::Test {
 protected:
  LookupFiles() : folder((fs::temp_directory_path() / ("lookups-" + to_string(uuid_v4()))).string()) {
    fs::create_directory(folder);
  }
  ~LookupFiles() override { fs::remove_all(folder); }

  std::unique_ptr<LookupFile> open(LookupFileOptions options = {}) {
    options.folder = folder;
    auto log = LookupFile::open(options);
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  void write(std::uint64_t from, std::uint64_t until, UtcTime at = january) {
    const auto log = open();
    for (std::uint64_t n = from; n < until; ++n) ASSERT_TRUE(log->append(record_of(n, at)));
  }
  std::vector<ChainFault> faults(const std::vector<Anchor>& anchors = {}) {
    ChainChecker checker("lookups");
    for (const Anchor& anchor : anchors) checker.expect(anchor);
    EXPECT_TRUE(walk_lookups(folder, checker));
    records = checker.records();
    heads = checker.heads();
    return checker.finish();
  }
  std::string path(Month month = 202601) { return folder + "/" + lookup_file_name("main", month); }
  std::string content() { return read_file(path(), 1u << 30).value(); }
  void replace_content(std::string_view bytes) { ASSERT_TRUE(write_file(path(), bytes)); }
  // Where record n (from 1) begins.
  std::size_t begin_of(std::uint64_t n) {
    const std::string bytes = content();
    std::size_t at = lookup_header_size;
    for (; n > 1; --n) at += read_lookup(std::string_view(bytes).substr(at))->size;
    return at;
  }

  std::string folder;
  std::uint64_t records = 0;
  std::vector<Anchor> heads;
};

TEST_F(LookupFiles, hold_every_record_in_order) {
  write(0, 100);
  std::vector<LookupRecord> all;
  ASSERT_TRUE(each_lookup(folder, {}, [&](const LookupRecord& record) {
    all.push_back(record);
    return true;
  }));
  ASSERT_EQ(all.size(), 100u);
  for (std::uint64_t n = 0; n < 100; ++n) {
    EXPECT_EQ(all[n].at, record_of(n).at);
    EXPECT_EQ(all[n].correlation_id, record_of(n).correlation_id);
    EXPECT_EQ(all[n].end_to_end_id, record_of(n).end_to_end_id);
    EXPECT_EQ(all[n].key_hash, record_of(n).key_hash);
    EXPECT_EQ(all[n].outcome, record_of(n).outcome);
    EXPECT_EQ(all[n].ispb, record_of(n).ispb);
    EXPECT_EQ(all[n].actor, "somebody");
  }
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 100u);
}

TEST_F(LookupFiles, show_a_record_to_readers_as_soon_as_it_was_answered) {
  const auto log = open({.sync_every = std::chrono::hours(1)});
  for (std::uint64_t n = 0; n < 10; ++n) {
    ASSERT_TRUE(log->append(record_of(n)));
    EXPECT_TRUE(faults().empty());
    EXPECT_EQ(records, n + 1);
  }
}

TEST_F(LookupFiles, go_on_where_they_ended) {
  write(0, 10);
  write(10, 20);
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 20u);
  EXPECT_EQ(heads.size(), 1u);
}

TEST_F(LookupFiles, begin_a_file_each_month_that_goes_on_from_the_last) {
  write(0, 5);
  write(5, 10, january + std::chrono::days(31));
  write(10, 15, january);  // a clock that went back does not open the old month again
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 15u);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0].number, 5u);
  EXPECT_EQ(heads[1].number, 10u);
}

TEST_F(LookupFiles, are_found_by_key_and_time) {
  write(0, 100);
  const auto count = [&](const LookupFilter& filter) {
    int found = 0;
    EXPECT_TRUE(each_lookup(folder, filter, [&](const LookupRecord&) { return ++found > 0; }));
    return found;
  };
  EXPECT_EQ(count({}), 100);
  EXPECT_EQ(count({.key_hash = sha256("3")}), 10);
  EXPECT_EQ(count({.from = january + Micros(50)}), 50);
  EXPECT_EQ(count({.until = january + Micros(50)}), 50);
  EXPECT_EQ(count({.from = january + Micros(50), .key_hash = sha256("3")}), 5);
  EXPECT_EQ(count({.ispb = Ispb::parse("87654321").value()}), 0);
}

TEST_F(LookupFiles, are_cut_at_a_torn_record_which_is_no_fault_of_the_chain) {
  write(0, 10);
  const std::string whole = content();
  // The next record, cut at every length; the mark in the head knows nothing of it.
  LookupMark mark = read_lookup_header(whole)->mark.value();
  std::string next;
  write_lookup(next, record_of(10), mark);
  for (std::size_t size = 4; size < next.size(); size += 17) {  // below that it is zeros, as ahead of any record
    replace_content(whole + next.substr(0, size));
    const auto found = faults();
    ASSERT_EQ(found.size(), 1u) << size;
    EXPECT_EQ(found[0].kind, Kind::torn);
    EXPECT_EQ(found[0].number, 11u);
    const auto log = open();
    EXPECT_GT(log->counts().torn, 0u);
    EXPECT_LE(log->counts().torn, size);  // zeros at its end count as space ahead
    ASSERT_TRUE(log->append(record_of(10)));
    EXPECT_TRUE(faults().empty());
    EXPECT_EQ(records, 11u);
  }
}

TEST_F(LookupFiles, keep_whole_records_that_were_not_synced) {
  write(0, 10);
  std::string bytes = content();
  LookupMark mark = read_lookup_header(bytes)->mark.value();
  for (std::uint64_t n = 10; n < 15; ++n) write_lookup(bytes, record_of(n), mark);
  replace_content(bytes + std::string(5000, '\0'));
  EXPECT_TRUE(faults().empty());
  write(15, 16);
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 16u);
}

TEST_F(LookupFiles, name_a_changed_record) {
  write(0, 10);
  std::string bytes = content();
  const std::size_t at = bytes.find("somebody", begin_of(4));
  bytes.replace(at, 8, "nobody!!");
  replace_content(bytes);
  const auto found = faults();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, Kind::changed);
  EXPECT_EQ(found[0].number, 4u);
}

TEST_F(LookupFiles, name_every_flipped_bit_of_a_synced_record) {
  write(0, 5);
  const std::string whole = content();
  const std::size_t begin = begin_of(3), end = begin_of(4);
  for (std::size_t i = begin; i < end; i += 3) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 4);
    replace_content(bytes);
    const auto found = faults();
    ASSERT_FALSE(found.empty()) << i - begin;
    EXPECT_NE(found[0].kind, Kind::torn) << i - begin;
  }
}

TEST_F(LookupFiles, name_a_missing_record) {
  write(0, 10);
  std::string bytes = content();
  const std::size_t begin = begin_of(4), end = begin_of(5);
  bytes.erase(begin, end - begin);
  replace_content(bytes);
  const auto found = faults();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, Kind::missing);
  EXPECT_EQ(found[0].number, 4u);
}

TEST_F(LookupFiles, name_reordered_records) {
  write(0, 10);
  const std::string bytes = content();
  const std::size_t a = begin_of(4), b = begin_of(5), c = begin_of(6);
  replace_content(bytes.substr(0, a) + bytes.substr(b, c - b) + bytes.substr(a, b - a) + bytes.substr(c));
  const auto found = faults();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, Kind::reordered);
  EXPECT_EQ(found[0].number, 4u);
}

TEST_F(LookupFiles, name_a_cut_end) {
  write(0, 10);
  replace_content(content().substr(0, begin_of(8)));
  const auto found = faults();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, Kind::cut);
  EXPECT_EQ(found[0].number, 8u);
  const auto log = LookupFile::open({.folder = folder});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::corrupt);
}

TEST_F(LookupFiles, name_a_cut_end_by_its_anchor_where_the_mark_was_forged_too) {
  write(0, 10);
  faults();
  const auto anchors = heads;
  const std::string bytes = content().substr(0, begin_of(8));
  LookupMark mark{lookup_header_size, 0, {}};
  mark = last_whole_lookup(bytes, mark);
  replace_content(lookup_header("main", 202601, mark) + bytes.substr(lookup_header_size));
  EXPECT_TRUE(faults().empty());
  const auto found = faults(anchors);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, Kind::cut);
  EXPECT_EQ(found[0].number, 8u);
}

TEST_F(LookupFiles, name_a_damaged_head) {
  write(0, 3);
  std::string bytes = content();
  bytes[10] ^= 1;
  replace_content(bytes);
  ASSERT_EQ(faults().size(), 1u);
  EXPECT_EQ(LookupFile::open({.folder = folder}).error().code, Code::corrupt);
}

TEST_F(LookupFiles, are_written_by_one_process_at_a_time) {
  const auto log = open();
  ASSERT_TRUE(log->append(record_of(1)));
  const auto second = LookupFile::open({.folder = folder});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "LookupLogInUse");
  const auto other = open({.writer = "other"});
  ASSERT_TRUE(other->append(record_of(1)));
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(heads.size(), 2u);
}

TEST_F(LookupFiles, refuse_a_writer_name_that_could_leave_the_folder) {
  for (const char* name : {"", "../x", "a/b", "a b", "\xc3\xa9"})
    EXPECT_EQ(LookupFile::open({.folder = folder, .writer = name}).error().code, Code::invalid) << name;
}

TEST_F(LookupFiles, take_records_of_many_threads) {
  {
    const auto log = open();
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t n = 0; n < 500; ++n) EXPECT_TRUE(log->append(record_of(t * 1000 + n)));
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(log->counts().appended, 2000u);
  }
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 2000u);
}

TEST_F(LookupFiles, are_on_the_disk_soon_without_being_asked) {
  const auto log = open({.sync_every = Micros(1000)});
  ASSERT_TRUE(log->append(record_of(1)));
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->counts().unsynced, 0u);
  EXPECT_EQ(read_lookup_header(content())->mark->number, 1u);
}

TEST_F(LookupFiles, refuse_what_would_wait_for_the_disk_beyond_the_bound) {
  const auto log = open({.sync_every = std::chrono::hours(1), .unsynced_max = 10'000});
  Result<void> answer;
  std::uint64_t n = 0;
  // The first sync comes at once; what is appended behind it waits for an hour.
  while ((answer = log->append(record_of(n))) && n < 1000) ++n;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::exhausted);
  EXPECT_EQ(answer.error().reason, "LookupLogBehind");
  ASSERT_TRUE(log->sync());
  EXPECT_TRUE(log->append(record_of(n)));
}

TEST_F(LookupFiles, count_what_is_lost_where_that_is_wanted) {
  const auto log = open(
      {.sync_every = std::chrono::hours(1), .unsynced_max = 10'000, .when_full = LookupFileOptions::WhenFull::count});
  for (std::uint64_t n = 0; n < 1000; ++n) ASSERT_TRUE(log->append(record_of(n)));
  const auto counts = log->counts();
  EXPECT_GT(counts.lost, 0u);
  EXPECT_EQ(counts.appended + counts.lost, 1000u);
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, counts.appended);
}

TEST_F(LookupFiles, are_removed_by_whole_months_but_never_the_newest) {
  write(0, 5);
  write(5, 10, january + std::chrono::days(31));
  write(10, 15, january + std::chrono::days(62));
  EXPECT_EQ(remove_lookups(folder, january + std::chrono::days(40)).value(), 1u);
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 10u);
  EXPECT_EQ(remove_lookups(folder, january + std::chrono::days(1000)).value(), 1u);
  EXPECT_EQ(remove_lookups(folder, january + std::chrono::days(1000)).value(), 0u);
  write(15, 16, january + std::chrono::days(62));
  EXPECT_TRUE(faults().empty());
  EXPECT_EQ(records, 6u);
}

}  // namespace
}  // namespace chaveiro::directory
