#include "clients/redis/wire/slots.h"

#include <array>

#include "base/text.h"

namespace chaveiro::redis {
namespace {

constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr std::array<std::uint16_t, 256> table = make_table();

Error no_slots() { return fail(Code::corrupt, "UnexpectedReply", "Redis: no answer to CLUSTER SLOTS"); }

Result<SlotNode> read_node(const Value& value) {
  if (value.items.size() < 2 || value.items[1].kind != Kind::integer) return no_slots();
  const std::int64_t port = value.items[1].integer;
  if (port < 1 || port > 65'535) return no_slots();
  // A node that does not know its own name says nil, or "?".
  const std::string& host = value.items[0].text;
  return SlotNode{host == "?" ? std::string() : host, static_cast<std::uint16_t>(port)};
}

}  // namespace

unsigned slot_of(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  unsigned crc = 0;
  for (const char c : key) crc = ((crc << 8) ^ table[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xff]) & 0xffff;
  return crc % slot_count;
}

Result<std::vector<SlotRange>> read_slots(const Value& answer) {
  if (answer.kind != Kind::array) return no_slots();
  std::vector<SlotRange> ranges;
  for (const Value& row : answer.items) {
    if (row.items.size() < 3 || row.items[0].kind != Kind::integer || row.items[1].kind != Kind::integer)
      return no_slots();
    const std::int64_t first = row.items[0].integer;
    const std::int64_t last = row.items[1].integer;
    if (first < 0 || last < first || last >= slot_count) return no_slots();
    SlotRange range{static_cast<unsigned>(first), static_cast<unsigned>(last), {}, {}};
    TRY(range.master, read_node(row.items[2]));
    for (std::size_t i = 3; i < row.items.size(); ++i) {
      TRY(SlotNode replica, read_node(row.items[i]));
      range.replicas.push_back(std::move(replica));
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

std::optional<Redirect> read_redirect(std::string_view line) {
  Redirect redirect;
  if (line.starts_with("ASK ")) {
    redirect.ask = true;
    line.remove_prefix(4);
  } else if (line.starts_with("MOVED ")) {
    line.remove_prefix(6);
  } else {
    return std::nullopt;
  }
  const std::size_t space = line.find(' ');
  const std::size_t colon = line.rfind(':');
  if (space == std::string_view::npos || colon == std::string_view::npos || colon < space) return std::nullopt;
  const auto slot = parse_uint(line.substr(0, space), slot_count - 1);
  const auto port = parse_uint(line.substr(colon + 1), 65'535);
  if (!slot || !port || *port == 0) return std::nullopt;
  redirect.slot = static_cast<unsigned>(*slot);
  redirect.to = {std::string(line.substr(space + 1, colon - space - 1)), static_cast<std::uint16_t>(*port)};
  if (redirect.to.host == "?") redirect.to.host.clear();
  return redirect;
}

}  // namespace chaveiro::redis
