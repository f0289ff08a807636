// The look-up log on a disk that has no room left: a real one of 1 MiB where the system lets us mount it, and a limit of
// the size of files everywhere.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/uuid.h"
#include "directory/lookup_file.h"
#include "directory/lookup_files.h"

namespace chaveiro::directory {
namespace {

namespace fs = std::filesystem;
using WhenFull = LookupFileOptions::WhenFull;

const UtcTime january{std::chrono::seconds{1'767'225'600}};
const UtcTime february = january + std::chrono::days(31);

LookupRecord record_of(std::uint64_t n, UtcTime at = january) {
  LookupRecord record;
  record.at = at + Micros(n);
  record.ispb = Ispb::parse("12345678").value();
  record.actor = "somebody";
  record.correlation_id = "correlation-" + std::to_string(n);
  return record;
}

class FullDisk : public testing::Test {
 protected:
  FullDisk() : folder((fs::temp_directory_path() / ("full-" + to_string(uuid_v4()))).string()) {
    fs::create_directory(folder);
  }
  ~FullDisk() override { fs::remove_all(folder); }

  // Runs `test` on a thread that sees a file system of 1 MiB at `folder`; skips where that is not allowed.
  void with_disk(const std::function<void()>& test) {
    bool mounted = false;
    std::thread([&] {
      mounted = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") == 0;
      if (mounted) test();
    }).join();
    if (!mounted) GTEST_SKIP() << "this user may not mount a file system";
  }

  std::unique_ptr<LookupFile> open(WhenFull when_full) {
    auto log = LookupFile::open({.folder = folder, .grow_by = 64u << 10, .when_full = when_full});
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  // Takes all the room that is left, or gives it back.
  void fill() {
    std::ofstream filler(folder + "/filler", std::ios::binary);
    const std::string page(4096, 'x');
    while (filler.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
  }
  void make_room() { fs::remove(folder + "/filler"); }

  std::uint64_t whole_records() {
    ChainChecker checker("lookups");
    EXPECT_TRUE(walk_lookups(folder, checker));
    EXPECT_TRUE(checker.finish().empty());
    return checker.records();
  }
  // Appends until the log refuses, and answers the refusal; `next` is the number of the first that was refused.
  Error append_until_refused(LookupFile& log, std::uint64_t& next) {
    for (; next < 100'000; ++next)
      if (auto answer = log.append(record_of(next)); !answer) return answer.error();
    return fail(Code::internal, "", "the disk never became full");
  }

  std::string folder;
};

TEST_F(FullDisk, refuses_look_ups_and_goes_on_once_there_is_room) {
  with_disk([&] {
    std::uint64_t next = 0;
    const auto log = open(WhenFull::refuse);
    ASSERT_TRUE(log->append(record_of(next++)));
    fill();
    const Error refused = append_until_refused(*log, next);
    EXPECT_EQ(refused.code, Code::exhausted);
    EXPECT_EQ(refused.reason, "DiskFull");
    EXPECT_NE(refused.message.find(folder), std::string::npos) << refused.message;
    EXPECT_FALSE(log->append(record_of(next)));
    EXPECT_EQ(log->counts().appended, next);
    EXPECT_EQ(log->counts().lost, 0u);
    EXPECT_EQ(whole_records(), next) << "what was answered is there, and nothing half";

    make_room();
    EXPECT_TRUE(log->append(record_of(next++)));
    EXPECT_TRUE(log->sync());
    EXPECT_EQ(whole_records(), next);
  });
}

TEST_F(FullDisk, uses_the_last_room_that_there_is) {
  with_disk([&] {
    std::uint64_t next = 0;
    const auto log = open(WhenFull::refuse);
    append_until_refused(*log, next);
    EXPECT_LT(fs::space(folder).available, 8192u) << "more was reserved than was left, and then nothing was taken";
  });
}

TEST_F(FullDisk, counts_every_look_up_that_left_no_record_where_that_is_wanted) {
  with_disk([&] {
    const auto log = open(WhenFull::count);
    ASSERT_TRUE(log->append(record_of(0)));
    fill();
    constexpr std::uint64_t all = 20'000;
    for (std::uint64_t n = 1; n < all; ++n) ASSERT_TRUE(log->append(record_of(n)));
    EXPECT_GT(log->counts().lost, 0u);
    EXPECT_EQ(log->counts().appended + log->counts().lost, all);
    EXPECT_EQ(whole_records(), log->counts().appended);
    make_room();
    const auto before = log->counts();
    ASSERT_TRUE(log->append(record_of(all)));
    EXPECT_EQ(log->counts().lost, before.lost);
    EXPECT_EQ(whole_records(), before.appended + 1);
  });
}

TEST_F(FullDisk, lets_no_month_begin_and_loses_none_by_that) {
  with_disk([&] {
    {
      const auto log = open(WhenFull::refuse);
      ASSERT_TRUE(log->append(record_of(1)));
      fill();
      const auto refused = log->append(record_of(2, february));
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().reason, "DiskFull");
    }
    // The process ended there, and the file of the new month is what it left. What it had reserved others have taken.
    fill();
    const auto refuses_still = open(WhenFull::refuse);
    EXPECT_FALSE(refuses_still->append(record_of(2, february)));
    make_room();
    EXPECT_TRUE(refuses_still->append(record_of(2, february)));
    EXPECT_EQ(whole_records(), 2u);
  });
}

// A file that may not grow takes a part of a record: it must not stay.
class FileSizeLimit : public FullDisk, public testing::WithParamInterface<WhenFull> {
 protected:
  FileSizeLimit() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handled_before_ = std::signal(SIGXFSZ, SIG_IGN);
    set(100'000);
  }
  ~FileSizeLimit() override {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handled_before_);
  }
  void set(rlim_t bytes) const {
    const rlimit limit{bytes, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }

 private:
  rlimit before_{};
  void (*handled_before_)(int) = nullptr;
};

TEST_P(FileSizeLimit, loses_nothing_silently) {
  const auto log = open(GetParam());
  std::uint64_t refused = 0;
  constexpr std::uint64_t all = 2'000;
  for (std::uint64_t n = 0; n < all; ++n)
    if (!log->append(record_of(n))) ++refused;
  const auto counts = log->counts();
  EXPECT_EQ(counts.appended + counts.lost + refused, all);
  EXPECT_GT(GetParam() == WhenFull::refuse ? refused : counts.lost, 0u);
  EXPECT_EQ(GetParam() == WhenFull::refuse ? counts.lost : refused, 0u);
  EXPECT_EQ(whole_records(), counts.appended);
  set(1'000'000);
  EXPECT_TRUE(log->append(record_of(all)));
  EXPECT_EQ(whole_records(), counts.appended + 1);
}

INSTANTIATE_TEST_SUITE_P(Both, FileSizeLimit, testing::Values(WhenFull::refuse, WhenFull::count),
                         [](const auto& its) { return its.param == WhenFull::refuse ? "refuse" : "count"; });

}  // namespace
}  // namespace chaveiro::directory
