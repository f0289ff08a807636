#include "app/import_line.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace chaveiro::app {
namespace {

namespace dir = directory;
namespace json = boost::json;

// The fields of a line, in the order of CSV columns; a line is read into them first, whatever its form.
constexpr std::array<std::string_view, 17> field_names = {"key_type",       "key",
                                                          "account.id",     "account.ispb",
                                                          "account.branch", "account.number",
                                                          "account.type",   "account.opening_date",
                                                          "owner.type",     "owner.tax_id",
                                                          "owner.name",     "owner.trade_name",
                                                          "creation_date",  "key_ownership_date",
                                                          "request_id",     "status",
                                                          "block_order"};
enum Field : std::size_t {
  key_type,
  key,
  account_id,
  account_ispb,
  account_branch,
  account_number,
  account_type,
  account_opening_date,
  owner_type,
  owner_tax_id,
  owner_name,
  owner_trade_name,
  creation_date,
  key_ownership_date,
  request_id,
  status,
  block_order
};
using Fields = std::array<std::optional<std::string>, field_names.size()>;

class Faults {
 public:
  void add(std::string_view field, std::string description) {
    list_.push_back({std::string(field), std::move(description)});
  }
  void add(const Error& error, std::string_view field) {
    if (error.violations.empty()) return add(field, error.message);
    for (const FieldViolation& violation : error.violations) list_.push_back(violation);
  }
  bool none() const { return list_.empty(); }
  Error take() {
    Error error = fail(Code::invalid, "EntryInvalid", list_.front().field + ": " + list_.front().description);
    error.violations = std::move(list_);
    return error;
  }

 private:
  std::vector<FieldViolation> list_;
};

std::optional<std::size_t> index_of(std::string_view name) {
  const auto found = std::ranges::find(field_names, name);
  if (found == field_names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - field_names.begin());
}

// Reads one text field into what it means.
template <class Parse>
auto read(const Fields& fields, Field field, bool needed, Faults& faults, Parse parse)
    -> std::optional<std::remove_cvref_t<decltype(*parse(std::string_view{}))>> {
  const std::optional<std::string>& text = fields[field];
  if (!text) {
    if (needed) faults.add(field_names[field], "is missing");
    return std::nullopt;
  }
  auto parsed = parse(std::string_view(*text));
  if constexpr (requires { parsed.error(); }) {
    if (!parsed) {
      faults.add(field_names[field], parsed.error().message);
      return std::nullopt;
    }
  } else if (!parsed) {
    faults.add(field_names[field], "is not one of the known values");
    return std::nullopt;
  }
  return *std::move(parsed);
}

void read_status(Fields& fields, ImportLine& line, Faults& faults) {
  using dir::EntryStatus;
  if (const auto given = read(fields, status, false, faults, dir::entry_status_of)) {
    line.status = *given;
    if (line.status != EntryStatus::active && line.status != EntryStatus::blocked)
      faults.add("status", "must be ACTIVE or BLOCKED");
  }
  line.block_order = std::move(fields[block_order]);
  if (line.block_order) {
    if (auto fit = dir::check_block_order(*line.block_order, "block_order"); !fit)
      faults.add(fit.error(), "block_order");
  } else if (line.status == EntryStatus::blocked) {
    faults.add("block_order", "is missing: a key is blocked by an order");
  }
  if (!fields[key] && (fields[status] || line.block_order)) faults.add("status", "stands in a line without a key");
}

Result<ImportLine> interpret(Fields fields, const ImportRules& rules) {
  Faults faults;
  ImportLine line;
  dir::Account& account = line.account;
  if (auto ispb = read(fields, account_ispb, true, faults, dir::Ispb::parse)) account.ispb = *ispb;
  account.branch = std::move(fields[account_branch]);
  if (fields[account_number]) account.number = std::move(*fields[account_number]);
  if (auto type = read(fields, account_type, true, faults, dir::account_type_of)) account.type = *type;
  if (auto opened = read(fields, account_opening_date, true, faults, parse_rfc3339)) account.opened_at = *opened;
  if (auto type = read(fields, owner_type, true, faults, dir::person_type_of)) account.holder.type = *type;
  if (fields[owner_tax_id]) account.holder.tax_id = std::move(*fields[owner_tax_id]);
  if (fields[owner_name]) account.holder.name = std::move(*fields[owner_name]);
  account.holder.trade_name = std::move(fields[owner_trade_name]);
  line.created_at = read(fields, creation_date, false, faults, parse_rfc3339);
  line.owned_since = read(fields, key_ownership_date, false, faults, parse_rfc3339);
  line.request_id = read(fields, request_id, false, faults, dir::RequestId::parse);
  read_status(fields, line, faults);
  const auto given_id = read(fields, account_id, false, faults, dir::AccountId::parse);
  const auto type = read(fields, key_type, fields[key].has_value(), faults, dir::key_type_of);
  if (type) {
    const dir::KeyRules key_rules{rules.check_digits};
    line.key =
        read(fields, key, true, faults, [&](std::string_view text) { return dir::Key::parse(*type, text, key_rules); });
  }
  if (!faults.none()) return faults.take();

  const dir::PersonRules person_rules{rules.check_digits};
  if (auto valid = validate(account, person_rules, "account."); !valid) faults.add(valid.error(), "account");
  if (auto valid = validate(account.holder, person_rules, "owner."); !valid) faults.add(valid.error(), "owner");
  if (line.key && (line.key->type() == dir::KeyType::cpf || line.key->type() == dir::KeyType::cnpj) &&
      line.key->value() != account.holder.tax_id) {
    faults.add("key", "a CPF or CNPJ key must be the owner's own tax id");
  }
  if (line.created_at && line.owned_since && *line.owned_since > *line.created_at) {
    faults.add("key_ownership_date", "lies after creation_date");
  }
  if (!faults.none()) return faults.take();
  account.id = given_id ? *given_id : dir::account_id_of(account.ispb, account.branch, account.number, account.type);
  return line;
}

void take_object(const json::object& object, std::string_view prefix, Fields& fields, Faults& faults) {
  for (const auto& member : object) {
    const std::string name = std::string(prefix) + std::string(member.key());
    if (prefix.empty() && (name == "account" || name == "owner")) {
      if (const json::object* inner = member.value().if_object()) {
        take_object(*inner, name + ".", fields, faults);
      } else {
        faults.add(name, "must be an object");
      }
      continue;
    }
    const auto index = index_of(name);
    if (!index) {
      faults.add(name, "is not a known field");
    } else if (const json::string* text = member.value().if_string()) {
      fields[*index] = std::string(text->data(), text->size());
    } else if (!member.value().is_null()) {
      faults.add(name, "must be a text");
    }
  }
}

std::string quoted(std::string_view text) { return json::serialize(json::string(text)); }

Fields fields_of(const dir::Account& account) {
  Fields fields;
  fields[account_id] = to_string(account.id);
  fields[account_ispb] = to_string(account.ispb);
  fields[account_branch] = account.branch;
  fields[account_number] = account.number;
  fields[account_type] = std::string(to_string(account.type));
  fields[account_opening_date] = to_rfc3339(account.opened_at);
  fields[owner_type] = std::string(to_string(account.holder.type));
  fields[owner_tax_id] = account.holder.tax_id;
  fields[owner_name] = account.holder.name;
  fields[owner_trade_name] = account.holder.trade_name;
  return fields;
}

Fields fields_of(const dir::Entry& entry) {
  Fields fields = fields_of(entry.account);
  fields[key_type] = std::string(to_string(entry.key.type()));
  fields[key] = entry.key.value();
  fields[creation_date] = to_rfc3339(entry.created_at);
  fields[key_ownership_date] = to_rfc3339(entry.owned_since);
  fields[request_id] = to_string(entry.request_id);
  if (entry.status == dir::EntryStatus::blocked) fields[status] = std::string(to_string(entry.status));
  fields[block_order] = entry.block_order;
  return fields;
}

std::string json_of(const Fields& fields) {
  std::string text = "{";
  std::string_view open;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!fields[i]) continue;
    std::string_view name = field_names[i];
    const std::size_t dot = name.find('.');
    const std::string_view group = dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
    if (group != open) {
      if (!open.empty()) text += '}';
      if (!group.empty()) text += (text.size() > 1 ? ",\"" : "\"") + std::string(group) + "\":{";
      open = group;
    }
    if (text.back() != '{') text += ',';
    text += '"' + std::string(dot == std::string_view::npos ? name : name.substr(dot + 1)) + "\":" + quoted(*fields[i]);
  }
  if (!open.empty()) text += '}';
  return text + '}';
}

std::string csv_of(const Fields& fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text += ',';
    if (!fields[i]) continue;
    if (fields[i]->find_first_of(",\"\n\r") == std::string::npos && !fields[i]->empty()) {
      text += *fields[i];
      continue;
    }
    text += '"';
    for (const char c : *fields[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    text += '"';
  }
  return text;
}

Error too_long() { return fail(Code::invalid, "BadRequest", "the line is longer than 64 KiB"); }

}  // namespace

Result<ImportLine> parse_json_line(std::string_view text, const ImportRules& rules) {
  if (text.size() > import_line_bytes_max) return too_long();
  json::error_code error;
  std::array<unsigned char, 4096> scratch;
  json::monotonic_resource memory(scratch.data(), scratch.size());
  json::parse_options options;
  options.max_depth = 4;
  const json::value value = json::parse(text, error, &memory, options);
  if (error) return fail(Code::invalid, "BadRequest", "is not JSON: " + error.message());
  const json::object* object = value.if_object();
  if (object == nullptr) return fail(Code::invalid, "BadRequest", "must be a JSON object");
  Fields fields;
  Faults faults;
  take_object(*object, "", fields, faults);
  if (!faults.none()) return faults.take();
  return interpret(std::move(fields), rules);
}

Result<std::vector<std::string>> split_csv(std::string_view text) {
  std::vector<std::string> fields(1);
  bool quoted_now = false;
  bool was_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted_now) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        fields.back() += '"', ++i;
      } else {
        quoted_now = false;
      }
    } else if (c == ',') {
      fields.emplace_back();
      was_quoted = false;
    } else if (c == '"' && fields.back().empty() && !was_quoted) {
      quoted_now = was_quoted = true;
    } else if (c == '"' || was_quoted) {
      return fail(Code::invalid, "BadRequest",
                  "column " + std::to_string(fields.size()) + ": a quote stands in the wrong place");
    } else {
      fields.back() += c;
    }
  }
  if (quoted_now) return fail(Code::invalid, "BadRequest", "a quote is not closed (a record must stand on one line)");
  return fields;
}

Result<CsvColumns> parse_csv_header(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  TRY(std::vector<std::string> names, split_csv(text));
  Faults faults;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!index_of(names[i])) faults.add(names[i], "is not a known column");
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      faults.add(names[i], "stands twice");
    }
  }
  for (const Field field :
       {account_ispb, account_number, account_type, account_opening_date, owner_type, owner_tax_id, owner_name}) {
    if (std::ranges::find(names, field_names[field]) == names.end())
      faults.add(field_names[field], "this column is missing");
  }
  if (!faults.none()) return faults.take();
  return CsvColumns{std::move(names)};
}

Result<ImportLine> parse_csv_line(std::string_view text, const CsvColumns& columns, const ImportRules& rules) {
  if (text.size() > import_line_bytes_max) return too_long();
  TRY(std::vector<std::string> values, split_csv(text));
  if (values.size() != columns.names.size()) {
    return fail(
        Code::invalid, "BadRequest",
        "has " + std::to_string(values.size()) + " fields, the header has " + std::to_string(columns.names.size()));
  }
  Fields fields;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].empty()) fields[*index_of(columns.names[i])] = std::move(values[i]);
  }
  return interpret(std::move(fields), rules);
}

std::string csv_header() {
  std::string text;
  for (const std::string_view name : field_names) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

std::string to_csv_line(const dir::Entry& entry) { return csv_of(fields_of(entry)); }
std::string to_json_line(const dir::Entry& entry) { return json_of(fields_of(entry)); }
std::string to_csv_line(const dir::Account& account) { return csv_of(fields_of(account)); }
std::string to_json_line(const dir::Account& account) { return json_of(fields_of(account)); }

}  // namespace chaveiro::app
