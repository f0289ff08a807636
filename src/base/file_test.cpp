#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>
#include <vector>

namespace chaveiro {
namespace {

using testing::HasSubstr;

struct FileTest : testing::Test {
  FileTest() {
    char name[] = "/tmp/chaveiro-file-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~FileTest() override { std::filesystem::remove_all(folder); }
  std::string at(const char* name) const { return folder + "/" + name; }
  std::string folder;
};

TEST_F(FileTest, is_replaced_whole_and_leaves_nothing_behind) {
  ASSERT_TRUE(write_file(at("a"), "old"));
  ASSERT_TRUE(write_file(at("a"), std::string(200'000, 'n'), 0600));
  EXPECT_EQ(read_file(at("a"), 1 << 20).value(), std::string(200'000, 'n'));
  struct stat about{};
  ASSERT_EQ(::stat(at("a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(FileTest, keeps_the_old_content_when_the_new_one_cannot_be_written) {
  ASSERT_TRUE(make_folder(at("taken/inside")));
  const auto result = write_file(at("taken"), "x");
  ASSERT_FALSE(result) << "a folder cannot be replaced by a file";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "the temporary file was removed";
}

TEST_F(FileTest, is_read_up_to_a_size) {
  ASSERT_TRUE(write_file(at("a"), std::string(70'000, 'x')));
  EXPECT_EQ(read_file(at("a"), 70'000).value().size(), 70'000u);
  const auto result = read_file(at("a"), 69'999);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "FileTooLarge");
  EXPECT_FALSE(read_file("/proc/self/status", 1 << 20).value().empty()) << "whose size is told as zero";
}

TEST_F(FileTest, reads_and_writes_at_offsets_and_at_the_end) {
  File file = File::open(at("a"), File::Open::fresh).value();
  ASSERT_TRUE(file.write_at(3, "def"));
  ASSERT_TRUE(file.write_at(0, "abc"));
  ASSERT_TRUE(file.sync());
  char into[10];
  EXPECT_EQ(file.read_at(2, into).value(), 4u);
  EXPECT_EQ(std::string_view(into, 4), "cdef");
  EXPECT_EQ(file.size().value(), 6u);
  ASSERT_TRUE(file.truncate(2));

  File tail = File::open(at("a"), File::Open::append).value();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) ASSERT_TRUE(tail.append("xyz\n"));
    });
  }
  threads.clear();
  std::string expected = "ab";
  for (int i = 0; i < 200; ++i) expected += "xyz\n";
  EXPECT_EQ(read_file(at("a"), 1'000).value(), expected);
  EXPECT_EQ(File::open(at("a"), File::Open::fresh).error().code, Code::exists);
}

TEST_F(FileTest, names_the_path_and_says_what_to_do) {
  const auto missing = read_file(at("none"), 10);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr(at("none")));

  File full = File::open("/dev/full", File::Open::append).value();
  const auto result = full.append("x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::exhausted);
  EXPECT_EQ(result.error().reason, "DiskFull");
  EXPECT_THAT(result.error().message, HasSubstr("free some space"));
  EXPECT_EQ(file_error("sync", "/x", EIO).code, Code::corrupt);
  EXPECT_EQ(file_error("open", "/x", EACCES).code, Code::forbidden);
}

TEST_F(FileTest, folders_are_made_with_those_above_them) {
  ASSERT_TRUE(make_folder(at("a/b/c")));
  ASSERT_TRUE(make_folder(at("a/b/c"))) << "one that exists is fine";
  EXPECT_TRUE(std::filesystem::is_directory(at("a/b/c")));
  ASSERT_TRUE(write_file(at("file"), ""));
  EXPECT_FALSE(make_folder(at("file")));
  EXPECT_FALSE(make_folder(at("file/below")));
}

TEST_F(FileTest, a_folder_is_used_by_one_holder_at_a_time) {
  {
    const auto held = FolderLock::take(folder);
    ASSERT_TRUE(held);
    const auto second = FolderLock::take(folder);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid()) + " uses"));
  }
  EXPECT_TRUE(FolderLock::take(folder));
}

}  // namespace
}  // namespace chaveiro
