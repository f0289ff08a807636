// clients/sqlite/reader_pool.h
//
// A fixed number of connections for reading, lent one at a time. Each read sees the last commit that was answered
// before it began.
//
// Threads: any.
// Errors:  deadline, where none became free in time.
#pragma once

#include <memory>
#include <vector>

#include "base/guarded.h"
#include "clients/sqlite/connection.h"

namespace chaveiro::clients::sqlite {

class ReaderPool {
 public:
  explicit ReaderPool(std::vector<std::unique_ptr<Connection>> connections);

  // A connection on loan; it goes back by itself. Statements on it stop at the deadline.
  class Loan {
   public:
    Loan(ReaderPool& pool, Connection* connection) : pool_(&pool), connection_(connection) {}
    Loan(Loan&& other) noexcept : pool_(other.pool_), connection_(std::exchange(other.connection_, nullptr)) {}
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (connection_ != nullptr) pool_->take_back(connection_);
    }
    Connection* operator->() const { return connection_; }
    Connection& operator*() const { return *connection_; }

   private:
    ReaderPool* pool_;
    Connection* connection_;
  };
  Result<Loan> borrow(Deadline deadline);

 private:
  void take_back(Connection* connection);

  std::vector<std::unique_ptr<Connection>> connections_;
  Guarded<std::vector<Connection*>> free_;
};

}  // namespace chaveiro::clients::sqlite
