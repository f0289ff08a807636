#include "clients/pulsar/wire/proto.h"

namespace chaveiro::clients::pulsar::wire {

Error protocol_error(std::string_view what) { return fail(Code::corrupt, "ProtocolError", std::string(what)); }

namespace proto {

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

std::uint64_t Cursor::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at == end) return bad = true, 0;
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return bad = true, 0;
}

std::string_view Cursor::bytes() {
  const std::uint64_t size = varint();
  if (bad || size > static_cast<std::uint64_t>(end - at)) return bad = true, std::string_view();
  const std::string_view found(at, size);
  at += size;
  return found;
}

void Cursor::skip(std::uint32_t wire_type) {
  std::uint64_t size = 0;
  switch (wire_type) {
    case varint_type:
      varint();
      return;
    case bytes_type:
      bytes();
      return;
    case fixed64_type:
      size = 8;
      break;
    case fixed32_type:
      size = 4;
      break;
    default:
      bad = true;
      return;
  }
  if (size > static_cast<std::uint64_t>(end - at)) return void(bad = true);
  at += size;
}

}  // namespace proto
}  // namespace chaveiro::clients::pulsar::wire
