// Import lines: no input brings the parser down, and what it accepts it can write and read again unchanged.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "app/import_line.h"

namespace app = chaveiro::app;

namespace {

void check_round_trip(const app::ImportLine& line) {
  if (line.key) return;  // an entry needs more than a line holds
  const auto again = app::parse_json_line(app::to_json_line(line.account), {.check_digits = false});
  if (!again || again->account.holder != line.account.holder || again->account.id != line.account.id) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto line = app::parse_json_line(text, {.check_digits = false})) check_round_trip(*line);
  static const auto columns = app::parse_csv_header(app::csv_header());
  if (const auto line = app::parse_csv_line(text, *columns, {.check_digits = false})) check_round_trip(*line);
  static_cast<void>(app::parse_csv_header(text));
  return 0;
}
