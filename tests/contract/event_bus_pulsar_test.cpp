// The bus contract on a real Pulsar broker.
#include "base/uuid.h"
#include "clients/pulsar/bus.h"
#include "tests/contract/event_bus_contract.h"
#include "tests/contract/event_consumer_contract.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar;

class OnBroker final : public BusHome {
 public:
  OnBroker() {
    const tests::PulsarBroker broker = tests::pulsar_broker();
    BusOptions options;
    options.client.url = broker.url;
    options.admin.url = broker.admin_url;
    auto made = PulsarBus::make(std::move(options), Logger{});
    CHECK(made.has_value());
    bus_ = std::move(*made);
  }
  Bus& bus() override { return *bus_; }
  std::string topic(const std::string& name) override {
    return "persistent://dict/events/" + name + "-" + to_string(uuid_v4());
  }
  const Clock& clock() override { return clock_; }
  // What shall come meanwhile needs this time where the machine is slow.
  Micros delay() const override { return 4s; }
  Micros silence() const override { return 300ms; }

 private:
  SystemClock clock_;
  std::unique_ptr<PulsarBus> bus_;
};

const auto makers = testing::Values(BusMaker{"pulsar", [] { return std::make_unique<OnBroker>(); }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Broker, EventBus, makers, name_of);
INSTANTIATE_TEST_SUITE_P(Broker, EventConsumer, makers, name_of);

}  // namespace chaveiro::contract
