// clients/sqlite/impl.h
//
// What a SqliteStore holds, shared by the files that implement it: lifecycle (store.cpp), reads (reads.cpp), lists
// (lists.cpp), the audit (records.cpp), erasure and retention (retention.cpp).
//
// Threads: the parts guard themselves.
#pragma once

#include "clients/sqlite/events.h"
#include "clients/sqlite/lock_holder.h"
#include "clients/sqlite/reader_pool.h"
#include "clients/sqlite/rows.h"
#include "clients/sqlite/store.h"
#include "clients/sqlite/writer.h"

namespace chaveiro::clients::sqlite {

struct SqliteStore::Impl {
  SqliteOptions options;
  Secret installation_key;
  UseLock lock;  // ends last: until then the file is in use
  std::unique_ptr<ReaderPool> readers;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<StoredEvents> events;
  std::unique_ptr<StoredSyncAnswers> sync_answers;
};

// The first row of a statement that has its values, or nothing.
template <class T>
Result<std::optional<T>> first_row(Statement& statement, Result<T> (*read)(Statement&)) {
  TRY(const bool row, statement.step());
  if (!row) return std::optional<T>();
  auto value = read(statement);
  statement.reset();
  if (!value) return std::move(value).error();
  return std::optional<T>(std::move(*value));
}

// All rows of it.
template <class T>
Result<std::vector<T>> all_rows(Statement& statement, Result<T> (*read)(Statement&)) {
  std::vector<T> rows;
  for (;;) {
    TRY(const bool row, statement.step());
    if (!row) return rows;
    auto value = read(statement);
    if (!value) {
      statement.reset();
      return std::move(value).error();
    }
    rows.push_back(std::move(*value));
  }
}

}  // namespace chaveiro::clients::sqlite
