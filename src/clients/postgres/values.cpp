#include "clients/postgres/values.h"

#include <libpq-fe.h>

#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace chaveiro::clients::postgres {

namespace {

constexpr std::int64_t micros_until_2000 = 946'684'800'000'000;

template <class T>
void append_number(std::string& out, T value) {
  char bytes[sizeof(T)];
  auto rest = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    bytes[i] = static_cast<char>(rest & 0xff);
    if constexpr (sizeof(T) > 1) rest >>= 8;
  }
  out.append(bytes, sizeof(T));
}

// A cell is its length and its bytes: one append for both.
template <class T>
void append_cell(std::string& cells, T value) {
  char bytes[4 + sizeof(T)] = {0, 0, 0, sizeof(T)};
  auto rest = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    bytes[4 + i] = static_cast<char>(rest & 0xff);
    if constexpr (sizeof(T) > 1) rest >>= 8;
  }
  cells.append(bytes, sizeof bytes);
}

template <class T>
std::string binary(T value) {
  std::string out;
  append_number(out, value);
  return out;
}

std::int64_t number_in(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 8) return 0;
  std::uint64_t value = (bytes[0] & 0x80) != 0 && bytes.size() > 1 ? ~std::uint64_t{0} : 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return static_cast<std::int64_t>(value);
}

// The server counts from 2000; what lies beyond its range becomes its infinities.
std::int64_t server_time(UtcTime time) {
  const std::int64_t micros = time.time_since_epoch().count();
  std::int64_t result = 0;
  if (__builtin_sub_overflow(micros, micros_until_2000, &result)) return INT64_MIN;
  return result;
}

}  // namespace

Oid oid::array_of(Oid element) {
  switch (element) {
    case boolean:
      return boolean_array;
    case bytes:
      return bytes_array;
    case int8:
      return int8_array;
    case int2:
      return int2_array;
    case int4:
      return int4_array;
    case text:
      return text_array;
    case time:
      return time_array;
    case uuid:
      return uuid_array;
    default:
      break;
  }
  CHECK(false);
  return 0;
}

Params& Params::put(Oid type, std::string_view value) {
  if (value.size() > bytes_max - bytes_.size()) fits_ = false, value = {};
  bytes_.append(value);
  types_.push_back(type);
  lengths_.push_back(static_cast<int>(value.size()));
  return *this;
}
Params& Params::add(bool value) { return put(oid::boolean, std::string_view(value ? "\1" : "\0", 1)); }
Params& Params::add(std::int16_t value) { return put(oid::int2, binary(value)); }
Params& Params::add(std::int32_t value) { return put(oid::int4, binary(value)); }
Params& Params::add(std::int64_t value) { return put(oid::int8, binary(value)); }
Params& Params::add(UtcTime time) { return put(oid::time, binary(server_time(time))); }
Params& Params::add_null(Oid type) {
  types_.push_back(type);
  lengths_.push_back(-1);
  return *this;
}

std::vector<const char*> Params::values() const {
  std::vector<const char*> values;
  values.reserve(lengths_.size());
  const char* next = bytes_.data();
  for (const int length : lengths_) {
    values.push_back(length < 0 ? nullptr : next);
    if (length > 0) next += length;
  }
  return values;
}

Columns::Columns(std::span<const Oid> types) {
  for (const Oid type : types) columns_.push_back({type, false, {}});
}

Columns::Column& Columns::next() {
  Column& column = columns_[next_];
  if (++next_ == columns_.size()) next_ = 0, ++rows_;
  return column;
}

Columns& Columns::put(std::string_view value) {
  std::string& cells = next().cells;
  append_number(cells, static_cast<std::int32_t>(value.size()));
  cells.append(value);
  return *this;
}

Columns& Columns::add(std::int64_t value) {
  Column& column = next();
  switch (column.type) {
    case oid::int2:
      append_cell(column.cells, static_cast<std::int16_t>(value));
      break;
    case oid::int4:
      append_cell(column.cells, static_cast<std::int32_t>(value));
      break;
    case oid::boolean:
      append_cell(column.cells, static_cast<std::int8_t>(value != 0));
      break;
    default:
      append_cell(column.cells, value);
  }
  return *this;
}

Columns& Columns::add(UtcTime time) {
  append_cell(next().cells, server_time(time));
  return *this;
}

Columns& Columns::add_null() {
  Column& column = next();
  column.nulls = true;
  append_number(column.cells, std::int32_t{-1});
  return *this;
}

void Columns::clear() {
  for (Column& column : columns_) column.nulls = false, column.cells.clear();
  next_ = rows_ = 0;
}

void Columns::add_to(Params& params) const {
  const auto count = static_cast<std::int32_t>(rows());
  std::string array;
  std::size_t size_all = 0;
  for (const Column& column : columns_) size_all += column.cells.size() + 20;
  params.reserve(size_all);
  for (const Column& column : columns_) {
    array.clear();
    append_number(array, std::int32_t{count == 0 ? 0 : 1});
    append_number(array, std::int32_t{column.nulls ? 1 : 0});
    append_number(array, static_cast<std::int32_t>(column.type));
    if (count > 0) {
      append_number(array, count);
      append_number(array, std::int32_t{1});
      array += column.cells;
    }
    params.put(oid::array_of(column.type), array);
  }
}

void Columns::append_copy_rows(std::string& out) const {
  std::vector<const char*> cells;
  std::size_t size_all = 2 * rows();
  for (const Column& column : columns_) cells.push_back(column.cells.data()), size_all += column.cells.size();
  out.reserve(out.size() + size_all);
  for (std::size_t row = 0; row < rows(); ++row) {
    append_number(out, static_cast<std::int16_t>(columns_.size()));
    for (const char*& cell : cells) {
      const auto length = static_cast<std::int32_t>(number_in({cell, 4}));
      const std::size_t size = 4 + static_cast<std::size_t>(std::max(length, 0));
      out.append(cell, size);
      cell += size;
    }
  }
}

bool Row::null() const { return PQgetisnull(result_, row_, column_) != 0; }

std::string_view Row::text() {
  const int column = column_++;
  return {PQgetvalue(result_, row_, column), static_cast<std::size_t>(PQgetlength(result_, row_, column))};
}

std::int64_t Row::number() { return number_in(text()); }

Uuid Row::uuid() { return Uuid(bytes_of<16>(*this)); }

UtcTime Row::time() { return UtcTime(Micros(number() + micros_until_2000)); }

Rows::Rows(pg_result* result) : result_(result, PQclear) {}

std::size_t Rows::size() const { return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0; }

std::uint64_t Rows::affected() const { return result_ ? std::strtoull(PQcmdTuples(result_.get()), nullptr, 10) : 0; }

}  // namespace chaveiro::clients::postgres
