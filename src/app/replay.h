// app/replay.h
//
// A recorded day of calls to the registry, played against the official policy engine on a clock of its own: which of them would have
// been refused, by which policy, and when they would have been allowed. A line is one call:
//
//   {"at":"2026-11-21T10:00:00.000Z","operation":"getEntry","key_type":"CPF","participant":"12345678","payer_id":"11144477735",
//    "end_to_end_id":"E1","status":404,"took_ms":40,"batch":false}
//
// or a payment order: {"at":…,"operation":"paymentOrder","end_to_end_id":"E1"}. Lines stand in the order of `at`. A refused call is left
// out of the buckets, as it would not have been made; `status` 0 says that no answer came.
//
// Threads: any.
// Errors:  invalid, naming the line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "limits/policies.h"

namespace chaveiro::app {

struct ReplayReport {
  struct Refused {
    std::uint64_t line = 0;
    std::string policy;
    std::string allowed_at;  // "": never
  };
  std::uint64_t calls = 0;
  std::uint64_t allowed = 0;
  std::uint64_t limited = 0;  // that the registry had answered 429, among those allowed
  std::vector<Refused> refused;
};

Result<ReplayReport> replay_calls(std::string_view lines, limits::Category category,
                                  const limits::SilentPoints& silent = {});

}  // namespace chaveiro::app
