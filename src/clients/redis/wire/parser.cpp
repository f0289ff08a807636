#include "clients/redis/wire/parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

namespace chaveiro::redis {
namespace {

// What an idle connection keeps.
constexpr std::size_t buffer_kept = 256U << 10;
// Room made for an announced list before its items have come.
constexpr std::size_t items_believed = 64;

std::optional<std::int64_t> whole_number(std::string_view line) {
  if (!line.empty() && line.front() == '+') line.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size() || line.empty()) return std::nullopt;
  return number;
}

std::optional<double> real_number(std::string_view line) {
  if (line == "inf" || line == "+inf") return std::numeric_limits<double>::infinity();
  if (line == "-inf") return -std::numeric_limits<double>::infinity();
  if (line == "nan" || line == "-nan") return std::numeric_limits<double>::quiet_NaN();
  if (!line.empty() && line.front() == '+') line.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size() || line.empty()) return std::nullopt;
  return number;
}

}  // namespace

Parser::Parser(ParserOptions options) : options_(options) {}

void Parser::reset() {
  begin_ = end_ = scanned_ = reply_bytes_ = 0;
  open_.clear();
  fault_.clear();
}

char* Parser::prepare(std::size_t size) {
  if (begin_ == end_) {
    begin_ = end_ = scanned_ = 0;
    if (capacity_ > buffer_kept && size <= buffer_kept) buffer_.reset(), capacity_ = 0;
  }
  if (capacity_ - end_ >= size) return buffer_.get() + end_;
  const std::size_t held = end_ - begin_;
  // Moving costs what is held: only when it is the smaller half, else the buffer grows.
  if (capacity_ >= size + held && held <= capacity_ / 2) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, held);
  } else {
    const std::size_t wanted = std::max({capacity_ * 2, held + size, std::size_t{4096}});
    std::unique_ptr<char[]> larger(new char[wanted]);
    if (held > 0) std::memcpy(larger.get(), buffer_.get() + begin_, held);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = held;
  return buffer_.get() + end_;
}

void Parser::feed(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
  commit(bytes.size());
}

Parser::Step Parser::broken(std::string_view why) {
  fault_ = why;
  return Step::broken;
}

// The line at the front, without its end; it is not taken yet.
Parser::Step Parser::header(std::string_view& line) {
  const char* const at = buffer_.get() + begin_;
  const std::size_t held = end_ - begin_;
  if (held == 0) return Step::more;
  const void* found = std::memchr(at + scanned_, '\n', held - scanned_);
  if (found == nullptr) {
    scanned_ = held;
    return held > options_.line_bytes_max ? broken("a line does not end") : Step::more;
  }
  const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - at);
  if (size > options_.line_bytes_max) return broken("a line is too long");
  if (size < 2 || at[size - 1] != '\r') return broken("a line does not end in CR LF");
  line = std::string_view(at, size - 1);
  return Step::reply;
}

Parser::Step Parser::next(Value& out) {
  if (!fault_.empty()) return Step::broken;
  for (;;) {
    Value value;
    bool whole = true;
    if (const Step step = element(value, whole); step != Step::reply) return step;
    if (!whole) continue;
    if (place(value, out)) {
      reply_bytes_ = 0;
      return Step::reply;
    }
  }
}

bool Parser::place(Value& value, Value& out) {
  for (;;) {
    if (open_.empty()) {
      out = std::move(value);
      return true;
    }
    Open& top = open_.back();
    if (!top.dropped) top.value.items.push_back(std::move(value));
    if (--top.left > 0) return false;
    const bool dropped = top.dropped;
    value = std::move(top.value);
    open_.pop_back();
    if (dropped) return false;  // what it describes comes next, and takes its place
  }
}

Parser::Step Parser::element(Value& out, bool& whole) {
  std::string_view line;
  if (const Step step = header(line); step != Step::reply) return step;
  if (line.empty()) return broken("a reply of unknown type");
  const char type = line.front();
  const std::size_t taken = line.size() + 2;
  if (reply_bytes_ + taken > options_.reply_bytes_max) return broken("a reply is too large");
  std::string_view rest = line.substr(1);
  switch (type) {
    case '$':
    case '!':
    case '=':
      return text(type, rest, out);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|': {
      const Step step = open(type, rest, out, whole);
      if (step == Step::reply) begin_ += taken, reply_bytes_ += taken, scanned_ = 0;
      return step;
    }
    default: {
      const Step step = scalar(type, rest, out);
      if (step == Step::reply) begin_ += taken, reply_bytes_ += taken, scanned_ = 0;
      return step;
    }
  }
}

Parser::Step Parser::text(char type, std::string_view line, Value& out) {
  const auto length = whole_number(line);
  const std::size_t taken = line.size() + 3;
  if (type == '$' && length == -1) {
    begin_ += taken, reply_bytes_ += taken, scanned_ = 0;
    return Step::reply;
  }
  if (!length || *length < 0) return broken("a text has no length");
  const auto size = static_cast<std::size_t>(*length);
  if (size > options_.reply_bytes_max || reply_bytes_ + taken + size > options_.reply_bytes_max) {
    return broken("a reply is too large");
  }
  const std::size_t all = taken + size + 2;
  if (end_ - begin_ < all) {
    scanned_ = taken - 1;  // the header is found again at once
    return Step::more;
  }
  const char* const bytes = buffer_.get() + begin_ + taken;
  if (bytes[size] != '\r' || bytes[size + 1] != '\n') return broken("a text is longer than its length");
  std::string_view body(bytes, size);
  if (type == '=') {
    if (size < 4 || body[3] != ':') return broken("a verbatim text has no format");
    body.remove_prefix(4);
  }
  out.kind = type == '!' ? Kind::error : Kind::text;
  out.text.assign(body);
  begin_ += all, reply_bytes_ += all, scanned_ = 0;
  return Step::reply;
}

Parser::Step Parser::open(char type, std::string_view line, Value& out, bool& whole) {
  const auto length = whole_number(line);
  if (type == '*' && length == -1) return Step::reply;
  const bool pairs = type == '%' || type == '|';
  if (!length || *length < 0 || *length > (std::int64_t{1} << 32)) return broken("a list has no length");
  std::size_t items = static_cast<std::size_t>(*length) * (pairs ? 2 : 1);
  // Every item takes three bytes at least.
  if (items > options_.reply_bytes_max / 3) return broken("a reply is too large");
  out.kind = type == '*' ? Kind::array : type == '~' ? Kind::set : type == '>' ? Kind::push : Kind::map;
  if (items == 0) {
    whole = type != '|';
    return Step::reply;
  }
  if (open_.size() >= options_.depth_max) return broken("lists lie too deep");
  whole = false;
  if (type != '|') out.items.reserve(std::min(items, items_believed));
  open_.push_back({std::move(out), items, type == '|'});
  return Step::reply;
}

Parser::Step Parser::scalar(char type, std::string_view line, Value& out) {
  switch (type) {
    case '+':
      out.kind = Kind::status;
      break;
    case '-':
      out.kind = Kind::error;
      break;
    case '(': {
      const std::string_view digits = line.starts_with('-') ? line.substr(1) : line;
      if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
        return broken("a big number has other things than digits");
      }
      out.kind = Kind::big_number;
      break;
    }
    case ':': {
      const auto number = whole_number(line);
      if (!number) return broken("a number is none");
      out.kind = Kind::integer;
      out.integer = *number;
      return Step::reply;
    }
    case ',': {
      const auto number = real_number(line);
      if (!number) return broken("a number is none");
      out.kind = Kind::real;
      out.real = *number;
      return Step::reply;
    }
    case '#':
      if (line != "t" && line != "f") return broken("a boolean is neither true nor false");
      out.kind = Kind::boolean;
      out.integer = line == "t" ? 1 : 0;
      return Step::reply;
    case '_':
      return line.empty() ? Step::reply : broken("a null has content");
    default:
      return broken("a reply of unknown type");
  }
  out.text.assign(line);
  return Step::reply;
}

}  // namespace chaveiro::redis
