// directory/bytes.h
//
// Numbers and texts as bytes, big end first, a text with its length in front: what hashes are taken over and what the
// look-up file holds.
//
// Threads: BytesOut and BytesIn belong to one thread.
// Errors:  BytesIn never reads past the end: it then answers zeros and `ok()` is false.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace chaveiro::directory {

class BytesOut {
 public:
  explicit BytesOut(std::string& out) : out_(out) {}
  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u16(std::uint16_t value) { number(value); }
  void u32(std::uint32_t value) { number(value); }
  void u64(std::uint64_t value) { number(value); }
  void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
  void text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  template <std::size_t N>
  void raw(const std::array<std::uint8_t, N>& value) {
    out_.append(reinterpret_cast<const char*>(value.data()), N);
  }

 private:
  template <std::unsigned_integral T>
  void number(T value) {
    char bytes[sizeof(T)];
    for (std::size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 7 >> 1))
      bytes[i] = static_cast<char>(value);
    out_.append(bytes, sizeof(T));
  }

  std::string& out_;
};

class BytesIn {
 public:
  explicit BytesIn(std::string_view in) : in_(in) {}
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  std::string_view text() { return take(u32()); }
  template <std::size_t N>
  std::array<std::uint8_t, N> raw() {
    std::array<std::uint8_t, N> value{};
    if (const std::string_view bytes = take(N); bytes.size() == N) std::memcpy(value.data(), bytes.data(), N);
    return value;
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && in_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const std::string_view taken = in_.substr(0, size);
    in_.remove_prefix(size);
    return taken;
  }
  template <std::unsigned_integral T>
  T number() {
    std::uint64_t value = 0;
    for (const char c : take(sizeof(T))) value = (value << 8) | static_cast<std::uint8_t>(c);
    return static_cast<T>(value);
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace chaveiro::directory
