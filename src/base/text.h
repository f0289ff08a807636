// base/text.h
//
// Small questions about text, answered strictly: is it UTF-8, is it a number, how is it written inside JSON.
//
// Threads: any.
// Time:    linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro {

// Whether `text` is UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Unicode 15, table 3-7.
bool valid_utf8(std::string_view text);

// The length of the UTF-8 character at the front: 1 to 4, or 0 where none is (empty or malformed).
std::size_t utf8_length(std::string_view text);

// Without spaces, tabs, line feeds and carriage returns at both ends.
std::string_view trim(std::string_view text);

// A–Z become a–z; every other byte stays.
std::string lower_ascii(std::string_view text);
bool equal_ignoring_ascii_case(std::string_view a, std::string_view b);

// Decimal digits, with a leading '-' where the type is signed; no '+', no spaces, nothing behind.
// Errors: invalid ("is not a whole number", or the range that it must lie in).
Result<std::int64_t> parse_int(std::string_view text, std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX);
Result<std::uint64_t> parse_uint(std::string_view text, std::uint64_t max = UINT64_MAX);

// Appends `text` as the inside of a JSON string (RFC 8259): quotes, backslashes, control characters, U+007F, U+2028 and U+2029 are
// escaped, and each malformed byte becomes U+FFFD, so that what comes out is always valid UTF-8 on one line.
void append_json_escaped(std::string& out, std::string_view text);
// The same with the quotes around it.
std::string to_json_string(std::string_view text);

}  // namespace chaveiro
