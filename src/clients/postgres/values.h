// clients/postgres/values.h
//
// Values on their way to the server and back, in its binary format: what goes in (Params, and Columns where one parameter is a whole
// column of rows), and what comes out (Rows, read with a Row that moves on from column to column).
//
// Threads: values; Rows may be read by many.
// Time:    no conversion through text anywhere.
// Source:  the send and receive functions of PostgreSQL 15's types; an array is ndim, flags, element type, then (size, lower bound) of
//          each dimension, then (length, bytes) of each element.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/uuid.h"

struct pg_result;

namespace chaveiro::clients::postgres {

using Oid = unsigned int;
namespace oid {
inline constexpr Oid boolean = 16, bytes = 17, int8 = 20, int2 = 21, int4 = 23, text = 25, time = 1184, uuid = 2950;
inline constexpr Oid bytes_array = 1001, int8_array = 1016, int2_array = 1005, int4_array = 1007, text_array = 1009,
                     time_array = 1185, uuid_array = 2951, boolean_array = 1000;
Oid array_of(Oid element);
}  // namespace oid

// The parameters of one statement, in order. What is added is copied, but for what is beyond `bytes_max` with what is there already: then
// fits() says no, and the statement cannot be sent.
class Params {
 public:
  static constexpr std::size_t bytes_max = (1u << 30) - (1u << 20);  // the server takes messages below 1 GiB
  bool fits() const { return fits_; }
  Params& add(bool value);
  Params& add(std::int16_t value);
  Params& add(std::int32_t value);
  Params& add(std::int64_t value);
  Params& add(std::uint64_t value) { return add(static_cast<std::int64_t>(value)); }
  Params& add(std::string_view text) { return put(oid::text, text); }
  Params& add(const char* text) { return add(std::string_view(text)); }
  Params& add(const std::string& text) { return add(std::string_view(text)); }
  Params& add(ByteView bytes) { return put(oid::bytes, as_text(bytes)); }
  Params& add(const Uuid& id) { return put(oid::uuid, as_text(id.bytes())); }
  Params& add(UtcTime time);
  template <class Enum>
    requires std::is_enum_v<Enum>
  Params& add(Enum value) {
    return add(static_cast<std::int16_t>(value));
  }
  Params& add_null(Oid type);
  Params& put(Oid type, std::string_view binary);

  void reserve(std::size_t bytes) {
    if (fits_ && bytes_.size() + bytes <= bytes_max) bytes_.reserve(bytes_.size() + bytes);
  }
  std::size_t size() const { return types_.size(); }
  const std::vector<Oid>& types() const { return types_; }
  // Valid until the next change.
  std::vector<const char*> values() const;
  const std::vector<int>& lengths() const { return lengths_; }

 private:
  std::string bytes_;
  std::vector<Oid> types_;
  std::vector<int> lengths_;  // -1: null
  bool fits_ = true;
};

// Rows as one array for each column: add() fills the first row from left to right, then the second…
class Columns {
 public:
  explicit Columns(std::span<const Oid> types);

  Columns& add(std::int64_t value);  // as the column's width says
  Columns& add(std::uint64_t value) { return add(static_cast<std::int64_t>(value)); }
  Columns& add(std::string_view text) { return put(text); }
  Columns& add(const std::string& text) { return put(text); }
  Columns& add(ByteView bytes) { return put(as_text(bytes)); }
  Columns& add(const Uuid& id) { return put(as_text(id.bytes())); }
  Columns& add(UtcTime time);
  template <class Enum>
    requires std::is_enum_v<Enum>
  Columns& add(Enum value) {
    return add(static_cast<std::int64_t>(value));
  }
  template <class T>
  Columns& add(const std::optional<T>& value) {
    return value ? add(*value) : add_null();
  }
  Columns& add_null();

  std::size_t rows() const { return rows_; }
  void clear();
  // Adds the arrays behind what is there already.
  void add_to(Params& params) const;
  // The rows in the format of COPY … WITH (FORMAT binary), without header and trailer.
  void append_copy_rows(std::string& out) const;

 private:
  struct Column {
    Oid type;
    bool nulls = false;
    std::string cells;
  };
  Columns& put(std::string_view binary);
  Column& next();
  std::vector<Column> columns_;
  std::size_t next_ = 0;  // column of the next cell
  std::size_t rows_ = 0;  // that are whole
};

inline constexpr std::string_view copy_header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
inline constexpr std::string_view copy_trailer{"\377\377", 2};

class Row {
 public:
  Row(const pg_result* result, int row) : result_(result), row_(row) {}
  bool null() const;      // does not move on
  std::int64_t number();  // two, four or eight bytes; 0 where it is null
  bool yes() { return number() != 0; }
  std::string_view text();  // as long as the Rows live
  ByteView bytes() { return as_bytes(text()); }
  Uuid uuid();
  UtcTime time();
  void skip() { ++column_; }

 private:
  const pg_result* result_;
  int row_;
  int column_ = 0;
};

class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);  // takes it over
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  Row operator[](std::size_t i) const { return {result_.get(), static_cast<int>(i)}; }
  // How many rows a statement wrote.
  std::uint64_t affected() const;

 private:
  std::shared_ptr<pg_result> result_;
};

// N bytes; zeros where there is another number of them.
template <std::size_t N>
std::array<std::uint8_t, N> bytes_of(Row& row) {
  std::array<std::uint8_t, N> value{};
  if (const ByteView bytes = row.bytes(); bytes.size() == N) std::copy(bytes.begin(), bytes.end(), value.begin());
  return value;
}

}  // namespace chaveiro::clients::postgres
