#include "clients/sqlite/reader_pool.h"

namespace chaveiro::clients::sqlite {

ReaderPool::ReaderPool(std::vector<std::unique_ptr<Connection>> connections) : connections_(std::move(connections)) {
  free_.with([this](std::vector<Connection*>& free) {
    for (const auto& connection : connections_) free.push_back(connection.get());
  });
}

Result<ReaderPool::Loan> ReaderPool::borrow(Deadline deadline) {
  if (deadline.expired()) return fail(Code::deadline, "Deadline", "the time ran out before the store was read");
  Connection* connection = nullptr;
  {
    auto free = free_.lock();
    if (!free.wait(deadline, [](const std::vector<Connection*>& it) { return !it.empty(); }))
      return fail(Code::deadline, "Deadline", "no reader of the store became free in time");
    connection = free->back();
    free->pop_back();
  }
  connection->limit(deadline);
  return Loan(*this, connection);
}

void ReaderPool::take_back(Connection* connection) {
  connection->limit(Deadline::never());
  free_.with([&](std::vector<Connection*>& free) { free.push_back(connection); });
  free_.notify_one();
}

}  // namespace chaveiro::clients::sqlite
