// directory/entry.h
//
// An entry: a key bound to an account and its owner at one participant. At most one live entry exists for a key.
//
//   (none) --create--> PENDING --registry says yes--> ACTIVE <--unblock/block--> BLOCKED --…--> DELETED
//
// PENDING is left at once where the registry answers in place (the embedded authority). A blocked entry (court order,
// Manual §1.1) can be neither looked up, changed, deleted nor claimed. DELETED is final: a key registered again is a
// new entry.
//
// Threads: plain values.
// Source:  API DICT 2.6.1, schemas ExtendedEntry, EntryOperationReason and its table; Manual Operacional §1.1, §2–§4.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "directory/account.h"
#include "directory/key.h"

namespace chaveiro::directory {

enum class EntryStatus : std::uint8_t { pending = 1, active, blocked, deleted };
std::string_view to_string(EntryStatus status);  // PENDING ACTIVE BLOCKED DELETED
std::optional<EntryStatus> entry_status_of(std::string_view text);

enum class Reason : std::uint8_t {
  user_requested = 1,
  account_closure,
  branch_transfer,
  reconciliation,
  fraud,
  rfb_validation,
  default_operation,  // claims only
};
std::string_view to_string(Reason reason);  // USER_REQUESTED …
std::optional<Reason> reason_of(std::string_view text);

// A claim that is OPEN or WAITING_RESOLUTION on the entry's key.
struct OpenClaim {
  ClaimId id;
  UtcTime created_at{};
  bool portability = false;  // else ownership
  bool operator==(const OpenClaim&) const = default;
};

struct Entry {
  EntryId id;
  Key key;
  Account account;  // as it stood when the entry was last written; `account.holder` is the owner of the key
  EntryStatus status = EntryStatus::pending;
  RequestId request_id;  // of the creation (or of completeClaim); the CID is made with it, also after updates
  std::uint8_t slot =
      0;  // 0 … keys_max-1, unique among the live entries of an account: what makes the limit hold in a store
  UtcTime created_at{};   // registration at this participant
  UtcTime owned_since{};  // start of the owner's uninterrupted possession; survives portability
  UtcTime updated_at{};
  std::optional<OpenClaim> open_claim;
  std::optional<std::string> block_order;  // the court order that last blocked or unblocked it
  std::optional<UtcTime> deleted_at;
  std::optional<Reason> delete_reason;
  std::uint64_t version = 0;  // sequence of the commit that wrote it; 0: not stored yet

  const Ispb& ispb() const { return account.ispb; }
  const Person& owner() const { return account.holder; }
  bool live() const { return status != EntryStatus::deleted; }
  bool operator==(const Entry&) const = default;
};

// The official table of operations and reasons. Errors: invalid, reason InvalidReason.
enum class EntryOperation : std::uint8_t { create, update, remove };
Result<void> check_reason(EntryOperation operation, KeyType key_type, Reason reason);

// What names a court order: 1 to 100 bytes of UTF-8 without control characters. Errors: invalid, naming `field`.
Result<void> check_block_order(std::string_view order, std::string field = "order");

}  // namespace chaveiro::directory
