#include "clients/memory/store.h"
#include "tests/contract/consumer_memory_contract.h"
#include "tests/contract/store_contract.h"
#include "tests/contract/store_contract_events.h"
#include "tests/contract/sync_answers_contract.h"

namespace chaveiro::contract {

namespace {

class InMemory final : public Home {
 public:
  std::unique_ptr<Store> open() override {
    return std::make_unique<clients::memory::MemoryStore>(installation_key(), "memory",
                                                          clients::memory::MemoryStore::Events::kept);
  }
  bool survives() const override { return false; }
};

const auto maker = testing::Values(StoreMaker{"memory", [] { return std::make_unique<InMemory>(); }});
const auto remembering = testing::Values(
    ConsumerMemoryMaker{"memory", [] { return ConsumerMemoryHome{nullptr, events::memory_consumer_memory()}; }});
const auto answering = testing::Values(
    SyncAnswersMaker{{"memory", [] { return std::make_unique<InMemory>(); }}, [](Store& store) -> vsync::SyncAnswers& {
                       return dynamic_cast<clients::memory::MemoryStore&>(store).sync_answers();
                     }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, StoreCommits, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, StoreLists, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, StoreRecords, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, StoreEvents, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, ConsumerMemory, remembering, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, SyncAnswers, answering, name_of);

}  // namespace chaveiro::contract
