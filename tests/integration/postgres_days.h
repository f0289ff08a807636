// tests/integration/postgres_days.h
//
// What tests of bad days share: a store that is opened or the test ends, a chain that must hold from end to end, and reads that are
// repeated until the server is there again.
//
// Threads: any.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/contract/postgres_home.h"

namespace chaveiro::contract {

using namespace clients::postgres;
using namespace std::chrono_literals;

inline Deadline soon() { return Deadline::in(30s); }

inline PostgresOptions options_of(const std::string& url, const std::string& maintenance = "") {
  PostgresOptions options;
  options.url = Secret(url);
  options.maintenance_url = Secret(maintenance);
  options.served = {our_ispb, other_ispb};
  return options;
}

inline std::unique_ptr<PostgresStore> open(const PostgresOptions& options) {
  auto store = PostgresStore::open(options, person_key(), day_one, soon());
  if (!store) throw std::runtime_error(store.error().message);
  return std::move(*store);
}

inline void expect_whole_chain(Store& store) {
  ChainChecker checker("changes");
  const auto walked = store.each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon());
  ASSERT_TRUE(walked) << walked.error().message;
  for (const ChainFault& fault : checker.finish()) ADD_FAILURE() << fault.message;
}

// Repeats a read until the server is there again.
template <class Ask>
auto when_back(const Ask& ask) {
  const Deadline limit = soon();
  for (;;) {
    auto answer = ask();
    if (answer || limit.expired()) return answer;
    std::this_thread::yield();
  }
}

}  // namespace chaveiro::contract
