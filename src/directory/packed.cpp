#include "directory/packed.h"

#include <cstring>
#include <type_traits>

namespace chaveiro::directory {

struct PackedKey {
  static Key blank() { return Key(KeyType::evp, std::string()); }
  static KeyType& type(Key& key) { return key.type_; }
  static std::string& value(Key& key) { return key.value_; }
  static KeyType type(const Key& key) { return key.type_; }
  static const std::string& value(const Key& key) { return key.value_; }
};

namespace {

constexpr std::size_t text_max = 0xFFFF;

// A text is its length in two bytes and itself; what may be absent begins with one byte that says whether it is there.
class Packer {
 public:
  explicit Packer(std::string& out) : out_(out) {}
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void operator()(const T& value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<std::uint16_t>(std::min(text.size(), text_max)));
    out_.append(text, 0, text_max);
  }
  template <class T>
  void maybe(const std::optional<T>& value) {
    (*this)(static_cast<std::uint8_t>(value.has_value()));
    if (value) (*this)(*value);
  }

 private:
  std::string& out_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : left_(bytes) {}
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void operator()(T& value) {
    if (const char* from = take(sizeof value)) std::memcpy(&value, from, sizeof value);
  }
  void operator()(std::string& text) {
    std::uint16_t size = 0;
    (*this)(size);
    if (const char* from = take(size)) text.assign(from, size);
  }
  template <class T>
  void maybe(std::optional<T>& value) {
    std::uint8_t is_there = 0;
    (*this)(is_there);
    if (is_there == 0) return value.reset();
    if (!value) value.emplace();
    (*this)(*value);
  }
  bool done() const { return whole_ && left_.empty(); }

 private:
  const char* take(std::size_t size) {
    if (size > left_.size()) whole_ = false;
    if (!whole_) return nullptr;
    const char* const from = left_.data();
    left_.remove_prefix(size);
    return from;
  }
  std::string_view left_;
  bool whole_ = true;
};

// Every field of a record, in the order in which they lie.
template <class Each, class ItsAccount>
void fields(Each& each, ItsAccount& account) {
  each(account.id);
  each(account.ispb);
  each.maybe(account.branch);
  each(account.number);
  each(account.type);
  each(account.opened_at);
  each(account.holder.type);
  each(account.holder.tax_id);
  each(account.holder.name);
  each.maybe(account.holder.trade_name);
  each(account.status);
  each(account.created_at);
  each(account.updated_at);
  each(account.version);
}

template <class Each, class ItsEntry>
void entry_fields(Each& each, ItsEntry& entry) {
  each(entry.id);
  auto&& type = PackedKey::type(entry.key);
  each(type);
  each(PackedKey::value(entry.key));
  fields(each, entry.account);
  each(entry.status);
  each(entry.request_id);
  each(entry.slot);
  each(entry.created_at);
  each(entry.owned_since);
  each(entry.updated_at);
  each.maybe(entry.open_claim);
  each.maybe(entry.block_order);
  each.maybe(entry.deleted_at);
  each.maybe(entry.delete_reason);
  each(entry.version);
}

template <class Each, class ItsClaim>
void claim_fields(Each& each, ItsClaim& claim) {
  each(claim.id);
  each.maybe(claim.registry_id);
  each(claim.type);
  auto&& type = PackedKey::type(claim.key);
  each(type);
  each(PackedKey::value(claim.key));
  each(claim.donor_entry);
  each(claim.donor);
  fields(each, claim.claimer_account);
  each(claim.status);
  each(claim.created_at);
  each(claim.resolution_end);
  each.maybe(claim.completion_end);
  each(claim.claimer_deadline);
  each(claim.updated_at);
  each(claim.donor_owned_since);
  each.maybe(claim.confirm_reason);
  each.maybe(claim.cancel_reason);
  each.maybe(claim.cancelled_by);
  each.maybe(claim.ended_at);
  each.maybe(claim.complete_request);
  each.maybe(claim.completed_entry);
  each(claim.version);
}

}  // namespace

void pack(const Entry& entry, std::string& out) {
  Packer each(out);
  entry_fields(each, entry);
}

void pack(const Account& account, std::string& out) {
  Packer each(out);
  fields(each, account);
}

void pack(const Claim& claim, std::string& out) {
  Packer each(out);
  claim_fields(each, claim);
}

bool unpack(std::string_view bytes, Entry& out) {
  Unpacker each(bytes);
  entry_fields(each, out);
  return each.done();
}

bool unpack(std::string_view bytes, Account& out) {
  Unpacker each(bytes);
  fields(each, out);
  return each.done();
}

bool unpack(std::string_view bytes, Claim& out) {
  Unpacker each(bytes);
  claim_fields(each, out);
  return each.done();
}

Entry blank_entry() { return Entry{.id = {}, .key = PackedKey::blank(), .account = {}}; }
Claim blank_claim() {
  return Claim{
      .id = {}, .registry_id = {}, .key = PackedKey::blank(), .donor_entry = {}, .donor = {}, .claimer_account = {}};
}

}  // namespace chaveiro::directory
