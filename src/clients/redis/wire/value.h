// clients/redis/wire/value.h
//
// Value: one reply of a Redis server, whole, in RESP2 or RESP3. A plain tree that owns its texts. What it should have been (a text,
// a number, a list) is asked by the conversions of clients/redis/value.h.
//
// Source: RESP3 specification (antirez/RESP3, spec.md); attributes are read and dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace chaveiro::redis {

enum class Kind : std::uint8_t {
  nil,         // RESP3 null, RESP2 null bulk and null array
  text,        // bulk and verbatim strings
  status,      // simple strings: "OK", "QUEUED"
  integer,     //
  real,        // RESP3 double
  boolean,     // RESP3; `integer` is 0 or 1
  big_number,  // RESP3; the digits are in `text`
  error,       // `text` is the server's line, "WRONGTYPE Operation against …"
  array,       //
  map,         // RESP3; `items` are key, value, key, value
  set,         // RESP3
  push,        // RESP3, out of band
};

struct Value {
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<Value> items = {};

  bool is_nil() const { return kind == Kind::nil; }
  bool is_error() const { return kind == Kind::error; }
  bool is_text() const { return kind == Kind::text || kind == Kind::status; }
  bool is_list() const { return kind >= Kind::array; }
  bool operator==(const Value&) const = default;

  static Value of_text(std::string_view text) { return {Kind::text, 0, 0, std::string(text), {}}; }
  static Value of_status(std::string_view text) { return {Kind::status, 0, 0, std::string(text), {}}; }
  static Value of_error(std::string_view text) { return {Kind::error, 0, 0, std::string(text), {}}; }
  static Value of_integer(std::int64_t number) { return {Kind::integer, number, 0, {}, {}}; }
  static Value of_items(Kind kind, std::vector<Value> items) { return {kind, 0, 0, {}, std::move(items)}; }
};

// What an error line of the server means to a caller. `reason` is its first word ("WRONGTYPE"); the message is the rest without
// what the server quotes of our own arguments.
//   invalid: ERR, WRONGTYPE, CROSSSLOT, … · unauthenticated: NOAUTH, WRONGPASS · forbidden: NOPERM · not_found: NOSCRIPT, NOGROUP
//   exists: BUSYGROUP, BUSYKEY · conflict: EXECABORT, READONLY, MOVED, ASK · exhausted: OOM · unavailable: LOADING, CLUSTERDOWN, TRYAGAIN,
//   MASTERDOWN, BUSY, NOREPLICAS, MISCONF, UNBLOCKED
Error error_of(std::string_view line);

}  // namespace chaveiro::redis
