// tests/contract/store_contract.h
//
// What directory/store.h promises, as sentences that every store must fulfil. A program includes this, says how its store
// is made (a StoreMaker) and instantiates the suites; after each test the audit chain is walked from end to end.
//
// Threads: one test at a time; the tests about many committers start their own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/guarded.h"
#include "directory/chronicle.h"
#include "directory/record_text.h"
#include "tests/contract/samples.h"

namespace chaveiro::contract {

// Where a store lives during one test.
class Home {
 public:
  virtual ~Home() = default;
  virtual std::unique_ptr<Store> open() = 0;
  virtual bool survives() const = 0;  // what was committed is there when it is opened again
};
struct StoreMaker {
  std::string name;
  std::function<std::unique_ptr<Home>()> make;
};

inline const Secret& installation_key() {
  static const Secret key("key of the tests");
  return key;
}

class StoreContract : public testing::TestWithParam<StoreMaker> {
 protected:
  StoreContract() : home(GetParam().make()), store(home->open()) {}

  void TearDown() override {
    if (store == nullptr) return;
    ChainChecker checker("changes");
    ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
    for (const ChainFault& fault : checker.finish()) ADD_FAILURE() << fault.message;
  }

  static Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }

  std::uint64_t must(const Change& change) {
    const auto committed = store->commit(change, soon());
    EXPECT_TRUE(committed) << (committed ? "" : committed.error().message);
    return committed ? committed->sequence : 0;
  }
  void must_be_stale(const Change& change) {
    const auto committed = store->commit(change, soon());
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code, Code::conflict) << committed.error().message;
    EXPECT_EQ(committed.error().reason, "Stale");
  }
  // Stores it and answers it as stored.
  Account stored(Account account) {
    account.version = must(change_of("create_account", {put(account)}));
    return account;
  }
  Entry stored(Entry entry) {
    entry.version = must(change_of("create_entry", {put(entry)}));
    return entry;
  }
  Claim stored(Claim claim) {
    claim.version = must(change_of("start_claim", {put(claim)}));
    return claim;
  }
  template <class T>
  T replaced(const T& before, T after) {
    after.version = must(change_of("update", {put(before, after)}));
    return after;
  }
  Entry removed(const Entry& entry, UtcTime at = day_one) {
    Entry gone = entry;
    gone.status = EntryStatus::deleted;
    gone.deleted_at = at;
    gone.delete_reason = Reason::user_requested;
    return replaced(entry, gone);
  }

  std::unique_ptr<Home> home;
  std::unique_ptr<Store> store;
};

template <class T>
T value_of(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return std::move(result).value();
}
template <class T>
T found_in(Result<std::optional<T>> result) {
  auto value = value_of(std::move(result));
  EXPECT_TRUE(value.has_value());
  return value.value();
}

}  // namespace chaveiro::contract

#include "tests/contract/store_contract_commits.h"
#include "tests/contract/store_contract_lists.h"
#include "tests/contract/store_contract_records.h"
