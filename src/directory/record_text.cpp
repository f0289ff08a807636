#include "directory/record_text.h"

#include <boost/json.hpp>
#include <charconv>
#include <vector>

#include "base/encoding.h"
#include "base/text.h"
#include "directory/anchor_text.h"

namespace chaveiro::directory {

// Times are whole microseconds since 1970 (UTC), enumerations their official texts, ids their UUID. What is absent is
// left out.
namespace {

namespace json = boost::json;

class TextOut {
 public:
  TextOut() { out_.reserve(768); }

  void begin(std::string_view name = {}) {
    if (!name.empty()) field(name);
    out_.push_back('{');
    first_ = true;
  }
  void end() {
    out_.push_back('}');
    first_ = false;
  }
  void put(std::string_view name, std::string_view value) {
    field(name);
    out_.push_back('"');
    append_json_escaped(out_, value);
    out_.push_back('"');
  }
  void put(std::string_view name, const std::string& value) { put(name, std::string_view(value)); }
  void put(std::string_view name, std::uint64_t value) { number(name, value); }
  void put(std::string_view name, UtcTime value) { number(name, value.time_since_epoch().count()); }
  void put(std::string_view name, bool value) {
    field(name);
    out_.append(value ? "true" : "false");
  }
  template <class Tag>
  void put(std::string_view name, const Id<Tag>& value) {
    plain(name, to_string(value.uuid));
  }
  void put(std::string_view name, const Ispb& value) { put(name, value.view()); }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void put(std::string_view name, Enum value) {
    plain(name, to_string(value));
  }
  template <class T>
  void put(std::string_view name, const std::optional<T>& value) {
    if (value) put(name, *value);
  }
  std::string take() { return std::move(out_); }

 private:
  void field(std::string_view name) {
    if (!first_) out_.push_back(',');
    first_ = false;
    out_.push_back('"');
    out_.append(name);
    out_.append("\":");
  }
  void plain(std::string_view name, std::string_view value) {
    field(name);
    out_.push_back('"');
    out_.append(value);
    out_.push_back('"');
  }
  template <class Number>
  void number(std::string_view name, Number value) {
    field(name);
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
  }

  std::string out_;
  bool first_ = true;
};

void put_account(TextOut& out, std::string_view name, const Account& account) {
  out.begin(name);
  out.put("id", account.id);
  out.put("ispb", account.ispb);
  out.put("branch", account.branch);
  out.put("number", account.number);
  out.put("type", account.type);
  out.put("opened_at", account.opened_at);
  out.begin("holder");
  out.put("type", account.holder.type);
  out.put("tax_id", account.holder.tax_id);
  out.put("name", account.holder.name);
  out.put("trade_name", account.holder.trade_name);
  out.end();
  out.put("status", account.status);
  out.put("created_at", account.created_at);
  out.put("updated_at", account.updated_at);
  out.put("version", account.version);
  out.end();
}

void put_key(TextOut& out, const Key& key) {
  out.put("key_type", key.type());
  out.put("key", key.value());
}

// The fields of one JSON object. The first thing that is wrong is kept; all later calls answer empty values.
class Fields {
 public:
  Fields(const json::object& object, std::string path, std::optional<Error>& fault)
      : object_(object), path_(std::move(path)), fault_(fault) {}

  const json::value* find(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value != nullptr) taken_.push_back(name);
    return value;
  }
  const json::value* need(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr) wrong(name, "is missing");
    return value;
  }
  void wrong(std::string_view name, std::string_view what) {
    if (!fault_) fault_ = fail(Code::corrupt, "Record", "field " + path_ + std::string(name) + " " + std::string(what));
  }

  std::string text(std::string_view name) { return text_in(name, need(name)); }
  std::optional<std::string> text_if(std::string_view name) {
    const json::value* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(text_in(name, value));
  }
  std::uint64_t number(std::string_view name) {
    const json::value* value = need(name);
    if (value == nullptr) return 0;
    if (value->is_uint64()) return value->get_uint64();
    if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
    wrong(name, "is not a whole number");
    return 0;
  }
  UtcTime time(std::string_view name) { return time_in(name, need(name)); }
  std::optional<UtcTime> time_if(std::string_view name) {
    const json::value* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(time_in(name, value));
  }
  bool flag(std::string_view name) {
    const json::value* value = need(name);
    if (value == nullptr) return false;
    if (!value->is_bool()) wrong(name, "is neither true nor false");
    return value->is_bool() && value->get_bool();
  }
  template <class IdType>
  IdType id(std::string_view name) {
    return id_in<IdType>(name, need(name));
  }
  template <class IdType>
  std::optional<IdType> id_if(std::string_view name) {
    const json::value* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(id_in<IdType>(name, value));
  }
  Ispb ispb(std::string_view name) {
    const auto parsed = Ispb::parse(text(name));
    if (!parsed) wrong(name, "is no ISPB");
    return parsed ? *parsed : Ispb{};
  }
  template <class Enum>
  Enum one_of(std::string_view name, std::optional<Enum> (*read)(std::string_view)) {
    return one_in(name, need(name), read);
  }
  template <class Enum>
  std::optional<Enum> one_of_if(std::string_view name, std::optional<Enum> (*read)(std::string_view)) {
    const json::value* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(one_in(name, value, read));
  }
  // The fields of the object under `name`; of an empty one where there is none.
  Fields object(std::string_view name) { return object_in(name, need(name)); }
  std::optional<Fields> object_if(std::string_view name) {
    const json::value* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(object_in(name, value));
  }
  // Call when all fields are taken: any other is a fault.
  void end() {
    if (taken_.size() == object_.size()) return;
    for (const auto& field : object_) {
      const std::string_view name(field.key());
      if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) wrong(name, "is not known");
    }
  }

 private:
  Fields object_in(std::string_view name, const json::value* value) {
    static const json::object none;
    const bool good = value != nullptr && value->is_object();
    if (value != nullptr && !good) wrong(name, "is no object");
    return Fields(good ? value->get_object() : none, path_ + std::string(name) + ".", fault_);
  }
  std::string text_in(std::string_view name, const json::value* value) {
    if (value == nullptr) return {};
    if (!value->is_string()) {
      wrong(name, "is no text");
      return {};
    }
    return std::string(value->get_string());
  }
  UtcTime time_in(std::string_view name, const json::value* value) {
    if (value == nullptr) return {};
    if (!value->is_int64()) wrong(name, "is no time in microseconds");
    return value->is_int64() ? UtcTime(Micros(value->get_int64())) : UtcTime{};
  }
  template <class IdType>
  IdType id_in(std::string_view name, const json::value* value) {
    const auto parsed = IdType::parse(text_in(name, value));
    if (!parsed) wrong(name, "is no UUID");
    return parsed ? *parsed : IdType{};
  }
  template <class Enum>
  Enum one_in(std::string_view name, const json::value* value, std::optional<Enum> (*read)(std::string_view)) {
    const std::optional<Enum> one = read(text_in(name, value));
    if (!one) wrong(name, "is none of the known names");
    return one.value_or(Enum{});
  }

  const json::object& object_;
  std::string path_;
  std::optional<Error>& fault_;
  std::vector<std::string_view> taken_;
};

Account account_in(Fields fields) {
  Account account;
  account.id = fields.id<AccountId>("id");
  account.ispb = fields.ispb("ispb");
  account.branch = fields.text_if("branch");
  account.number = fields.text("number");
  account.type = fields.one_of("type", account_type_of);
  account.opened_at = fields.time("opened_at");
  Fields holder = fields.object("holder");
  account.holder.type = holder.one_of("type", person_type_of);
  account.holder.tax_id = holder.text("tax_id");
  account.holder.name = holder.text("name");
  account.holder.trade_name = holder.text_if("trade_name");
  holder.end();
  account.status = fields.one_of("status", account_status_of);
  account.created_at = fields.time("created_at");
  account.updated_at = fields.time("updated_at");
  account.version = fields.number("version");
  fields.end();
  return account;
}

Key key_in(Fields& fields) {
  const KeyType type = fields.one_of("key_type", key_type_of);
  auto key = Key::parse(type, fields.text("key"), KeyRules{.check_digits = false});
  if (key) return std::move(*key);
  fields.wrong("key", "does not have the form of its type");
  return *Key::parse(KeyType::evp, "00000000-0000-4000-8000-000000000000", KeyRules{});
}

// Parses one line and hands its fields to `read`; whatever went wrong on the way is the answer.
template <class Read>
auto parse_object(std::string_view text, Read read) -> Result<decltype(read(std::declval<Fields>()))> {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error || !value.is_object()) return fail(Code::corrupt, "Record", "the record is no JSON object");
  std::optional<Error> fault;
  auto result = read(Fields(value.get_object(), "", fault));
  if (fault) return std::move(*fault);
  return result;
}

}  // namespace

std::string record_text(const Account& account) {
  TextOut out;
  put_account(out, {}, account);
  return out.take();
}

std::string record_text(const Entry& entry) {
  TextOut out;
  out.begin();
  out.put("id", entry.id);
  put_key(out, entry.key);
  put_account(out, "account", entry.account);
  out.put("status", entry.status);
  out.put("request_id", entry.request_id);
  out.put("slot", static_cast<std::uint64_t>(entry.slot));
  out.put("created_at", entry.created_at);
  out.put("owned_since", entry.owned_since);
  out.put("updated_at", entry.updated_at);
  if (entry.open_claim) {
    out.begin("open_claim");
    out.put("id", entry.open_claim->id);
    out.put("created_at", entry.open_claim->created_at);
    out.put("portability", entry.open_claim->portability);
    out.end();
  }
  out.put("block_order", entry.block_order);
  out.put("deleted_at", entry.deleted_at);
  out.put("delete_reason", entry.delete_reason);
  out.put("version", entry.version);
  out.end();
  return out.take();
}

std::string record_text(const Claim& claim) {
  TextOut out;
  out.begin();
  out.put("id", claim.id);
  out.put("registry_id", claim.registry_id);
  out.put("type", claim.type);
  put_key(out, claim.key);
  out.put("donor_entry", claim.donor_entry);
  out.put("donor", claim.donor);
  put_account(out, "claimer_account", claim.claimer_account);
  out.put("status", claim.status);
  out.put("created_at", claim.created_at);
  out.put("resolution_end", claim.resolution_end);
  out.put("completion_end", claim.completion_end);
  out.put("claimer_deadline", claim.claimer_deadline);
  out.put("updated_at", claim.updated_at);
  out.put("donor_owned_since", claim.donor_owned_since);
  out.put("confirm_reason", claim.confirm_reason);
  out.put("cancel_reason", claim.cancel_reason);
  out.put("cancelled_by", claim.cancelled_by);
  out.put("ended_at", claim.ended_at);
  out.put("complete_request", claim.complete_request);
  out.put("completed_entry", claim.completed_entry);
  out.put("version", claim.version);
  out.end();
  return out.take();
}

Result<Account> parse_account_record(std::string_view text) {
  return parse_object(text, [](Fields fields) { return account_in(std::move(fields)); });
}

Result<Entry> parse_entry_record(std::string_view text) {
  return parse_object(text, [](Fields fields) {
    Entry entry{.id = fields.id<EntryId>("id"), .key = key_in(fields), .account = account_in(fields.object("account"))};
    entry.status = fields.one_of("status", entry_status_of);
    entry.request_id = fields.id<RequestId>("request_id");
    const std::uint64_t slot = fields.number("slot");
    if (slot > 31) fields.wrong("slot", "is out of range");
    entry.slot = static_cast<std::uint8_t>(slot & 31);
    entry.created_at = fields.time("created_at");
    entry.owned_since = fields.time("owned_since");
    entry.updated_at = fields.time("updated_at");
    if (auto claim = fields.object_if("open_claim")) {
      OpenClaim open{claim->id<ClaimId>("id"), claim->time("created_at"), claim->flag("portability")};
      claim->end();
      entry.open_claim = open;
    }
    entry.block_order = fields.text_if("block_order");
    entry.deleted_at = fields.time_if("deleted_at");
    entry.delete_reason = fields.one_of_if("delete_reason", reason_of);
    entry.version = fields.number("version");
    fields.end();
    return entry;
  });
}

Result<Claim> parse_claim_record(std::string_view text) {
  return parse_object(text, [](Fields fields) {
    const auto id = fields.id<ClaimId>("id");
    auto registry_id = fields.text_if("registry_id");
    const ClaimType type = fields.one_of("type", claim_type_of);
    Claim claim{.id = id, .registry_id = std::move(registry_id), .type = type, .key = key_in(fields)};
    claim.donor_entry = fields.id<EntryId>("donor_entry");
    claim.donor = fields.ispb("donor");
    claim.claimer_account = account_in(fields.object("claimer_account"));
    claim.status = fields.one_of("status", claim_status_of);
    claim.created_at = fields.time("created_at");
    claim.resolution_end = fields.time("resolution_end");
    claim.completion_end = fields.time_if("completion_end");
    claim.claimer_deadline = fields.time("claimer_deadline");
    claim.updated_at = fields.time("updated_at");
    claim.donor_owned_since = fields.time("donor_owned_since");
    claim.confirm_reason = fields.one_of_if("confirm_reason", reason_of);
    claim.cancel_reason = fields.one_of_if("cancel_reason", reason_of);
    claim.cancelled_by = fields.one_of_if("cancelled_by", claim_role_of);
    claim.ended_at = fields.time_if("ended_at");
    claim.complete_request = fields.id_if<RequestId>("complete_request");
    claim.completed_entry = fields.id_if<EntryId>("completed_entry");
    claim.version = fields.number("version");
    fields.end();
    return claim;
  });
}

Result<Anchor> parse_anchor_text(std::string_view line) {
  auto anchor = parse_object(line, [](Fields fields) {
    const auto digest = [&](std::string_view name) {
      const auto bytes = parse_hex(fields.text(name));
      Digest value{};
      if (bytes && bytes->size() == value.size()) {
        std::copy(bytes->begin(), bytes->end(), value.begin());
      } else {
        fields.wrong(name, "is no SHA-256 in hexadecimal");
      }
      return value;
    };
    Anchor read;
    read.chain = fields.text("chain");
    read.writer = fields.text("writer");
    const std::uint64_t month = fields.number("month");
    if (month > 999'912) fields.wrong("month", "is no month as in 202611");
    read.month = static_cast<Month>(month);
    read.number = fields.number("number");
    read.head = digest("head");
    read.mac = digest("mac");
    fields.end();
    return read;
  });
  if (!anchor) return fail(Code::invalid, "Anchor", "not an anchor: " + anchor.error().message);
  return anchor;
}

}  // namespace chaveiro::directory
