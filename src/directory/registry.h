// directory/registry.h
//
// The directory of the central bank, as far as this room needs it. The embedded authority knows no keys but our own;
// the bridge to the official API takes its place later.
//
// Threads: any number at once.
// Errors:  every call: deadline, unavailable, exhausted; maybe_applied for the calls that change something.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "directory/claim.h"

namespace chaveiro::directory {

// Whether somebody waits for the answer. Where there is too much to do, batches come last.
enum class Urgency : std::uint8_t { interactive = 1, batch };

struct ForeignLookup {
  Key key;
  Ispb requesting;
  std::string payer_id;       // CPF or CNPJ of the payer, digits only
  std::string end_to_end_id;  // the one that the payment order will carry
  Urgency urgency = Urgency::interactive;
};

class Registry {
 public:
  virtual ~Registry() = default;

  // Registers a key. For an EVP `key` is absent and the answer holds the one that the registry made.
  struct Registration {
    RequestId request;
    KeyType key_type;
    std::optional<Key> key;
    Account account;
    std::optional<ClaimId> completes;    // set where the registration is the end of that claim (completeClaim)
    std::optional<UtcTime> owned_since;  // a portability carries the owner's date over; absent: possession starts now
  };
  struct Registered {
    Key key;
    UtcTime created_at{};
    UtcTime owned_since{};
  };
  virtual Result<Registered> register_entry(const Registration& registration, Deadline deadline) = 0;

  // An entry of another participant, with what its registry says about keeping it.
  struct ForeignEntry {
    Entry entry;
    std::string cache_control = {};  // header field of the answer; empty: there was none, and it is not kept
    std::chrono::seconds age{0};     // field Age
  };
  // Whose key is it, if it is not ours? Errors: not_found "NotFound", conflict "EntryBlocked", exhausted "RateLimited".
  virtual Result<ForeignEntry> lookup(const ForeignLookup& lookup, Deadline deadline) = 0;

  // Which of these keys, 1 to 200 of them, have an entry anywhere: for a list of payees that a user brings. The answer is not for the
  // user's eyes. Errors: unavailable "NotSupported" (this registry does not tell), exhausted "KeysCheckLimitExceeded".
  struct KeysCheck {
    Ispb requesting;
    std::string user_id;  // CPF or CNPJ, digits only
    std::vector<Key> keys;
  };
  static constexpr std::size_t keys_max = 200;
  struct KeysChecked {
    std::vector<bool> there;         // one for each key, in their order
    UtcTime answered_at{};           // the registry's date
    std::string cache_control = {};  // as of a ForeignEntry: how long it may be kept that a key is there
    std::chrono::seconds age{0};
  };
  virtual Result<KeysChecked> check_keys(const KeysCheck& check, Deadline deadline);

  // How full the registry's own buckets of this participant are. Errors: unavailable "NotSupported".
  struct PolicyState {
    std::string name;
    std::int64_t available = 0;
    std::int64_t capacity = 0;
  };
  virtual Result<std::vector<PolicyState>> policies(const Ispb& participant, Deadline deadline);
};

// Makes EVPs, says yes to every registration and knows no foreign key.
class EmbeddedRegistry final : public Registry {
 public:
  explicit EmbeddedRegistry(const Clock& clock) : clock_(clock) {}
  Result<Registered> register_entry(const Registration& registration, Deadline deadline) override;
  Result<ForeignEntry> lookup(const ForeignLookup& lookup, Deadline deadline) override;
  Result<KeysChecked> check_keys(const KeysCheck& check, Deadline deadline) override;

 private:
  const Clock& clock_;
};

}  // namespace chaveiro::directory
