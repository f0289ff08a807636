#include "clients/sqlite/consumer_memory.h"
#include "clients/sqlite/store.h"
#include "tests/contract/consumer_memory_contract.h"
#include "tests/contract/store_contract.h"
#include "tests/contract/store_contract_events.h"
#include "tests/contract/sync_answers_contract.h"
#include "tests/contract/temporary_directory.h"

namespace chaveiro::contract {

namespace {

class InAFile final : public Home {
 public:
  std::unique_ptr<Store> open() override {
    clients::sqlite::SqliteOptions options;
    options.path = directory_.path() + "/chaveiro.db";
    options.cache_bytes = 4u << 20;
    options.keep_events = true;
    auto store = clients::sqlite::SqliteStore::open(options, installation_key(), day_one);
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }
  bool survives() const override { return true; }

 private:
  TemporaryDirectory directory_;
};

const auto maker = testing::Values(StoreMaker{"sqlite", [] { return std::make_unique<InAFile>(); }});
const auto remembering = testing::Values(
    ConsumerMemoryMaker{"sqlite", [] {
                          auto folder = std::make_shared<TemporaryDirectory>();
                          auto memory = clients::sqlite::SqliteConsumerMemory::open(folder->path() + "/consumers.db");
                          if (!memory) throw std::runtime_error(memory.error().message);
                          return ConsumerMemoryHome{std::move(folder), std::move(*memory)};
                        }});
const auto answering = testing::Values(
    SyncAnswersMaker{{"sqlite", [] { return std::make_unique<InAFile>(); }}, [](Store& store) -> vsync::SyncAnswers& {
                       return dynamic_cast<clients::sqlite::SqliteStore&>(store).sync_answers();
                     }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreCommits, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, StoreLists, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, StoreRecords, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, StoreEvents, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, ConsumerMemory, remembering, name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, SyncAnswers, answering, name_of);

}  // namespace chaveiro::contract
