#include "app/keyring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace chaveiro::app {
namespace {

class KeyringTest : public testing::Test {
 protected:
  KeyringTest()
      : folder_(
            (std::filesystem::temp_directory_path() / ("chaveiro-keyring-" + std::to_string(::getpid()))).string()) {
    std::filesystem::remove_all(folder_);
  }
  ~KeyringTest() override { std::filesystem::remove_all(folder_); }
  std::string file() const { return folder_ + "/" + std::string(keyring_file); }
  std::string folder_;
};

TEST_F(KeyringTest, makes_one_key_at_the_first_start_that_nobody_else_can_read) {
  EXPECT_EQ(Keyring::open(folder_).error().code, Code::not_found);
  const Result<Keyring> first = Keyring::open_or_make(folder_);
  ASSERT_TRUE(first) << first.error().message;
  const Result<Keyring> second = Keyring::open_or_make(folder_);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->token_secret(), second->token_secret());
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(KeyringTest, gives_every_use_its_own_secret) {
  const Result<Keyring> keyring = Keyring::open_or_make(folder_);
  ASSERT_TRUE(keyring);
  EXPECT_FALSE(keyring->token_secret() == keyring->page_key());
  EXPECT_FALSE(keyring->person_key() == keyring->anchor_key());
  EXPECT_EQ(keyring->token_secret().expose().size(), 64u);
}

TEST_F(KeyringTest, refuses_a_key_that_others_can_read_or_that_is_damaged) {
  ASSERT_TRUE(Keyring::open_or_make(folder_));
  ASSERT_EQ(::chmod(file().c_str(), 0644), 0);
  EXPECT_EQ(Keyring::open_or_make(folder_).error().code, Code::forbidden);
  std::filesystem::remove(file());
  std::ofstream(file()) << "not a key";
  ASSERT_EQ(::chmod(file().c_str(), 0600), 0);
  EXPECT_EQ(Keyring::open_or_make(folder_).error().code, Code::corrupt);
}

}  // namespace
}  // namespace chaveiro::app
