// The parser of replies: whatever comes, in whatever pieces, it neither crashes nor grows beyond what it was given, and the pieces make no
// difference to what it reads.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "clients/redis/wire/parser.h"
#include "clients/redis/wire/slots.h"

namespace {

using namespace chaveiro::redis;

struct Outcome {
  std::vector<Value> values;
  bool broken = false;
};

Outcome read(std::string_view bytes, std::size_t piece) {
  Parser parser({.depth_max = 16, .reply_bytes_max = 1 << 20, .line_bytes_max = 1 << 12});
  Outcome outcome;
  while (!outcome.broken && !bytes.empty()) {
    const std::string_view now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    parser.feed(now);
    Value value;
    Parser::Step step;
    while ((step = parser.next(value)) == Parser::Step::reply) outcome.values.push_back(std::move(value));
    outcome.broken = step == Parser::Step::broken;
  }
  return outcome;
}

// A NaN is not equal to itself: the bytes of the numbers are compared.
bool same(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.integer != b.integer || a.text != b.text || a.items.size() != b.items.size()) return false;
  if (std::memcmp(&a.real, &b.real, sizeof a.real) != 0) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!same(a.items[i], b.items[i])) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(bytes, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    const Outcome pieces = read(bytes, piece);
    if (pieces.broken != whole.broken || pieces.values.size() != whole.values.size()) std::abort();
    for (std::size_t i = 0; i < whole.values.size(); ++i) {
      if (!same(pieces.values[i], whole.values[i])) std::abort();
    }
  }
  for (const Value& value : whole.values) {
    (void)read_slots(value);
    if (value.is_error()) (void)read_redirect(value.text), (void)error_of(value.text);
  }
  return 0;
}
