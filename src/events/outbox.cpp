#include "events/outbox.h"

#include "base/text.h"

namespace chaveiro::events {

// SIZE:NAME SIZE:VALUE …, as net strings.
std::string headers_text(const Headers& headers) {
  std::string out;
  const auto put = [&](std::string_view text) { out.append(std::to_string(text.size())).append(":").append(text); };
  for (const auto& [name, value] : headers) put(name), put(value);
  return out;
}

Result<Headers> parse_headers_text(std::string_view text) {
  Headers headers;
  const auto damaged = [] { return fail(Code::corrupt, "EventCorrupt", "the headers of a stored event are damaged"); };
  const auto take = [&]() -> Result<std::string> {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return damaged();
    const auto size = parse_uint(text.substr(0, colon));
    if (!size || *size > text.size() - colon - 1) return damaged();
    std::string found(text.substr(colon + 1, *size));
    text.remove_prefix(colon + 1 + *size);
    return found;
  };
  while (!text.empty()) {
    TRY(std::string name, take());
    TRY(std::string value, take());
    headers.emplace_back(std::move(name), std::move(value));
  }
  return headers;
}

}  // namespace chaveiro::events
