// Page tokens as strangers send them: none passes that was not made here.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/page_token.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chaveiro;
  static const ManualClock clock;
  static const api::PageTokens tokens(Secret("a key that only this fuzzer knows"), clock);
  static const api::PageScope scope =
      api::page_scope(directory::EntryFilter{.ispb = directory::Ispb::parse("12345678").value()});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto position = tokens.read(scope, text);
  if (position) CHECK(tokens.make(scope, *position) == text);
  return 0;
}
