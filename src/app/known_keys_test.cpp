#include "app/known_keys.h"

#include <gtest/gtest.h>

#include "directory/key.h"

namespace chaveiro::app {
namespace {

using namespace std::chrono_literals;
namespace dir = directory;

struct Behind final : dir::Registry {
  Result<Registered> register_entry(const Registration&, Deadline) override {
    return fail(Code::unavailable, "Away", "away");
  }
  Result<ForeignEntry> lookup(const dir::ForeignLookup&, Deadline) override {
    return fail(Code::not_found, "NotFound", "none");
  }
  Result<KeysChecked> check_keys(const KeysCheck& check, Deadline) override {
    asked.push_back(check.keys.size());
    KeysChecked checked{.there = {}, .cache_control = "max-age=60"};
    for (const dir::Key& key : check.keys) checked.there.push_back(key.value() != "nobody@example.com");
    return checked;
  }
  std::vector<std::size_t> asked;
};

TEST(KnownKeys, go_to_the_registry_once_while_its_answer_may_be_kept) {
  ManualClock clock;
  chaveiro::Registry metrics;
  const auto known =
      cache::ExistenceCache::make({.ttl = cache::existence_ttl_max}, {.clock = clock, .metrics = metrics}).value();
  Behind behind;
  KnownKeys registry(behind, *known);
  dir::Registry::KeysCheck check{*dir::Ispb::parse("12345678"), "11144477735", {}};
  for (const char* mail : {"ana@example.com", "nobody@example.com", "rui@example.com"})
    check.keys.push_back(*dir::Key::parse(dir::KeyType::email, mail, {}));
  const auto there = [&] { return registry.check_keys(check, Deadline::never()).value().there; };
  const std::vector<bool> truth = {true, false, true};
  EXPECT_EQ(there(), truth);
  EXPECT_EQ(there(), truth);
  EXPECT_EQ(behind.asked, (std::vector<std::size_t>{3, 1})) << "that there is none is never kept";
  clock.advance(60s);
  EXPECT_EQ(there(), truth);
  EXPECT_EQ(behind.asked.back(), 3U);
  check.keys.clear();
  (void)registry.check_keys(check, Deadline::never());
  EXPECT_EQ(behind.asked.back(), 0U) << "what is wrong with the call, the registry says";
}

}  // namespace
}  // namespace chaveiro::app
