// net/parser.h
//
// The reading of HTTP/1.1 messages without a socket: bytes in, what they mean out. Server, client and fuzzer use the same
// objects. Stricter than the RFC asks wherever two readers could disagree about where a message ends: folded lines, a length
// beside chunks, repeated or listed lengths, any transfer coding but chunked, and bare line feeds are all refused.
//
// Threads: one caller at a time.
// Time:    linear in the bytes; a partial head is not read again from its beginning.
// Source:  RFC 9112, sections 2 to 7 and 11.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace chaveiro::net {

struct ParserLimits {
  std::size_t header_bytes_max = 16 * 1024;  // start line and fields
  std::size_t header_count_max = 100;
};

// Why a message was refused: the status that a server answers, and words for a person.
struct Refusal {
  int status = 400;
  std::string_view reason;
  std::string_view detail;
};

struct ParseStep {
  enum class Progress : std::uint8_t { need_more, done, refused };
  Progress progress = Progress::need_more;
  std::size_t consumed = 0;  // bytes at the front that are not to be shown again
};

// One request after another: head() until done, body() until done, next().
class RequestParser {
 public:
  explicit RequestParser(ParserLimits limits);
  ~RequestParser();

  // `in` begins where the last call stopped consuming and may hold more than before. Done: request() is filled. Where
  // need_more has consumed something (blank lines), the rest is to be shown at once.
  ParseStep head(std::string_view in);
  // Appends body bytes to `out`; at most `in` at a time. Only after head() is done.
  ParseStep body(std::string_view in, std::string& out);
  void next();

  // Once, after head(): larger bodies are refused with 413.
  void limit_body(std::uint64_t bytes_max);

  Request& request();
  bool has_body() const;  // false: body() need not be called
  std::optional<std::uint64_t> content_length() const;
  bool keep_alive() const;
  bool http_1_0() const;
  bool expects_continue() const;
  const Refusal& refusal() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One response after another on one connection; interim (1xx) responses are skipped.
class ResponseParser {
 public:
  explicit ResponseParser(ParserLimits limits);
  ~ResponseParser();

  // `answers`: the method of the request, which decides whether a body follows.
  void begin(Method answers);
  ParseStep head(std::string_view in);
  ParseStep body(std::string_view in, std::string& out);
  // The peer closed: true when the body was one that ends so.
  bool ends_at_close();

  Response& response();
  bool has_body() const;
  std::optional<std::uint64_t> content_length() const;
  bool keep_alive() const;
  const Refusal& refusal() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::net
