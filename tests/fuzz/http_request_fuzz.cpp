// Requests as a server reads them: the first byte says into which pieces the rest is cut. Whatever the pieces, the same
// requests come out, and no limit is passed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/parser.h"

namespace {

using namespace chaveiro::net;
using Progress = ParseStep::Progress;

constexpr ParserLimits limits{.header_bytes_max = 2048, .header_count_max = 20};
constexpr std::uint64_t body_max = 512;

// One line a request, and how it ended.
std::string read(std::string_view bytes, std::size_t piece) {
  RequestParser parser(limits);
  std::string in;
  std::string body;
  std::string seen;
  bool in_body = false;
  for (;;) {
    const ParseStep step = in_body ? parser.body(in, body) : parser.head(in);
    CHECK(step.consumed <= in.size());
    in.erase(0, step.consumed);
    CHECK(body.size() <= body_max);
    if (step.progress == Progress::refused) {
      CHECK(parser.refusal().status >= 400 && parser.refusal().status < 600);
      return seen + "refused";
    }
    if (step.progress == Progress::need_more) {
      if (step.consumed > 0 && !in_body) continue;
      if (bytes.empty()) return seen + "open";
      CHECK(in.size() <= 2 * 4096 + piece);
      const std::string_view next = bytes.substr(0, piece);
      in += next;
      bytes.remove_prefix(next.size());
      continue;
    }
    if (!in_body) {
      const Request& request = parser.request();
      CHECK(request.headers.size() <= limits.header_count_max);
      CHECK(request.target.starts_with('/') || request.target == "*");
      CHECK(!(request.headers.find("Content-Length") && request.headers.find("Transfer-Encoding")));
      static_cast<void>(request.parameters());
      seen += std::string(to_string(request.method)) + ' ' + request.target;
      parser.limit_body(body_max);
      if (parser.has_body()) {
        in_body = true;
        continue;
      }
    }
    seen += ' ' + body + '\n';
    body.clear();
    in_body = false;
    parser.next();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read(bytes, std::max<std::size_t>(bytes.size(), 1));
  CHECK(read(bytes, data[0] % 64 + 1) == whole);
  return 0;
}
