// Times and durations as callers write them: what is read must be written so that it reads as the same value.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/clock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto duration = chaveiro::parse_duration(text)) {
    const auto again = chaveiro::parse_duration(chaveiro::to_string(*duration));
    CHECK(again && *again == *duration);
  }
  if (const auto time = chaveiro::parse_rfc3339(text)) {
    // Written with milliseconds: what is below them is cut, not rounded into the next one.
    const auto again = chaveiro::parse_rfc3339(chaveiro::to_rfc3339(*time));
    CHECK(again && *again == std::chrono::floor<std::chrono::milliseconds>(*time));
  }
  return 0;
}
