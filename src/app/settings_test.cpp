#include "app/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace chaveiro::app {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;

class SettingsTest : public testing::Test {
 protected:
  SettingsTest()
      : folder_(std::filesystem::temp_directory_path() / ("chaveiro-settings-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  Result<Loaded> load() {
    return load_settings({[this](const std::string& name) -> std::optional<std::string> {
                            const auto found = environment_.find(name);
                            return found == environment_.end() ? std::nullopt : std::optional(found->second);
                          },
                          flags_});
  }

  std::vector<std::string> faults() {
    const Result<Loaded> loaded = load();
    std::vector<std::string> all;
    if (loaded) return all;
    for (const FieldViolation& violation : loaded.error().violations)
      all.push_back(violation.field + ": " + violation.description);
    return all;
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> flags_;
};

TEST_F(SettingsTest, has_a_working_default_for_everything) {
  const Result<Loaded> loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->settings.http_port, 8080);
  EXPECT_EQ(loaded->settings.grpc_port, 9090);
  EXPECT_EQ(loaded->settings.metrics_port, 9091);
  EXPECT_EQ(loaded->settings.cache_l1_bytes_max, 100u * 1024 * 1024);
  EXPECT_EQ(loaded->settings.cache_entry_ttl, std::chrono::seconds{300});
  EXPECT_TRUE(loaded->settings.check_digits);
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST_F(SettingsTest, takes_the_file_before_the_default_the_environment_before_the_file_and_flags_before_all) {
  environment_["CHAVEIRO_CONFIG"] =
      write("c.yaml", "http_port: 1001\ngrpc_port: 1002\nmetrics_port: 1003\nchaveiro_ispbs: [11111111, 22222222]\n");
  environment_["GRPC_PORT"] = "2002";
  environment_["METRICS_PORT"] = "2003";
  flags_["METRICS_PORT"] = "3003";
  const Result<Loaded> loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->settings.http_port, 1001);
  EXPECT_EQ(loaded->settings.grpc_port, 2002);
  EXPECT_EQ(loaded->settings.metrics_port, 3003);
  EXPECT_EQ(loaded->settings.ispbs, (std::vector<std::string>{"11111111", "22222222"}));
  EXPECT_THAT(loaded->origins.at("HTTP_PORT").where, HasSubstr("c.yaml:1"));
}

TEST_F(SettingsTest, tells_all_faults_at_once_and_names_each_as_it_was_written) {
  environment_["CHAVEIRO_CONFIG"] = write("c.yaml", "http_port: many\nhtp_port: 1\n");
  environment_["GRPC_PORT"] = "70000";
  environment_["CACHE_ENTRY_TTL"] = "300";
  environment_["CHAVEIRO_ISPBS"] = "1234567";
  environment_["TLS_CERT_FILE"] = "";
  flags_["METRICS_ENABLED"] = "yes";
  const std::vector<std::string> all = faults();
  EXPECT_EQ(all.size(), 6u);
  EXPECT_THAT(all, Contains(HasSubstr("http_port (")));
  EXPECT_THAT(all, Contains(HasSubstr("htp_port (")));
  EXPECT_THAT(all, Contains(HasSubstr("GRPC_PORT: must be a whole number from 0 to 65535")));
  EXPECT_THAT(all, Contains(HasSubstr("CACHE_ENTRY_TTL: is not a duration")));
  EXPECT_THAT(all, Contains(HasSubstr("CHAVEIRO_ISPBS")));
  EXPECT_THAT(all, Contains(HasSubstr("--metrics-enabled")));
}

TEST_F(SettingsTest, refuses_settings_that_contradict_each_other) {
  environment_["TLS_CERT_FILE"] = "/x.pem";
  environment_["HTTP_PORT"] = "9090";
  environment_["JWT_SECRET"] = "short";
  const std::vector<std::string> all = faults();
  EXPECT_THAT(all, Contains(HasSubstr("must be given together")));
  EXPECT_THAT(all, Contains(HasSubstr("GRPC_PORT: is the port of another listener")));
  EXPECT_THAT(all, Contains(HasSubstr("JWT_SECRET: is shorter")));
}

TEST_F(SettingsTest, reads_secrets_from_files_and_never_shows_them) {
  environment_["JWT_SECRET_FILE"] = write("secret", "0123456789abcdef0123456789abcdef\n");
  const Result<Loaded> loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->settings.jwt_secret.expose(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(loaded->origins.at("JWT_SECRET").text, "***");
  environment_["JWT_SECRET"] = "0123456789abcdef0123456789abcdef";
  EXPECT_THAT(faults(), Contains(HasSubstr("is given twice")));
  environment_.erase("JWT_SECRET");
  environment_["JWT_SECRET_FILE"] = (folder_ / "none").string();
  EXPECT_THAT(faults(), Contains(HasSubstr("cannot read")));
}

TEST_F(SettingsTest, warns_about_a_setting_of_a_part_that_is_not_built) {
  environment_["TEMPORAL_ADDRESS"] = "localhost:7233";
  const Result<Loaded> loaded = load();
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->warnings, testing::ElementsAre(HasSubstr("TEMPORAL_ADDRESS has no effect yet")));
}

TEST_F(SettingsTest, points_at_the_place_of_a_broken_file) {
  environment_["CHAVEIRO_CONFIG"] = write("c.yaml", "http_port: 1\n  - x: [\n");
  EXPECT_THAT(faults(), Contains(HasSubstr("c.yaml:2:")));
  environment_["CHAVEIRO_CONFIG"] = (folder_ / "missing.yaml").string();
  EXPECT_THAT(faults(), Contains(HasSubstr("cannot be read")));
  environment_["CHAVEIRO_CONFIG"] = write("list.yaml", "- 1\n- 2\n");
  EXPECT_THAT(faults(), Contains(HasSubstr("must hold")));
}

TEST_F(SettingsTest, refuses_in_production_what_is_for_trying_out) {
  environment_["APP_ENV"] = "production";
  EXPECT_THAT(faults(), Contains(HasSubstr("CHAVEIRO_ISPBS")));
  environment_["CHAVEIRO_ISPBS"] = "12345678";
  EXPECT_TRUE(load());
  environment_["DATABASE_URL"] = "memory:";
  EXPECT_THAT(faults(), Contains(HasSubstr("DATABASE_URL")));
}

TEST_F(SettingsTest, names_the_rule_of_the_regulator_that_a_cache_would_break) {
  environment_["CACHE_FOREIGN_TTL"] = "181s";
  EXPECT_THAT(faults(), Contains(testing::AllOf(HasSubstr("CACHE_FOREIGN_TTL"), HasSubstr("rule foreign_ttl"))));
  environment_["CACHE_FOREIGN_TTL"] = "180s";
  EXPECT_TRUE(load());
  environment_["CACHE_EXISTENCE_TTL"] = "721h";
  EXPECT_THAT(faults(), Contains(testing::AllOf(HasSubstr("CACHE_EXISTENCE_TTL"), HasSubstr("rule existence_ttl"))));
  environment_["CACHE_EXISTENCE_TTL"] = "720h";
  EXPECT_TRUE(load());
}

TEST_F(SettingsTest, plain_cache_keys_are_for_development_only) {
  environment_["CACHE_PLAIN_KEYS"] = "true";
  EXPECT_TRUE(load());
  environment_["APP_ENV"] = "production";
  environment_["CHAVEIRO_ISPBS"] = "12345678";
  EXPECT_THAT(faults(), Contains(HasSubstr("CACHE_PLAIN_KEYS")));
}

TEST(SettingsTable, has_one_row_a_name_and_one_flag_a_row) {
  std::set<std::string> names, flags;
  for (const Setting& setting : all_settings()) {
    EXPECT_TRUE(names.insert(std::string(setting.name)).second) << setting.name;
    EXPECT_TRUE(flags.insert(flag_name(setting)).second) << setting.name;
    EXPECT_FALSE(setting.meaning.empty()) << setting.name;
    EXPECT_TRUE(setting.apply != nullptr || !setting.waits_for.empty()) << setting.name;
  }
}

}  // namespace
}  // namespace chaveiro::app
