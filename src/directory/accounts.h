// directory/accounts.h
//
// The operations on accounts and their holders.
//
// Threads: any number at once; blocking, until the context's deadline.
// Errors:  invalid (fields named), forbidden, not_found "AccountNotFound", conflict "AccountHasEntries", and those of
// Store.
#pragma once

#include "directory/caller.h"
#include "directory/store.h"

namespace chaveiro::directory {

struct CreateAccount {
  Ispb ispb;
  std::optional<std::string> branch;
  std::string number;
  AccountType type = AccountType::cacc;
  UtcTime opened_at{};
  Person holder;
};

// What verify() says: that the account exists and is open, and whether it is held by whom the caller believes.
struct AccountVerification {
  bool exists = false;
  bool open = false;
  bool holder_matches = false;
};

class Accounts {
 public:
  // `reads`: where get() and verify() read; null: the store.
  Accounts(Store& store, const Clock& clock, PersonRules rules, Reads* reads = nullptr)
      : store_(store), reads_(reads != nullptr ? *reads : store), clock_(clock), rules_(rules) {}

  // Repeat-safe: the same account again is answered with the stored one; with another holder it is conflict
  // "AccountExists".
  Result<Account> create(const Context& context, const CreateAccount& request);
  Result<Account> get(const Context& context, const AccountId& id);
  Result<Page<Account>> list(const Context& context, AccountFilter filter, const PageRequest& page);
  // Repeat-safe. Refused while live entries point to it.
  Result<Account> close(const Context& context, const AccountId& id);
  Result<AccountVerification> verify(const Context& context, const AccountId& id, std::string_view holder_tax_id);

 private:
  Store& store_;
  Reads& reads_;
  const Clock& clock_;
  PersonRules rules_;
};

}  // namespace chaveiro::directory
