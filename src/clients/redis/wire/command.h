// clients/redis/wire/command.h
//
// Command: one command with its arguments, kept as the bytes that go over the wire, and what must be known to send it: where its
// first key stands (which node, which connection), and whether it may be sent a second time.
//
//   Command("SET", key, value, "PX", 5000)      Command("MGET").add_all(keys)
//   Command("EVALSHA", sha, 1, key, arg)        Command("INCR", key).idempotent()   // the caller knows what it does
//
// Names are matched without regard to case. What is known about a command stands in one table (command.cpp); an unknown one counts
// as a write whose first argument is a key.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chaveiro::redis {

enum class Access : std::uint8_t {
  read,        // changes nothing: may go to a replica where that is allowed, and is sent again when an answer is lost
  idempotent,  // changes something, and doing it twice is doing it once: sent again, never to a replica
  write,       // never sent again on its own; a lost answer is maybe_applied
};

// How long the server may take to answer.
enum class Patience : std::uint8_t { ordinary, blocking };  // blocking: BLPOP, XREAD … BLOCK, WAIT

class Command {
 public:
  Command() = default;  // none; not to be sent
  template <class... Parts>
  explicit Command(std::string_view name, const Parts&... parts) {
    begin(name, (std::size_t{0} + ... + room_of(parts)));
    (add(parts), ...);
  }

  Command& add(std::string_view part);
  template <std::integral Number>
    requires(!std::same_as<Number, bool> && !std::same_as<Number, char>)
  Command& add(Number number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    return add(std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
  }
  Command& add(double number);
  template <class Texts>
  Command& add_all(const Texts& texts) {
    for (const auto& text : texts) add(text);
    return *this;
  }

  // The caller vouches that doing it twice is doing it once.
  Command& idempotent() {
    if (access_ == Access::write) access_ = Access::idempotent;
    return *this;
  }
  // For a script or function that changes nothing.
  Command& reads_only() {
    access_ = Access::read;
    return *this;
  }

  std::string_view name() const;  // as it was written
  std::size_t size() const { return count_; }
  std::string_view part(std::size_t index) const;  // 0: the name; empty beyond the end
  std::vector<std::string_view> parts() const;

  Access access() const { return access_; }
  Patience patience() const { return patience_; }
  // The first key, or empty: the command may go to any node. Of commands whose keys lie elsewhere than in the first argument
  // (EVAL, XREAD, FCALL, …) it is known once they are complete.
  std::string_view key() const;
  // MULTI, SELECT, SUBSCRIBE, BLPOP, XREAD … BLOCK, …: on a connection that others share they would answer or hold up the others.
  bool needs_own_connection() const;
  // SUBSCRIBE and its kin are answered by pushes, one for each channel.
  bool subscribes() const { return subscribes_; }

  // Appends "*3\r\n$3\r\nSET\r\n…".
  void append_to(std::string& out) const;
  std::size_t wire_size() const { return body_.size() + 16; }

 private:
  template <class Part>
  static std::size_t room_of(const Part& part) {
    if constexpr (std::is_convertible_v<const Part&, std::string_view>)
      return std::string_view(part).size() + 16;
    else
      return 32;
  }
  void begin(std::string_view name, std::size_t room);
  std::string_view key_behind_count(std::size_t at) const;

  std::string body_;  // "$3\r\nSET\r\n$1\r\nk\r\n"
  std::uint32_t count_ = 0;
  std::uint32_t key_at_ = 0;    // where the first key's bytes begin in body_; 0: none (yet)
  std::uint32_t key_size_ = 0;  //
  std::int8_t key_rule_ = 1;    // which argument is the first key; 0: none; negative: see command.cpp
  Access access_ = Access::write;
  Patience patience_ = Patience::ordinary;
  bool subscribes_ = false;
  bool bound_ = false;
};

}  // namespace chaveiro::redis
