#include "app/cache_levels.h"

#include <filesystem>

#include "base/file.h"
#include "clients/sqlite/cache_tier.h"

namespace chaveiro::app {
namespace {

namespace fs = std::filesystem;
using clients::sqlite::CacheTier;

constexpr auto start_time_max = std::chrono::seconds{30};

class Levels final : public CacheLevels {
 public:
  Levels(std::unique_ptr<CacheTier> third, std::string note) : third_(std::move(third)), note_(std::move(note)) {}

  cache::Tier* l2() override { return nullptr; }
  cache::Tier* l3() override { return third_.get(); }

  Result<void> step(Deadline deadline) override {
    if (third_) TRY_VOID(third_->purge_step(deadline));
    return {};
  }

  Result<void> close(directory::Store& store, bool told_everything, Deadline deadline) override {
    if (!third_ || !told_everything) return {};
    TRY(const std::uint64_t sequence, store.last_sequence(deadline));
    return write_file(note_, std::to_string(sequence), 0600);
  }

 private:
  std::unique_ptr<CacheTier> third_;
  std::string note_;
};

}  // namespace

Result<std::unique_ptr<CacheLevels>> CacheLevels::open(const Settings& settings, const std::string& folder,
                                                       directory::Store& store, const Clock& clock, Logger log) {
  const std::string note = folder + "/cache.position";
  if (!settings.cache_l3_enabled) return std::unique_ptr<CacheLevels>(std::make_unique<Levels>(nullptr, note));
  TRY(auto third, CacheTier::open({.path = folder + "/cache.db"}, clock));
  const Deadline deadline = Deadline::in(start_time_max);
  TRY(const std::uint64_t sequence, store.last_sequence(deadline));
  const auto left = read_file(note, 64);
  std::error_code ignored;
  fs::remove(note, ignored);
  if (!left || *left != std::to_string(sequence)) {
    log.info("the third cache level begins empty", {{"because", left ? "the store has changed since" : "no note"}});
    TRY_VOID(third->clear(deadline));
  }
  return std::unique_ptr<CacheLevels>(std::make_unique<Levels>(std::move(third), note));
}

}  // namespace chaveiro::app
