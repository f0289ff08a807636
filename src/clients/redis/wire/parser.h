// clients/redis/wire/parser.h
//
// Parser: bytes of a Redis server in, whole replies out, for RESP2 and RESP3. Bytes may come in any pieces; none is looked at twice
// but for the rest of a header line. What the server announces is never believed before it has come: memory grows with what was
// received, not with what was promised.
//
//   char* place = parser.prepare(size); parser.commit(read(fd, place, size));
//   while (parser.next(value) == Parser::Step::reply) …
//
// Errors: after Step::broken the stream has no meaning any more: close the connection.
// Source: RESP3 specification (antirez/RESP3, spec.md). Streamed strings and aggregates, which no server sends, are refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "clients/redis/wire/value.h"

namespace chaveiro::redis {

struct ParserOptions {
  std::size_t depth_max = 64;                // lists inside lists
  std::size_t reply_bytes_max = 512U << 20;  // of one reply, as it came over the wire
  std::size_t line_bytes_max = 64U << 10;    // of a simple string, an error or a number
};

class Parser {
 public:
  enum class Step : std::uint8_t { reply, more, broken };

  explicit Parser(ParserOptions options = {});

  // A place for `size` bytes, and how many of them have come. Texts that next() gave stay whole.
  char* prepare(std::size_t size);
  void commit(std::size_t size) { end_ += size; }
  void feed(std::string_view bytes);

  // The next whole reply into `out`, which is overwritten.
  Step next(Value& out);
  // What is wrong with the stream, after `broken`.
  const std::string& fault() const { return fault_; }

  // Nothing of a further reply has come.
  bool empty() const { return begin_ == end_ && open_.empty(); }
  void reset();

 private:
  struct Open {
    Value value;
    std::size_t left;  // items still to come
    bool dropped;      // an attribute: not part of the reply
  };

  Step broken(std::string_view why);
  Step header(std::string_view& line);
  Step element(Value& out, bool& whole);
  Step text(char type, std::string_view line, Value& out);
  Step open(char type, std::string_view line, Value& out, bool& whole);
  Step scalar(char type, std::string_view line, Value& out);
  // Puts a whole value into what is open; true: the reply itself is whole.
  bool place(Value& value, Value& out);

  const ParserOptions options_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // what is not read yet: [begin_, end_)
  std::size_t end_ = 0;
  std::size_t scanned_ = 0;  // of it, without a line end
  std::size_t reply_bytes_ = 0;
  std::vector<Open> open_;  // lists begun and not ended, outermost first
  std::string fault_;
};

}  // namespace chaveiro::redis
