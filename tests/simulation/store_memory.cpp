#include "clients/memory/store.h"
#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {

std::shared_ptr<Store> new_store(const Secret& installation_key) {
  return std::make_shared<clients::memory::MemoryStore>(installation_key);
}

}  // namespace chaveiro::directory
