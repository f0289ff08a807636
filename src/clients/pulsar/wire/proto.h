// clients/pulsar/wire/proto.h
//
// Protocol buffers, as much of them as the Pulsar protocol needs, by hand: a message is a struct whose fields() names each member
// with its number, once for both directions:
//
//   struct KeyValue {
//     std::string key, value;
//     template <class V> void fields(V& v) { v(1, key), v(2, value); }
//   };
//
// Members: bool, integers, enumerations, std::string (text or bytes; std::string_view: where it lies), other messages, std::optional and std::vector of these. A plain
// member is always written; an optional one where it is there. Unknown fields are skipped, a missing one keeps what the struct has.
//
// Threads: pure functions. Time: linear in the bytes times the number of fields.
// Errors:  corrupt "ProtocolError" for bytes that are no such message.
// Source:  Protocol Buffers encoding; the field numbers are those that the Pulsar protocol documents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace chaveiro::clients::pulsar::wire {

Error protocol_error(std::string_view what);

namespace proto {

void put_varint(std::string& out, std::uint64_t value);

// Reads forward; once something does not fit, `bad` stays set.
struct Cursor {
  const char* at = nullptr;
  const char* end = nullptr;
  bool bad = false;
  bool done() const { return bad || at == end; }
  std::uint64_t varint();
  std::string_view bytes();
  void skip(std::uint32_t wire_type);
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class T>
inline constexpr bool is_text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

// What write() appends, with its size in front.
template <class Write>
void put_sized(std::string& out, Write write) {
  const std::size_t at = out.size();
  out.push_back('\0');
  write();
  const std::size_t size = out.size() - at - 1;
  if (size < 0x80) return void(out[at] = static_cast<char>(size));
  std::string varint;
  put_varint(varint, size);
  out.replace(at, 1, varint);
}

enum WireType : std::uint32_t { varint_type = 0, fixed64_type = 1, bytes_type = 2, fixed32_type = 5 };

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <class T>
  void operator()(std::uint32_t number, T& member) {
    if constexpr (is_optional<T>) {
      if (member) (*this)(number, *member);
    } else if constexpr (is_vector<T>) {
      for (auto& one : member) (*this)(number, one);
    } else if constexpr (is_text<T>) {
      put_bytes(number, member);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      put_varint(out_, number << 3 | varint_type);
      put_varint(out_, static_cast<std::uint64_t>(static_cast<std::int64_t>(member)));
    } else {
      put_varint(out_, number << 3 | bytes_type);
      put_sized(out_, [&] { member.fields(*this); });
    }
  }

 private:
  void put_bytes(std::uint32_t number, std::string_view bytes) {
    put_varint(out_, number << 3 | bytes_type);
    put_varint(out_, bytes.size());
    out_.append(bytes);
  }
  std::string& out_;
};

// One field of the input, offered to each member in turn.
class Reader {
 public:
  Reader(std::uint32_t number, std::uint32_t wire_type, Cursor& in, int depth)
      : number_(number), type_(wire_type), in_(in), depth_(depth) {}
  bool taken() const { return taken_; }

  template <class T>
  void operator()(std::uint32_t number, T& member) {
    if (taken_ || number != number_) return;
    taken_ = true;
    read(member);
  }

 private:
  template <class T>
  void read(T& member) {
    if constexpr (is_optional<T>) {
      read(member.emplace());
    } else if constexpr (is_vector<T>) {
      using One = typename T::value_type;
      if constexpr (std::is_arithmetic_v<One> || std::is_enum_v<One>) {
        if (type_ == bytes_type) {  // packed
          const std::string_view all = in_.bytes();
          Cursor inner{all.data(), all.data() + all.size()};
          while (!inner.done()) member.push_back(static_cast<One>(inner.varint()));
          in_.bad |= inner.bad;
          return;
        }
      }
      read(member.emplace_back());
    } else if constexpr (is_text<T>) {
      if (type_ != bytes_type) return void(in_.bad = true);
      member = in_.bytes();
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      if (type_ != varint_type) return void(in_.bad = true);
      member = static_cast<T>(in_.varint());
    } else {
      if (type_ != bytes_type || depth_ > 8) return void(in_.bad = true);
      const std::string_view bytes = in_.bytes();
      Cursor inner{bytes.data(), bytes.data() + bytes.size()};
      read_message(inner, member, depth_ + 1);
      in_.bad |= inner.bad;
    }
  }

 public:
  template <class T>
  static void read_message(Cursor& in, T& message, int depth) {
    while (!in.done()) {
      const std::uint64_t tag = in.varint();
      if (in.bad || (tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return void(in.bad = true);
      Reader reader(static_cast<std::uint32_t>(tag >> 3), static_cast<std::uint32_t>(tag & 7), in, depth);
      message.fields(reader);
      if (!reader.taken()) in.skip(static_cast<std::uint32_t>(tag & 7));
    }
  }

 private:
  const std::uint32_t number_;
  const std::uint32_t type_;
  Cursor& in_;
  const int depth_;
  bool taken_ = false;
};

}  // namespace proto

template <class T>
void append_message(std::string& out, const T& message) {
  proto::Writer writer(out);
  const_cast<T&>(message).fields(writer);  // a Writer only reads
}

template <class T>
std::string to_bytes(const T& message) {
  std::string out;
  append_message(out, message);
  return out;
}

template <class T>
Result<T> read_message(std::string_view bytes) {
  T message;
  proto::Cursor in{bytes.data(), bytes.data() + bytes.size()};
  proto::Reader::read_message(in, message, 0);
  if (in.bad) return protocol_error("a message could not be decoded");
  return message;
}

}  // namespace chaveiro::clients::pulsar::wire
