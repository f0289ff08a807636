// Rule files, ours and Envoy's: no input brings the readers down, and what is accepted can be asked.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "limits/rules.h"

namespace limits = chaveiro::limits;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const limits::Descriptor call{{"ip", "10.0.0.1"}, {"ispb", "12345678"}, {"operation", "GetKey"}, {"key", "value"}};
  for (const auto& set : {limits::RuleSet::read(text), limits::RuleSet::read_envoy(text)}) {
    if (!set) continue;
    for (const auto& applied : (*set)->match(call)) {
      if (applied.terms == nullptr) continue;
      const auto moment = limits::moment_of(applied.terms->limit, 1'800'000'000'000'000);
      limits::State state = limits::fresh(applied.terms->numbers, moment);
      if (limits::room(applied.terms->numbers, state) != applied.terms->numbers.capacity) std::abort();
      limits::spend(applied.terms->numbers, state, 1);
      static_cast<void>(limits::describe(applied.terms->numbers, state, 1, true));
    }
  }
  return 0;
}
