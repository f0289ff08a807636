// Events as neighbours write them: whatever comes in, it is refused, or is the same event when it is written and read again. The same for
// headers as they are stored, dead letters, answers about synchronisation, and what is shown of a body with personal data masked.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "events/dead_letter.h"
#include "events/dead_letter_desk.h"
#include "events/outbox.h"
#include "vsync/sync_answers.h"

namespace events = chaveiro::events;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto event = events::parse_event(text)) {
    const events::Message message = events::to_message(*event);
    const auto again = events::event_of(message);
    CHECK(again && events::to_message(*again).body == message.body);
    static_cast<void>(chaveiro::vsync::sync_answer_of(*event));
  }
  events::Message message{.key = "k", .body = std::string(text)};
  static_cast<void>(events::event_of(message));
  static_cast<void>(events::masked_body(message));
  if (const auto headers = events::parse_headers_text(text)) {
    message.headers = *headers;
    static_cast<void>(events::event_of(message));
    static_cast<void>(events::dead_letter_of(message));
  }
  return 0;
}
