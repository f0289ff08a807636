#include "api/rest/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/text.h"

namespace chaveiro::api::rest {
namespace {

namespace bj = boost::json;

// Builds the value from the parser's events and keeps the path of the place where it is.
class Builder {
 public:
  explicit Builder(const JsonLimits& limits) : values_left_(limits.values_max) {}

  static constexpr std::size_t max_object_size = 200;
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = 256;
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_object_begin(bj::error_code& failed) { return open(Json{Json::Object{}}, failed); }
  bool on_object_end(std::size_t, bj::error_code&) { return close(); }
  bool on_array_begin(bj::error_code& failed) { return open(Json{Json::List{}}, failed); }
  bool on_array_end(std::size_t, bj::error_code&) { return close(); }

  bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) { return text_.append(part), true; }
  bool on_key(bj::string_view part, std::size_t, bj::error_code& failed) {
    text_.append(part);
    if (!count(failed)) return false;
    auto& object = std::get<Json::Object>(open_.back()->value);
    if (open_.back()->find(text_) != nullptr) violations.push_back({field_path(path_of_open(), text_), "stands twice"});
    object.push_back({std::move(text_), {}});
    text_.clear();
    return true;
  }

  bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) { return text_.append(part), true; }
  bool on_string(bj::string_view part, std::size_t, bj::error_code& failed) {
    text_.append(part);
    Json value{std::move(text_)};
    text_.clear();
    return put(std::move(value), failed);
  }

  bool on_number_part(bj::string_view part, bj::error_code&) { return text_.append(part), true; }
  bool on_int64(std::int64_t value, bj::string_view, bj::error_code& failed) {
    text_.clear();
    return put(Json{value}, failed);
  }
  bool on_uint64(std::uint64_t, bj::string_view, bj::error_code& failed) { return unfit(failed); }
  // Whole numbers beyond 64 bits arrive here too. The parser's own value is a few units in the last place off.
  bool on_double(double, bj::string_view part, bj::error_code& failed) {
    text_.append(part);
    double value = 0;
    const auto read = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (read.ec != std::errc{} || !(std::abs(value) <= 9.0e15)) return unfit(failed);
    text_.clear();
    return put(Json{value}, failed);
  }
  bool on_bool(bool value, bj::error_code& failed) { return put(Json{value}, failed); }
  bool on_null(bj::error_code& failed) { return put(Json{}, failed); }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  // Where the parser is now: the member or item that it reads, or will read next.
  std::string path() const {
    std::string path = path_of_open();
    if (open_.empty()) return path;
    if (const auto* list = open_.back()->list()) return item_path(path, list->size());
    const auto& object = *open_.back()->object();
    return object.empty() ? path : field_path(path, object.back().name);
  }

  Json root;
  std::vector<FieldViolation> violations;
  bool too_many = false;

 private:
  // Path of the innermost object or list that is open.
  std::string path_of_open() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      const auto* list = open_[i]->list();
      path = list ? item_path(path, list->size() - 1) : field_path(path, open_[i]->object()->back().name);
    }
    return path;
  }

  bool count(bj::error_code& failed) {
    if (values_left_-- > 0) return true;
    too_many = true;
    failed = bj::error::array_too_large;
    return false;
  }

  bool unfit(bj::error_code& failed) {
    text_.clear();
    const std::string place = path();
    violations.push_back({place.empty() ? "body" : place, "the number is out of range"});
    return put(Json{}, failed);
  }

  Json* place(Json value) {
    if (open_.empty()) return root = std::move(value), &root;
    if (auto* list = std::get_if<Json::List>(&open_.back()->value)) return &list->emplace_back(std::move(value));
    Json& member = std::get<Json::Object>(open_.back()->value).back().value;
    return member = std::move(value), &member;
  }

  bool put(Json value, bj::error_code& failed) {
    if (!count(failed)) return false;
    place(std::move(value));
    return true;
  }

  // The pointers stay good: only the innermost open value grows.
  bool open(Json value, bj::error_code& failed) {
    if (!count(failed)) return false;
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() { return open_.pop_back(), true; }

  std::size_t values_left_;
  std::vector<Json*> open_;  // the object or list that is open at each depth
  std::string text_;         // of a name, string or number that comes in parts
};

std::string line_and_column(std::string_view text, std::size_t at) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < at && i < text.size(); ++i) {
    const bool newline = text[i] == '\n';
    line += newline ? 1 : 0;
    column = newline ? 1 : column + 1;
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string what_is_wrong(const bj::error_code& failed, const Builder& builder, const JsonLimits& limits) {
  if (builder.too_many) return "holds more than " + std::to_string(limits.values_max) + " values";
  if (failed == bj::error::object_too_large) return "holds more than 200 names";
  if (failed == bj::error::too_deep) return "is nested deeper than " + std::to_string(limits.depth_max);
  if (failed == bj::error::key_too_large) return "holds a name longer than 256 bytes";
  if (failed == bj::error::incomplete) return "ends too early";
  if (failed == bj::error::extra_data) return "goes on after the end of the JSON value";
  if (failed == bj::error::illegal_leading_surrogate || failed == bj::error::illegal_trailing_surrogate ||
      failed == bj::error::expected_utf16_escape)
    return "holds half a surrogate pair";
  return "is not JSON";
}

void write(JsonWriter& out, const Json& value) {
  if (value.is_null()) {
    out.null();
  } else if (const auto* boolean = value.boolean()) {
    out.boolean(*boolean);
  } else if (const auto* integer = value.integer()) {
    out.integer(*integer);
  } else if (const auto* number = value.number()) {
    char digits[40];
    out.raw(
        {digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, *number + 0.0).ptr - digits)});
  } else if (const auto* text = value.text()) {
    out.text(*text);
  } else if (const auto* list = value.list()) {
    out.begin_list();
    for (const Json& item : *list) write(out, item);
    out.end_list();
  } else {
    out.begin_object();
    for (const JsonMember& member : *value.object()) write(out.name(member.name), member.value);
    out.end_object();
  }
}

}  // namespace

const Json* Json::find(std::string_view name) const {
  if (const auto* members = object())
    for (const JsonMember& member : *members)
      if (member.name == name) return &member.value;
  return nullptr;
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const std::size_t length = utf8_length(text.substr(valid));
    if (length == 0) break;
    valid += length;
  }
  bj::parse_options options;
  options.max_depth = limits.depth_max;
  bj::basic_parser<Builder> parser(options, limits);
  bj::error_code failed;
  // Bytes that are no UTF-8 are told as such, with the field in which the reader was when it came to them.
  const bool whole = valid == text.size();
  const std::size_t read = parser.write_some(!whole, text.data(), valid, failed);
  if (!failed && whole && read < text.size()) failed = bj::error::extra_data;
  Builder& builder = parser.handler();
  if (!failed && !whole) {
    const std::string path = builder.path();
    return fail_field(path.empty() ? "body" : path, "is not UTF-8 (" + line_and_column(text, valid) + ")");
  }
  if (failed) {
    const std::string path = builder.path();
    return fail_field(path.empty() ? "body" : path,
                      what_is_wrong(failed, builder, limits) + " (" + line_and_column(text, read) + ")");
  }
  if (!builder.violations.empty()) {
    Error error = fail(Code::invalid, "BadRequest", "the body holds names that stand twice or numbers out of range");
    error.violations = std::move(builder.violations);
    return error;
  }
  return std::move(builder.root);
}

std::string field_path(std::string_view prefix, std::string_view name) {
  std::string path(prefix);
  if (!path.empty()) path += '.';
  return path += name.empty() ? "\"\"" : name;
}

std::string item_path(std::string_view prefix, std::size_t index) {
  return std::string(prefix) + '[' + std::to_string(index) + ']';
}

void JsonWriter::separate() {
  if (after_name_) {
    after_name_ = false;
    return;
  }
  if (has_items_.empty()) return;
  if (has_items_.back()) out_ += ',';
  has_items_.back() = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  CHECK(!has_items_.empty() && !after_name_);
  has_items_.pop_back();
  out_ += '}';
  return *this;
}

JsonWriter& JsonWriter::begin_list() {
  separate();
  out_ += '[';
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::end_list() {
  CHECK(!has_items_.empty() && !after_name_);
  has_items_.pop_back();
  out_ += ']';
  return *this;
}

JsonWriter& JsonWriter::name(std::string_view name) {
  CHECK(!has_items_.empty() && !after_name_);
  separate();
  out_ += to_json_string(name);
  out_ += ':';
  after_name_ = true;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
  separate();
  out_ += to_json_string(value);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::take() {
  CHECK(has_items_.empty() && !after_name_);
  return std::move(out_);
}

std::string to_text(const Json& value) {
  JsonWriter out;
  write(out, value);
  return out.take();
}

}  // namespace chaveiro::api::rest
