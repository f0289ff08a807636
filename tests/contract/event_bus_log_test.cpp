// The bus contract on the embedded log, in memory and in files.
#include "events/log/bus.h"
#include "tests/contract/event_bus_contract.h"
#include "tests/contract/event_consumer_contract.h"
#include "tests/contract/temporary_directory.h"

namespace chaveiro::contract {
namespace {

class InMemory final : public BusHome {
 public:
  Bus& bus() override { return *bus_; }
  void pass(Micros time) override {
    clock_.advance(time);
    bus_->poke();
  }
  const Clock& clock() override { return clock_; }

 private:
  ManualClock clock_;
  std::unique_ptr<log::LogBus> bus_ = log::LogBus::in_memory(clock_);
};

class InFiles final : public BusHome {
 public:
  InFiles() {
    log::LogOptions options;
    options.folder = folder_.path() + "/events";
    options.segment_bytes = 64u << 10;  // tests cross many segments
    auto opened = log::LogBus::open(options, disk_, clock_, Logger{});
    CHECK(opened.has_value());
    bus_ = std::move(*opened);
  }
  Bus& bus() override { return *bus_; }
  void pass(Micros time) override {
    clock_.advance(time);
    bus_->poke();
  }
  const Clock& clock() override { return clock_; }

 private:
  TemporaryDirectory folder_;
  log::LocalDisk disk_;
  ManualClock clock_;
  std::unique_ptr<log::LogBus> bus_;
};

const auto makers = testing::Values(BusMaker{"memory", [] { return std::make_unique<InMemory>(); }},
                                    BusMaker{"files", [] { return std::make_unique<InFiles>(); }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Log, EventBus, makers, name_of);
INSTANTIATE_TEST_SUITE_P(Log, EventConsumer, makers, name_of);

}  // namespace chaveiro::contract
