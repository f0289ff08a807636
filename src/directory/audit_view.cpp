#include "directory/audit_view.h"

#include <boost/json.hpp>
#include <map>

#include "base/mask.h"
#include "directory/key.h"
#include "directory/names.h"

namespace chaveiro::directory {
namespace {

namespace json = boost::json;

constexpr std::size_t cpf_length = 11;

constexpr Names<AuditContent, 4> contents{{{AuditContent::full, "FULL"},
                                           {AuditContent::masked, "MASKED"},
                                           {AuditContent::erased, "ERASED"},
                                           {AuditContent::damaged, "DAMAGED"}}};

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

// In the member's place: object[name] would move all members, and views of them with it.
void replace(json::object& object, std::string_view name, std::string (*mask)(std::string_view)) {
  json::value* value = object.if_contains(name);
  json::string* text = value != nullptr ? value->if_string() : nullptr;
  if (text != nullptr && !text->empty()) *text = mask(std::string_view(*text));
}

// A CNPJ and a key that was made at random name nobody.
void mask_members(json::object& object) {
  if (text_of(object, "tax_id").size() == cpf_length) {
    replace(object, "tax_id", mask_cpf);
    replace(object, "name", mask_name);
    replace(object, "trade_name", mask_name);
  }
  const std::string key_type(text_of(object, "key_type"));
  if (key_type == to_string(KeyType::cpf)) replace(object, "key", mask_cpf);
  if (key_type == to_string(KeyType::email)) replace(object, "key", mask_email);
  if (key_type == to_string(KeyType::phone)) replace(object, "key", mask_phone);
  for (auto& member : object)
    if (json::object* inner = member.value().if_object()) mask_members(*inner);
}

// Changes are; what a note of the administration says is not.
bool is_sealed(const AuditRecord& record) {
  const std::string_view type = record.resource_type;
  return type == "account" || type == "entry" || type == "claim";
}

class Opener {
 public:
  Opener(Store& store, AuditDetail detail, Deadline deadline) : store_(store), detail_(detail), deadline_(deadline) {}

  Result<AuditView> open(AuditRecord record) {
    AuditView view{.record = std::move(record)};
    if (!is_sealed(view.record)) {
      view.after = view.record.after;
      return view;
    }
    TRY(const std::optional<SealKey> key, key_of(view.record.person));
    if (!key) {
      view.content = AuditContent::erased;
      return view;
    }
    view.content = detail_ == AuditDetail::full ? AuditContent::full : AuditContent::masked;
    const auto before = open_side(view.record, view.record.before, AuditSide::before, *key);
    const auto after = open_side(view.record, view.record.after, AuditSide::after, *key);
    if (before && after) {
      view.before = *before;
      view.after = *after;
    } else {
      // Whole, and yet it does not open: the person was erased, and came back later under a new key.
      const bool whole = chain_hash(view.record) == view.record.hash;
      view.content = whole ? AuditContent::erased : AuditContent::damaged;
    }
    return view;
  }

 private:
  Result<std::optional<SealKey>> key_of(const Digest& person) {
    if (const auto known = keys_.find(person); known != keys_.end()) return known->second;
    TRY(const std::optional<SealKey> key, store_.seal_key(person, deadline_));
    keys_.emplace(person, key);
    return key;
  }

  Result<std::optional<std::string>> open_side(const AuditRecord& record, std::string_view sealed, AuditSide side,
                                               const SealKey& key) const {
    if (sealed.empty()) return std::optional<std::string>();
    TRY(std::string text, unseal(key, sealed, seal_context(record, side)));
    if (detail_ == AuditDetail::masked) {
      TRY(text, masked_record_text(text));
    }
    return std::optional<std::string>(std::move(text));
  }

  Store& store_;
  const AuditDetail detail_;
  const Deadline deadline_;
  std::map<Digest, std::optional<SealKey>> keys_;
};

}  // namespace

std::string_view to_string(AuditContent content) { return name_of(contents, content); }

Result<std::string> masked_record_text(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) return fail(Code::corrupt, "Record", "the record is no JSON object");
  mask_members(value.get_object());
  return json::serialize(value);
}

Result<Page<AuditView>> shown(Store& store, Page<AuditRecord> page, AuditDetail detail, Deadline deadline) {
  Opener opener(store, detail, deadline);
  Page<AuditView> views{.items = {}, .next = page.next, .total = page.total};
  views.items.reserve(page.items.size());
  for (AuditRecord& record : page.items) {
    TRY(AuditView view, opener.open(std::move(record)));
    views.items.push_back(std::move(view));
  }
  return views;
}

}  // namespace chaveiro::directory
