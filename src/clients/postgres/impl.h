// clients/postgres/impl.h
//
// What a PostgresStore holds, shared by the files that implement it: lifecycle (store.cpp), reads (reads.cpp), lists (lists.cpp), the audit
// (records.cpp), erasure and retention (retention.cpp).
//
// Threads: the parts guard themselves.
#pragma once

#include "clients/postgres/consumer_memory.h"
#include "clients/postgres/events.h"
#include "clients/postgres/replica.h"
#include "clients/postgres/rows.h"
#include "clients/postgres/store.h"

namespace chaveiro::clients::postgres {

struct PostgresStore::Impl {
  PostgresOptions options;
  Secret installation_key;
  std::string ispbs;  // all that are served, as row-level security wants them
  Pool pool;
  KeyReads keys;  // outlives the pipeline, whose end answers what was under way
  Pipeline pipeline;
  Writer writer;
  StoredEvents events;
  StoredSyncAnswers sync_answers;
  ConsumerMemory consumers;
  std::unique_ptr<Notices> notices;
  std::unique_ptr<Replica> replica;  // null: there is none

  Impl(const PostgresOptions& given, const Secret& key, const std::string& list);
  Target maintenance() const;
};

// "12345678,87654321"
std::string list_of(std::span<const directory::Ispb> ispbs);
Target target_of(const Secret& url);

template <class T>
Result<std::optional<T>> first_row(const Result<Rows>& rows, Result<T> (*read)(Row)) {
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<T>();
  auto value = read((*rows)[0]);
  if (!value) return std::move(value).error();
  return std::optional<T>(std::move(*value));
}

template <class T>
Result<std::vector<T>> all_rows(const Result<Rows>& rows, Result<T> (*read)(Row)) {
  if (!rows) return rows.error();
  std::vector<T> all;
  all.reserve(rows->size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    auto value = read((*rows)[i]);
    if (!value) return std::move(value).error();
    all.push_back(std::move(*value));
  }
  return all;
}

}  // namespace chaveiro::clients::postgres
