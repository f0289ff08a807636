#include "clients/postgres/consumer_memory.h"
#include "tests/contract/consumer_memory_contract.h"
#include "tests/contract/postgres_home.h"
#include "tests/contract/store_contract.h"
#include "tests/contract/store_contract_events.h"
#include "tests/contract/sync_answers_contract.h"

namespace chaveiro::contract {

namespace {

class InPostgres final : public Home {
 public:
  // The suite's people hold more keys than the rules of the day let them, so that the rule itself is left out here.
  InPostgres() { database_.sql("ALTER TABLE entries DROP CONSTRAINT entries_key_limit"); }
  std::unique_ptr<Store> open() override {
    clients::postgres::PostgresOptions options = database_.options();
    options.keep_events = true;
    auto store = clients::postgres::PostgresStore::open(options, installation_key(), day_one,
                                                        Deadline::in(std::chrono::seconds(30)));
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }
  bool survives() const override { return true; }

 private:
  FreshDatabase database_;
};

const auto maker = testing::Values(StoreMaker{"postgres", [] { return std::make_unique<InPostgres>(); }});
// The pool stands on the database, the memory on the pool.
struct PostgresMemory {
  FreshDatabase database;
  clients::postgres::Pool pool{{.target = target_of(database.url())}};
};
const auto remembering = testing::Values(ConsumerMemoryMaker{
    "postgres", [] {
      auto home = std::make_shared<PostgresMemory>();
      return ConsumerMemoryHome{home, std::make_shared<clients::postgres::ConsumerMemory>(home->pool, "12345678")};
    }});
const auto answering = testing::Values(SyncAnswersMaker{
    {"postgres", [] { return std::make_unique<InPostgres>(); }}, [](Store& store) -> vsync::SyncAnswers& {
      return dynamic_cast<clients::postgres::PostgresStore&>(store).sync_answers();
    }});
const auto name_of = [](const auto& info) { return info.param.name; };

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, StoreCommits, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, StoreLists, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, StoreRecords, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, StoreEvents, maker, name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, ConsumerMemory, remembering, name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, SyncAnswers, answering, name_of);

}  // namespace chaveiro::contract
