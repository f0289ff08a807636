// clients/redis/wire/slots.h
//
// Where a key lives in a cluster: its slot, what CLUSTER SLOTS says about who serves it, and what MOVED and ASK say about who does now.
//
// Source: Redis cluster specification: CRC-16/XMODEM of the key, or of its hash tag, modulo 16384.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clients/redis/wire/value.h"

namespace chaveiro::redis {

inline constexpr unsigned slot_count = 16'384;

unsigned slot_of(std::string_view key);

struct SlotNode {
  std::string host;  // empty: the one that was asked
  std::uint16_t port = 0;
  bool operator==(const SlotNode&) const = default;
};

struct SlotRange {
  unsigned first = 0;
  unsigned last = 0;
  SlotNode master;
  std::vector<SlotNode> replicas;
};

// Errors: corrupt, for anything that is no answer to CLUSTER SLOTS.
Result<std::vector<SlotRange>> read_slots(const Value& answer);

struct Redirect {
  bool ask = false;  // for this command only
  unsigned slot = 0;
  SlotNode to;
};
// "MOVED 3999 127.0.0.1:6381" and "ASK …"; nothing for any other error line.
std::optional<Redirect> read_redirect(std::string_view error_line);

}  // namespace chaveiro::redis
