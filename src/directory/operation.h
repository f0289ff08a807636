// directory/operation.h
//
// What the operations of this room share: deciding again when somebody was faster, request ids, free key slots, and what
// a caller gets to see. Nobody outside includes it.
//
// Threads: pure functions, except replayed(), which reads the store.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "directory/caller.h"
#include "directory/store.h"

namespace chaveiro::directory {

// Runs decide() (read, decide, commit) until it answers something else than Stale, at most four times.
// Errors: those of decide(); conflict "ResourceConflict" where it was Stale each time.
template <class Decide>
auto decide_until_fresh(Decide decide) -> decltype(decide()) {
  constexpr int decisions_max = 4;
  for (int decision = 1;; ++decision) {
    auto answer = decide();
    const bool stale = !answer && answer.error().code == Code::conflict && answer.error().reason == "Stale";
    if (!stale) return answer;
    if (decision == decisions_max) {
      return fail(Code::conflict, "ResourceConflict", "others keep changing the same data; try again shortly");
    }
  }
}

// SHA-256 over the fields of a request, each with its length in front; an absent field differs from an empty one.
Digest body_hash(std::initializer_list<std::optional<std::string_view>> fields);

// The entry that this request made, if it is a repetition; nothing where the id is new.
// Errors: conflict "RequestIdAlreadyUsed" (another body, or the entry has changed since).
Result<std::optional<Entry>> replayed(Store& store, const Ispb& ispb, const RequestUse& request, Deadline deadline);

// The id that the caller gave, or a fresh one. Errors: invalid, for the nil id, which is a forgotten field.
Result<RequestId> request_id_or_fresh(const std::optional<RequestId>& given);

// The account into which a key shall come. Errors: not_found "AccountNotFound", conflict "AccountClosed".
Result<Account> open_account(Store& store, const Ispb& ispb, const AccountId& id, Deadline deadline);

// A slot of the account that no live entry has. Errors: conflict "EntryLimitExceeded".
Result<std::uint8_t> free_slot(Store& store, const Account& account, Deadline deadline);

// May the caller touch this one account of his participant? For lists: which of the accounts that he asks for.
bool sees_account(const Caller& caller, Permission permission, const AccountId& account);
std::optional<std::vector<AccountId>> accounts_seen(const Caller& caller, Permission permission,
                                                    std::optional<std::vector<AccountId>> wanted);

Change change_of(const Context& context, std::string operation, const Ispb& ispb, UtcTime at);

// An entry as it is after its deletion.
Entry deleted(Entry entry, Reason reason, UtcTime at);

}  // namespace chaveiro::directory
