// clients/redis/value.h
//
// What a reply should have been: each function turns the reply of a command into the type that its caller expects, whatever protocol
// brought it (RESP2 says "1" where RESP3 says 1.0 or true, and lists where RESP3 has maps).
//
// Errors: the reply's own error passes through; a reply of another shape is `corrupt`, "UnexpectedReply".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clients/redis/wire/value.h"

namespace chaveiro::redis {

using Texts = std::vector<std::string>;
using OptionalTexts = std::vector<std::optional<std::string>>;
using Pairs = std::vector<std::pair<std::string, std::string>>;
using Scored = std::vector<std::pair<std::string, double>>;

// A reply that is an error becomes an Error; everything else stays.
Result<Value> checked(Result<Value> reply);

Result<void> expect_ok(Result<Value> reply);       // anything but an error
Result<std::string> as_text(Result<Value> reply);  // nil is `not_found`
Result<std::optional<std::string>> as_optional_text(Result<Value> reply);
Result<std::int64_t> as_integer(Result<Value> reply);  // a text of digits too
Result<std::optional<std::int64_t>> as_optional_integer(Result<Value> reply);
Result<double> as_real(Result<Value> reply);
Result<std::optional<double>> as_optional_real(Result<Value> reply);
Result<bool> as_flag(Result<Value> reply);                 // 1, true, OK: true; 0, false, nil: false
Result<std::vector<Value>> as_items(Result<Value> reply);  // nil is an empty list
Result<Texts> as_texts(Result<Value> reply);
Result<OptionalTexts> as_optional_texts(Result<Value> reply);
Result<Pairs> as_pairs(Result<Value> reply);    // a map, or a list of name, value, name, value
Result<Scored> as_scored(Result<Value> reply);  // WITHSCORES in both protocols

}  // namespace chaveiro::redis
