#include "cache/map_tier.h"
#include "tests/contract/tier_contract.h"

namespace chaveiro::contract {
namespace {

class InMap final : public TierHome {
 public:
  Tier& tier() override { return tier_; }
  void pass(Micros time) override { clock_.advance(time); }

 private:
  ManualClock clock_;
  cache::MapTier tier_{clock_};
};

const auto maker = testing::Values(TierMaker{"map", [] { return std::make_unique<InMap>(); }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Map, TierContract, maker, name_of);

}  // namespace chaveiro::contract
