#include "clients/redis/value.h"

#include <charconv>
#include <limits>

#include "base/text.h"

namespace chaveiro::redis {
namespace {

Error unexpected(std::string_view wanted) {
  return fail(Code::corrupt, "UnexpectedReply", "Redis: the reply is no " + std::string(wanted));
}

Result<std::string> text_in(Value&& value) {
  switch (value.kind) {
    case Kind::text:
    case Kind::status:
    case Kind::big_number:
      return std::move(value.text);
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::boolean:
      return std::string(value.integer != 0 ? "1" : "0");
    case Kind::real: {
      char digits[40];
      const auto end = std::to_chars(digits, digits + sizeof digits, value.real);
      return std::string(digits, end.ptr);
    }
    case Kind::error:
      return error_of(value.text);
    default:
      return unexpected("text");
  }
}

Result<double> real_in(const Value& value) {
  if (value.kind == Kind::real) return value.real;
  if (value.kind == Kind::integer) return static_cast<double>(value.integer);
  if (!value.is_text()) return unexpected("number");
  std::string_view text = value.text;
  if (text == "inf" || text == "+inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return unexpected("number");
  return number;
}

Result<std::int64_t> integer_in(const Value& value) {
  if (value.kind == Kind::integer || value.kind == Kind::boolean) return value.integer;
  if (!value.is_text()) return unexpected("whole number");
  const auto number = parse_int(value.text);
  if (!number) return unexpected("whole number");
  return *number;
}

}  // namespace

Result<Value> checked(Result<Value> reply) {
  if (reply && reply->is_error()) return error_of(reply->text);
  return reply;
}

Result<void> expect_ok(Result<Value> reply) {
  TRY_VOID(checked(std::move(reply)));
  return {};
}

Result<std::string> as_text(Result<Value> reply) {
  TRY(Value value, checked(std::move(reply)));
  if (value.is_nil()) return fail(Code::not_found, "NotFound", "Redis: there is no such value");
  return text_in(std::move(value));
}

Result<std::optional<std::string>> as_optional_text(Result<Value> reply) {
  TRY(Value value, checked(std::move(reply)));
  if (value.is_nil()) return std::optional<std::string>();
  TRY(std::string text, text_in(std::move(value)));
  return std::optional(std::move(text));
}

Result<std::int64_t> as_integer(Result<Value> reply) {
  TRY(const Value value, checked(std::move(reply)));
  return integer_in(value);
}

Result<std::optional<std::int64_t>> as_optional_integer(Result<Value> reply) {
  TRY(const Value value, checked(std::move(reply)));
  if (value.is_nil()) return std::optional<std::int64_t>();
  TRY(const std::int64_t number, integer_in(value));
  return std::optional(number);
}

Result<double> as_real(Result<Value> reply) {
  TRY(const Value value, checked(std::move(reply)));
  return real_in(value);
}

Result<std::optional<double>> as_optional_real(Result<Value> reply) {
  TRY(const Value value, checked(std::move(reply)));
  if (value.is_nil()) return std::optional<double>();
  TRY(const double number, real_in(value));
  return std::optional(number);
}

Result<bool> as_flag(Result<Value> reply) {
  TRY(const Value value, checked(std::move(reply)));
  if (value.is_nil()) return false;
  if (value.kind == Kind::status) return true;
  TRY(const std::int64_t number, integer_in(value));
  return number != 0;
}

Result<std::vector<Value>> as_items(Result<Value> reply) {
  TRY(Value value, checked(std::move(reply)));
  if (value.is_nil()) return std::vector<Value>();
  if (!value.is_list()) return unexpected("list");
  return std::move(value.items);
}

Result<Texts> as_texts(Result<Value> reply) {
  TRY(std::vector<Value> items, as_items(std::move(reply)));
  Texts texts;
  texts.reserve(items.size());
  for (Value& item : items) {
    TRY(std::string text, text_in(std::move(item)));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<OptionalTexts> as_optional_texts(Result<Value> reply) {
  TRY(std::vector<Value> items, as_items(std::move(reply)));
  OptionalTexts texts;
  texts.reserve(items.size());
  for (Value& item : items) {
    TRY(std::optional<std::string> text, as_optional_text(std::move(item)));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<Pairs> as_pairs(Result<Value> reply) {
  TRY(std::vector<Value> items, as_items(std::move(reply)));
  if (items.size() % 2 != 0) return unexpected("list of pairs");
  Pairs pairs;
  pairs.reserve(items.size() / 2);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    TRY(std::string name, text_in(std::move(items[i])));
    TRY(std::string value, text_in(std::move(items[i + 1])));
    pairs.emplace_back(std::move(name), std::move(value));
  }
  return pairs;
}

Result<Scored> as_scored(Result<Value> reply) {
  TRY(std::vector<Value> items, as_items(std::move(reply)));
  Scored scored;
  // RESP3: a list of pairs; RESP2: member, score, member, score.
  if (!items.empty() && items.front().is_list()) {
    for (Value& pair : items) {
      if (pair.items.size() != 2) return unexpected("list of scores");
      TRY(std::string member, text_in(std::move(pair.items[0])));
      TRY(const double score, real_in(pair.items[1]));
      scored.emplace_back(std::move(member), score);
    }
    return scored;
  }
  if (items.size() % 2 != 0) return unexpected("list of scores");
  for (std::size_t i = 0; i < items.size(); i += 2) {
    TRY(std::string member, text_in(std::move(items[i])));
    TRY(const double score, real_in(items[i + 1]));
    scored.emplace_back(std::move(member), score);
  }
  return scored;
}

}  // namespace chaveiro::redis
