#include "clients/sqlite/store.h"
#include "tests/contract/temporary_directory.h"
#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {

std::shared_ptr<Store> new_store(const Secret& installation_key) {
  struct Place {
    contract::TemporaryDirectory directory;  // outlives the store that lies in it
    std::unique_ptr<clients::sqlite::SqliteStore> store;
  };
  const auto place = std::make_shared<Place>();
  const clients::sqlite::SqliteOptions options{.path = place->directory.path() + "/chaveiro.db",
                                               .cache_bytes = 1u << 20,
                                               .check = clients::sqlite::SqliteOptions::Check::none};
  place->store = clients::sqlite::SqliteStore::open(options, installation_key, UtcTime{}).value();
  return {place, place->store.get()};
}

}  // namespace chaveiro::directory
